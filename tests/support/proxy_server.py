"""A proxy of the tests: it leads every CONNECT to one address, whatever name it is asked for."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from tests.support.servers import serving

_CHUNK = 65536


class FakeProxy:
    """What it was asked, and where it leads.

    Attributes:
        target: host and port of all tunnels.
        login: what it wants as Proxy-Authorization; None lets everybody through.
        asked: the addresses of the tunnels.
    """

    def __init__(self, target: str, login: str | None = None) -> None:
        host, _, port = target.partition(":")
        self.target = (host, int(port))
        self.login = login
        self.asked: list[str] = []
        self.address = ""

    @contextmanager
    def running(self) -> Iterator["FakeProxy"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        server.daemon_threads = True
        self.address = f"127.0.0.1:{server.server_port}"
        with serving(server):
            yield self


class _Handler(BaseHTTPRequestHandler):
    proxy: ClassVar[FakeProxy]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_CONNECT(self) -> None:
        self.proxy.asked.append(self.path)
        self.close_connection = True
        if self.headers.get("Proxy-Authorization") != self.proxy.login:
            self.send_error(407)
            return
        with socket.create_connection(self.proxy.target) as onward:
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
