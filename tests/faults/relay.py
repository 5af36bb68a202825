"""A relay of TCP connections between the registry and everybody else, which maltreats them."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_CHUNK = 16384
_AT_ONCE = struct.pack("ii", 1, 0)


@dataclass
class Relay:
    """How it treats connections, and how many it has.

    Attributes:
        target: host and port of the registry.
        cut_after: bytes after which a connection is reset; None for never.
        cuts: how many connections it may still cut.
        delay: seconds before each piece of 16 kB.
        flapping: seconds that it is there, and then away, in turn; 0 for always there.
        seen: connections.
        maltreated: those of them that were cut, held up, or refused.
    """

    target: tuple[str, int]
    cut_after: int | None = None
    cuts: int = 1000
    delay: float = 0.0
    flapping: float = 0.0
    seen: int = 0
    maltreated: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def listening(self, address: tuple[str, int]) -> Iterator["Relay"]:
        with socket.create_server(address, backlog=128) as server:
            threading.Thread(target=self._accept, args=(server,), daemon=True).start()
            try:
                yield self
            finally:
                # To close it alone would not end the wait in accept(), which keeps the port.
                server.shutdown(socket.SHUT_RDWR)

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self.seen += 1
        if self.flapping and int(time.monotonic() / self.flapping) % 2:
            self._reset(client)
            return
        with suppress(OSError), client, socket.create_connection(self.target) as onward:
            back = threading.Thread(target=self._copy, args=(onward, client), daemon=True)
            back.start()
            self._copy(client, onward)
            back.join()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        passed = 0
        with suppress(OSError):
            while piece := source.recv(_CHUNK):
                passed += len(piece)
                if self.delay:
                    with self._lock:
                        self.maltreated += 1
                    time.sleep(self.delay)
                if self.cut_after is not None and passed > self.cut_after and self.cuts > 0:
                    with self._lock:
                        self.cuts -= 1
                    self._reset(source)
                    self._reset(target, counted=False)
                    return
                target.sendall(piece)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _reset(self, connection: socket.socket, *, counted: bool = True) -> None:
        with self._lock:
            self.maltreated += counted
        with suppress(OSError):
            # Closed with nothing to linger for, it is reset; the other thread has to let go of it first.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            connection.shutdown(socket.SHUT_RD)
            connection.close()
