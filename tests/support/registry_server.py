"""A registry of the tests, in this process and with TLS: its content is a dictionary, its faults are ordered.

It is as strict with what it is sent as the real ones are: with `Accept`, the login, each token's scope, and the forms
of its token server.
"""

import base64
import datetime as dt
import hashlib
import ipaddress
import json
import ssl
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.servers import QuietHandler, QuietServer, serving

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
LOGIN = ("$oauthtoken", "s3cr3t")
SERVICE = "fake registry"
# Names that its certificate holds as well, for a proxy that leads there.
NAMES = ("registry.example", "registry-1.docker.io")
_FORM = "application/x-www-form-urlencoded"


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
    """What the next requests for a path get instead of an answer.

    Attributes:
        status: 0 hangs up without a word.
        length: what the header says of the body's length, where that is not true.
        silence: seconds until the answer.
        method: the only one that it meets; all, where it is empty.
    """

    status: int
    times: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    silence: float = 0.0
    method: str = ""


@dataclass
class FakeRegistry:
    """What it holds, what it was asked, and how it behaves.

    Attributes:
        manifests: by repository and reference: media type and bytes.
        login: user and password that it wants; None lets everybody in.
        bearer: whether a token is wanted, which the server at /token gives for the login, or to everybody.
        identity_token: what its token server takes in the place of a password.
        token_key: what the token server's answer calls the token.
        challenges: headers of a 401 in the place of its own.
        claimed: digests that its header says, by repository and reference, whatever the bytes are.
        page: how many tags it lists at once; 0 lists all.
        digest_header: whether it says a manifest's digest, as it need not.
        blobs_elsewhere: base address that blobs are redirected to.
        tokens: those that it takes, and the scope of each.
    """

    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    bearer: bool = False
    identity_token: str = ""
    token_key: str = "token"  # noqa: S105 - a key of JSON
    challenges: list[str] = field(default_factory=list)
    claimed: dict[tuple[str, str], str] = field(default_factory=dict)
    page: int = 0
    digest_header: bool = True
    blobs_elsewhere: str | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    uploads: Counter[str] = field(default_factory=Counter)
    tokens: dict[str, str] = field(default_factory=dict)
    address: str = ""

    @property
    def server(self) -> str:
        return self.address.partition("://")[2]

    @property
    def bearer_challenge(self) -> str:
        return f'Bearer realm="{self.address}/token",service="{SERVICE}",scope="repository:team/image:pull"'

    @property
    def asked(self) -> list[str]:
        """Method and path of each request."""
        return [f"{request.method} {request.path}" for request in self.requests]

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

    def put_image(
        self,
        repository: str,
        configs: dict[str, dict[str, Any]],
        *tags: str,
        layer: bytes = b"l",
        layers: Mapping[str, Sequence[bytes]] | None = None,
        layer_type: str = LAYER,
    ) -> str:
        """An index with a manifest for each platform; its digest.

        `layers` are those of each platform, where it has others than one of no meaning.
        """
        entries = []
        for platform, config in configs.items():
            system, architecture = platform.split("/")
            content = {"os": system, "architecture": architecture, **config}
            manifest = {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, **self.put_blob(encoded(content))},
                "layers": [
                    {"mediaType": layer_type, **self.put_blob(content)}
                    for content in (layers or {}).get(platform, [layer + platform.encode()])
                ],
            }
            digest = self.put_manifest(repository, MANIFEST, manifest)
            entries.append(
                {"mediaType": MANIFEST, "digest": digest, "platform": {"os": system, "architecture": architecture}}
            )
        return self.put_manifest(repository, INDEX, {"schemaVersion": 2, "manifests": entries}, *tags)

    @contextmanager
    def running(self, context: ssl.SSLContext | None) -> Iterator[Self]:
        """Serve, with TLS where there is a context."""
        handler = type("Handler", (_Handler,), {"content": self})
        server = QuietServer(("127.0.0.1", 0), handler, context)
        self.address = f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
        with serving(server):
            yield self


class _Handler(QuietHandler):
    disable_nagle_algorithm = True
    content: ClassVar[FakeRegistry]

    def setup(self) -> None:
        super().setup()
        self.content.connections += 1

    def _answer(self, status: int, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self) -> None:
        registry = self.content
        path = urllib.parse.urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        registry.requests.append(Request(self.command, self.path, dict(self.headers.items()), body))
        fault = registry.faults.get(path)
        if fault and fault.times and fault.method in {"", self.command}:
            fault.times -= 1
            return self._fail(fault)
        if path == "/token":
            return self._token(body)
        if not self._is_let_in(path):
            return self._refuse()
        return self._put(path, body) if self.command == "PUT" else self._serve(path)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - names of the base class

    def _fail(self, fault: Fault) -> None:
        time.sleep(fault.silence)
        self.close_connection = fault.length is not None or fault.status == 0
        if fault.status:
            self._answer(fault.status, fault.body, fault.length, **fault.headers)

    def _refuse(self) -> None:
        self.send_response(401)
        for challenge in self._wishes():
            self.send_header("WWW-Authenticate", challenge)
        body = encoded({"errors": [{"code": "UNAUTHORIZED"}]})
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _basic(self) -> str | None:
        if self.content.login is None:
            return None
        return f"Basic {base64.b64encode(':'.join(self.content.login).encode()).decode()}"

    def _token(self, body: bytes) -> None:
        """Change a login, or an identity token in a form, for a token: what is asked wrongly is refused."""
        is_form = self.command == "POST"
        asked = dict(urllib.parse.parse_qsl(body.decode() if is_form else urllib.parse.urlsplit(self.path).query))
        expected = {"client_id": "carbide-infra", "scope": asked.get("scope", "")}
        if any("service=" in challenge.lower() for challenge in self._wishes()):
            expected["service"] = SERVICE
        if is_form:
            expected |= {"grant_type": "refresh_token", "refresh_token": self.content.identity_token}
            is_known = self.headers.get("Content-Type") == _FORM and "Authorization" not in self.headers
        else:
            is_known = self.headers.get("Authorization") == self._basic()
        if asked != expected:
            return self._answer(400, encoded({"error": "invalid_request"}))
        if not is_known:
            return self._answer(401, b"{}")
        token = f"token-{len(self.content.tokens)}"
        self.content.tokens[token] = asked["scope"]
        return self._answer(200, encoded({self.content.token_key: token, "expires_in": 60}))

    def _is_let_in(self, path: str) -> bool:
        given = self.headers.get("Authorization")
        if not self.content.bearer:
            return self.content.login is None or given == self._basic()
        scheme, _, token = (given or "").partition(" ")
        return scheme == "Bearer" and self._covers(self.content.tokens.get(token, ""), path)

    def _covers(self, scope: str, path: str) -> bool:
        kind, _, rest = scope.partition(":")
        repository, _, actions = rest.rpartition(":")
        wanted = {"pull"} if self.command in {"GET", "HEAD"} else {"pull", "push"}
        return (
            kind == "repository"
            and path.startswith(tuple(f"/v2/{repository}/{kind}/" for kind in ("manifests", "blobs", "tags")))
            and wanted <= set(actions.split(","))
        )

    def _wishes(self) -> list[str]:
        own = self.content.bearer_challenge if self.content.bearer else 'Basic realm="fake"'
        return self.content.challenges or [own]

    def _serve(self, path: str) -> None:
        if path == "/v2/":
            return self._answer(200, b"{}")
        repository, found, _ = path.removeprefix("/v2/").partition("/tags/list")
        if found:
            return self._tags(repository)
        for kind, serve in (("manifests", self._manifest), ("blobs/uploads", self._upload), ("blobs", self._blob)):
            repository, found, rest = path.removeprefix("/v2/").partition(f"/{kind}/")
            if found:
                return serve(repository, rest)
        return self._answer(404)

    def _tags(self, repository: str) -> None:
        """A page of them, in their order; where there are more, with the address of the next, as an attacker has it."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        tags = sorted(tag for name, tag in self.content.manifests if name == repository and ":" not in tag)
        rest = [tag for tag in tags if tag > query.get("last", [""])[0]]
        page = rest[: self.content.page or len(rest)]
        more = {"Link": '<https://elsewhere.invalid/>; rel="next"'} if len(page) < len(rest) else {}
        self._answer(200, encoded({"name": repository, "tags": page}), None, **more)

    def _manifest(self, repository: str, reference: str) -> None:
        media_type, body = self.content.manifests.get((repository, reference), ("", b""))
        if not body:
            return self._unknown("unknown")
        accepted = {part.partition(";")[0].strip() for part in self.headers.get("Accept", "").split(",")}
        if media_type in {INDEX, MANIFEST} and media_type not in accepted:
            # As distribution answers, and NVCR with it.
            kind = "index" if media_type == INDEX else "manifest"
            return self._unknown(f"OCI {kind} found, but accept header does not support OCI {kind}s")
        if media_type in {DOCKER_LIST, DOCKER_MANIFEST} - accepted and ":" not in reference:
            media_type, body = self._converted(repository, media_type, body)
        claim = self.content.claimed.get((repository, reference), digest_of(body))
        promise = {"Docker_Content_Digest": claim} if self.content.digest_header else {}
        return self._answer(200, body, None, Content_Type=media_type, **promise)

    def _put(self, path: str, body: bytes) -> None:
        """Take a manifest under a tag; its media type has to be the one that it says itself."""
        repository, _, tag = path.removeprefix("/v2/").partition("/manifests/")
        media_type = self.headers.get("Content-Type", "")
        if media_type not in {INDEX, MANIFEST, DOCKER_LIST, DOCKER_MANIFEST}:
            return self._answer(400, encoded({"errors": [{"code": "MANIFEST_INVALID"}]}))
        self.content.manifests[repository, tag] = (media_type, body)
        return self._answer(201, Docker_Content_Digest=digest_of(body))

    def _converted(self, repository: str, media_type: str, body: bytes) -> tuple[str, bytes]:
        """What a client of old times gets: one platform of a list, or a manifest of the first kind."""
        if media_type == DOCKER_LIST:
            return self.content.manifests[repository, json.loads(body)["manifests"][0]["digest"]]
        return DOCKER_SIGNED, encoded({"schemaVersion": 1, "name": repository})

    def _unknown(self, message: str) -> None:
        self._answer(404, encoded({"errors": [{"code": "MANIFEST_UNKNOWN", "message": message}]}))

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
    names, local = [x509.DNSName(name) for name in NAMES], ipaddress.ip_address("127.0.0.1")
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([*names, x509.IPAddress(local)]), critical=False)
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
