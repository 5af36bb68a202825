"""Servers of the tests: in this process, or others that are waited for."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import BaseServer

_READY_SECONDS = 20.0


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
