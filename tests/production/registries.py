"""Real registries of the tests: the project's own server with basic authentication, or with tokens behind a front.

The front has TLS, the token service at /token, and the faults that a test orders; everything else it hands to the
registry, which checks each token itself.
"""

import http.client
import json
import os
import re
import secrets
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from devenv.registry import Host
from devenv.toolchain import ensure_registry_server
from tests.production.tokens import ISSUER, SERVICE, TokenService
from tests.support.authority import ServerFiles
from tests.support.registry_server import Fault, Request
from tests.support.servers import QuietHandler, QuietServer, await_port, serving

_HOP = frozenset({"connection", "transfer-encoding", "keep-alive"})


@dataclass(frozen=True)
class RealRegistry:
    """A registry process.

    Attributes:
        address: host and port, as in references where it has no front.
        data: what it has stored.
    """

    address: str
    data: Path

    def tags(self, repository: str) -> set[str]:
        """What a repository has, read from the disk, without any login."""
        return {folder.name for folder in self._manifests(repository).glob("tags/*")}

    def digests(self, repository: str) -> set[str]:
        """All manifests of a repository."""
        return {folder.name for folder in self._manifests(repository).glob("revisions/sha256/*")}

    def digest(self, repository: str, tag: str) -> str:
        """What a tag points at."""
        return (self._manifests(repository) / "tags" / tag / "current/link").read_text()

    @property
    def repositories(self) -> set[str]:
        """Those that anything was begun in."""
        root = self.data / "docker/registry/v2/repositories"
        return {str(folder.parent.relative_to(root)) for folder in root.rglob("_*") if folder.is_dir()}

    def _manifests(self, repository: str) -> Path:
        return self.data / "docker/registry/v2/repositories" / repository / "_manifests"


@contextmanager
def basic_registry(folder: Path, host: Host, files: ServerFiles, login: tuple[str, str]) -> Iterator[RealRegistry]:
    """One with TLS and a login of its own."""
    program, logins = ensure_registry_server(print), folder / "htpasswd"
    folder.mkdir(parents=True)
    user, password = login
    made = subprocess.run([program, "htpasswd", user], input=password, capture_output=True, text=True, check=True)
    logins.write_text(made.stdout)
    port = _free_port(host)
    config = {
        "auth": {"htpasswd": {"realm": "tests", "path": str(logins)}},
        "http": {
            "addr": f"{host.address}:{port}",
            "tls": {"certificate": str(files.certificate), "key": str(files.key)},
        },
    }
    with _running(program, folder, config, f"{host.address}:{port}"):
        yield RealRegistry(f"{host.name}:{port}", folder / "data")


@contextmanager
def token_registry(folder: Path, host: Host, files: ServerFiles, service: TokenService) -> Iterator["Front"]:
    """One that takes the tokens of a service only, behind its front."""
    program, keys = ensure_registry_server(print), folder / "jwks.json"
    folder.mkdir(parents=True)
    keys.write_text(service.public_keys)
    inner = f"127.0.0.1:{_free_port(Host('localhost', '127.0.0.1'))}"
    front = Front(RealRegistry(inner, folder / "data"), service)
    with front.running(host, files):
        realm = f"https://{front.server}/token"
        token = {"realm": realm, "service": SERVICE, "issuer": ISSUER, "jwks": str(keys)}
        with _running(program, folder, {"auth": {"token": token}, "http": {"addr": inner}}, inner):
            yield front


@dataclass
class Front:
    """What stands before a registry, as its clients see it.

    Attributes:
        registry: the real one.
        tokens: who gives its tokens.
        server: host and port, as in references.
        faults: what a request gets instead of an answer, by a pattern of method and path.
        uses: how many requests a token is good for, before it has expired; None for as long as it says.
        requests: what it was asked.
    """

    registry: RealRegistry
    tokens: TokenService
    server: str = ""
    faults: dict[str, Fault] = field(default_factory=dict)
    uses: int | None = None
    requests: list[Request] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)

    def forget(self) -> None:
        """Be as at first."""
        self.faults, self.requests, self.used, self.uses = {}, [], {}, None
        self.tokens.refuses_strangers = False
        self.tokens.asked.clear()

    @property
    def asked(self) -> list[str]:
        """Method and path of each request."""
        return [f"{request.method} {request.path}" for request in self.requests]

    @contextmanager
    def running(self, host: Host, files: ServerFiles) -> Iterator[None]:
        server = QuietServer((host.address, 0), type("Handler", (_Handler,), {"front": self}), files.context)
        self.server = f"{host.name}:{server.server_address[1]}"
        with serving(server):
            yield

    def fault(self, asked: str) -> Fault | None:
        """The one that a request meets, counted."""
        found = next((fault for pattern, fault in self.faults.items() if re.search(pattern, asked)), None)
        if found is None or found.times <= 0:
            return None
        found.times -= 1
        return found

    def token(self, authorization: str) -> str:
        """The header as it goes on: a token that has served its time is an expired one of the same service."""
        count = self.used[authorization] = self.used.get(authorization, 0) + 1
        if authorization and self.uses is not None and count > self.uses:
            return f"Bearer {self.tokens.token(expired=True)}"
        return authorization


class _Handler(QuietHandler):
    disable_nagle_algorithm = True
    front: ClassVar[Front]

    def handle_any(self) -> None:
        body = self._body()
        self.front.requests.append(Request(self.command, self.path, dict(self.headers.items()), b""))
        fault = self.front.fault(f"{self.command} {self.path}")
        if fault:
            time.sleep(fault.silence)
            headers = {name.replace("_", "-"): value for name, value in fault.headers.items()}
            return self._answer(fault.status, headers, fault.body)
        where = urllib.parse.urlsplit(self.path)
        if where.path == "/token":
            given = self.front.tokens.answer(self.command, where.query, self.headers.get("Authorization", ""))
            return self._answer(given.status, {"Content-Type": "application/json", **given.headers}, given.body)
        return self._hand_on(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - names of the base class

    def _hand_on(self, body: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        if login := self.front.token(headers.get("Authorization", "")):
            headers["Authorization"] = login
        connection = http.client.HTTPConnection(self.front.registry.address, timeout=60)
        try:
            connection.request(self.command, self.path, body or None, headers)
            response = connection.getresponse()
            content = response.read()
            kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP}
        finally:
            connection.close()
        self._answer(response.status, kept, content)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in {"content-length", "date", "server"}:
                self.send_header(name, value)
        length = next((value for name, value in headers.items() if name.lower() == "content-length"), str(len(body)))
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        content = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content


@contextmanager
def _running(program: Path, folder: Path, config: dict[str, Any], address: str) -> Iterator[None]:
    whole = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        **config,
        "http": {**config["http"], "relativeurls": True, "secret": secrets.token_hex(16)},
    }
    file = folder / "config.yml"
    # JSON is YAML.
    file.write_text(json.dumps(whole))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "serve", file],
            env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            await_port(address, process, folder / "log")
            yield
        finally:
            process.terminate()
            process.wait()


def _free_port(host: Host) -> int:
    with socket.create_server((host.address, 0)) as server:
        return int(server.getsockname()[1])
