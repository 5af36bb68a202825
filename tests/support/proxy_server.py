"""A proxy of the tests: it leads each CONNECT to the address that a test says, whatever name it is asked for."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from tests.support.servers import serving

_CHUNK = 65536
_SECONDS = 10


class FakeProxy:
    """What it was asked, and where it leads.

    Attributes:
        target: host and port of all tunnels; None leads each to where it wants to go.
        routes: those of tunnels to single hosts.
        login: what it wants as Proxy-Authorization; None lets everybody through.
        asked: the addresses of the tunnels.
    """

    def __init__(self, target: str | None, login: str | None = None, routes: Mapping[str, str] | None = None) -> None:
        self.target = target
        self.login = login
        self.routes = dict(routes or {})
        self.asked: list[str] = []
        self.address = ""

    def leads(self, wanted: str) -> tuple[str, int]:
        """Where a tunnel ends."""
        host, _, port = self.routes.get(wanted.rpartition(":")[0], self.target or wanted).rpartition(":")
        return host, int(port)

    @contextmanager
    def running(self) -> Iterator["FakeProxy"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        server.daemon_threads = True
        self.address = f"127.0.0.1:{server.server_port}"
        with serving(server):
            yield self


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: ClassVar[FakeProxy]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_CONNECT(self) -> None:
        self.proxy.asked.append(self.path)
        self.close_connection = True
        if self.headers.get("Proxy-Authorization") != self.proxy.login:
            # git offers no login before it is asked for one.
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="proxy of the tests"')
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()
            return
        try:
            onward = socket.create_connection(self.proxy.leads(self.path), timeout=_SECONDS)
        except OSError:
            self.send_error(502)
            return
        with onward:
            onward.settimeout(None)
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(onward, self.connection), daemon=True)
            back.start()
            _copy(self.connection, onward)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(_CHUNK):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)
