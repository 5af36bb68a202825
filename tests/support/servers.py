"""Servers of the tests: in this process, or others that are waited for."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseServer
from ssl import SSLContext
from typing import Any

_READY_SECONDS = 20.0


class QuietServer(ThreadingHTTPServer):
    """An HTTP server that says nothing of clients that hang up, such as those that do not trust it.

    Args:
        address: host and port; 0 for any.
        handler: answers.
        context: for TLS; None for none.
    """

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], context: SSLContext | None = None
    ) -> None:
        super().__init__(address, handler)
        if context:
            # The handshake is each request's own: one client must not hold up the others.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's types
        """Keep quiet."""


class QuietHandler(BaseHTTPRequestHandler):
    """Answers HTTP/1.1, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """Answer in the background; nothing of it is left in the end."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def await_port(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a program listens; its log tells why it does not."""
    host, _, port = address.rpartition(":")
    end = time.monotonic() + _READY_SECONDS
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        else:
            return
