"""A registry of the tests, in this process and with TLS: its content is a dictionary, its faults are ordered."""

import base64
import datetime as dt
import hashlib
import ipaddress
import json
import ssl
import threading
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Fault:
    """What the next requests for a path get instead of an answer."""

    status: int
    times: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeRegistry:
    """What it holds, what it was asked, and how it behaves.

    Attributes:
        manifests: by repository and reference: media type and bytes.
        login: user and password that it wants; None lets everybody in.
        bearer: whether the login is to be changed for a token at /token.
        token_key: what the token server's answer calls the token.
        blobs_elsewhere: base address that blobs are redirected to.
    """

    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    bearer: bool = False
    token_key: str = "token"  # noqa: S105 - a key of JSON
    blobs_elsewhere: str | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    uploads: Counter[str] = field(default_factory=Counter)
    tokens: set[str] = field(default_factory=set)
    address: str = ""

    @property
    def server(self) -> str:
        return self.address.removeprefix("https://")

    def put_manifest(self, repository: str, media_type: str, content: object, *tags: str) -> str:
        body = encoded(content)
        digest = digest_of(body)
        for reference in (digest, *tags):
            self.manifests[repository, reference] = (media_type, body)
        return digest

    def put_blob(self, content: bytes) -> dict[str, Any]:
        digest = digest_of(content)
        self.blobs[digest] = content
        return {"digest": digest, "size": len(content)}

    def put_image(self, repository: str, configs: dict[str, dict[str, Any]], *tags: str, layer: bytes = b"l") -> str:
        """An index with a manifest for each platform; its digest."""
        entries = []
        for platform, config in configs.items():
            system, architecture = platform.split("/")
            content = {"os": system, "architecture": architecture, **config}
            manifest = {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, **self.put_blob(encoded(content))},
                "layers": [{"mediaType": LAYER, **self.put_blob(layer + platform.encode())}],
            }
            digest = self.put_manifest(repository, MANIFEST, manifest)
            entries.append(
                {"mediaType": MANIFEST, "digest": digest, "platform": {"os": system, "architecture": architecture}}
            )
        return self.put_manifest(repository, INDEX, {"schemaVersion": 2, "manifests": entries}, *tags)

    @contextmanager
    def running(self, context: ssl.SSLContext) -> Iterator[Self]:
        handler = type("Handler", (_Handler,), {"content": self})
        server = _Server(("127.0.0.1", 0), handler)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.address = f"https://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's types
        """Keep quiet of clients that hang up, such as one that does not trust us."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    content: ClassVar[FakeRegistry]

    def setup(self) -> None:
        super().setup()
        self.content.connections += 1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self) -> None:
        registry = self.content
        path = urllib.parse.urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        registry.requests.append(Request(self.command, self.path, dict(self.headers.items()), body))
        fault = registry.faults.get(path)
        if fault and fault.times:
            fault.times -= 1
            return self._answer(fault.status, b"", **fault.headers)
        if path == "/token":
            return self._token()
        if not self._is_let_in():
            return self._answer(401, encoded({"errors": [{"code": "UNAUTHORIZED"}]}), WWW_Authenticate=self._wish())
        return self._serve(path)

    do_GET = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815 - names of the base class

    def _basic(self) -> str:
        assert self.content.login
        return f"Basic {base64.b64encode(':'.join(self.content.login).encode()).decode()}"

    def _token(self) -> None:
        if self.headers.get("Authorization") != self._basic() and self.command == "GET":
            return self._answer(401, b"{}")
        token = f"token-{len(self.content.tokens)}"
        self.content.tokens.add(token)
        return self._answer(200, encoded({self.content.token_key: token, "expires_in": 60}))

    def _is_let_in(self) -> bool:
        given = self.headers.get("Authorization", "")
        if self.content.login is None:
            return True
        if self.content.bearer:
            return given.removeprefix("Bearer ") in self.content.tokens
        return given == self._basic()

    def _wish(self) -> str:
        if not self.content.bearer:
            return 'Basic realm="fake"'
        scope = "repository:team/image:pull"
        return f'Bearer realm="{self.content.address}/token",service="fake registry",scope="{scope}"'

    def _serve(self, path: str) -> None:
        if path == "/v2/":
            return self._answer(200, b"{}")
        for kind, serve in (("manifests", self._manifest), ("blobs/uploads", self._upload), ("blobs", self._blob)):
            repository, found, rest = path.removeprefix("/v2/").partition(f"/{kind}/")
            if found:
                return serve(repository, rest)
        return self._answer(404)

    def _manifest(self, repository: str, reference: str) -> None:
        media_type, body = self.content.manifests.get((repository, reference), ("", b""))
        if not body:
            return self._answer(404, encoded({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}))
        return self._answer(200, body, Content_Type=media_type, Docker_Content_Digest=digest_of(body))

    def _blob(self, repository: str, digest: str) -> None:
        registry = self.content
        if digest not in registry.blobs:
            return self._answer(404)
        if registry.blobs_elsewhere:
            return self._answer(307, Location=f"{registry.blobs_elsewhere}/v2/{repository}/blobs/{digest}")
        return self._answer(200, registry.blobs[digest])

    def _upload(self, repository: str, upload: str) -> None:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if self.command == "POST" and query.get("mount", [""])[0] in self.content.blobs:
            return self._answer(201)
        if self.command == "POST":
            self.content.uploads[repository] += 1
            return self._answer(202, Location=f"/v2/{repository}/blobs/uploads/1?_state=signed%3D")
        if upload != "1" or query.get("_state") != ["signed="]:
            return self._answer(400)
        self.content.uploads[repository] -= 1
        return self._answer(204)


def make_tls(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context, and the file of what its clients have to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, secret = folder / "certificate.pem", folder / "key.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, secret)
    return context, trusted
