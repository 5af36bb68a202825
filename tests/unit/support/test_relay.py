"""The relay between a registry and its users: what it does to connections."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.relay import Relay

PIECE = b"x" * 50_000


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """The address of a server that gives back what it gets."""

    def serve(server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    def answer(client: socket.socket) -> None:
        with client, suppress(OSError):
            while piece := client.recv(65536):
                client.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)


def free_address() -> tuple[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address: tuple[str, int] = server.getsockname()
        return address


def back_through(address: tuple[str, int]) -> int:
    """How many of the bytes come back; of a connection that is reset, fewer.

    A reset is told by whichever call comes next, each with an error of its own: ENOTCONN by
    shutdown(), ECONNRESET by recv(), EPIPE by send().
    """
    got = 0
    try:
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(PIECE)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                got += len(piece)
    except OSError:
        return min(got, len(PIECE) - 1)
    return got


def test_it_passes_all_on_unless_told_otherwise(echo: tuple[str, int]) -> None:
    address = free_address()
    with Relay(echo).listening(address) as relay:
        assert back_through(address) == len(PIECE)
    assert (relay.seen, relay.maltreated) == (1, 0)


def test_it_cuts_so_many_connections(echo: tuple[str, int]) -> None:
    address = free_address()
    with Relay(echo, cut_after=20_000, cuts=1).listening(address) as relay:
        assert back_through(address) < len(PIECE)
        assert back_through(address) == len(PIECE)
    assert (relay.seen, relay.maltreated) == (2, 1)


def test_it_holds_pieces_up(echo: tuple[str, int]) -> None:
    address = free_address()
    with Relay(echo, delay=0.02).listening(address) as relay:
        began = time.monotonic()
        assert back_through(address) == len(PIECE)
        assert time.monotonic() - began > 4 * 0.02
    assert relay.maltreated


def test_it_comes_and_goes(echo: tuple[str, int]) -> None:
    address = free_address()
    with Relay(echo, flapping=0.05).listening(address) as relay:
        deadline = time.monotonic() + 5
        found: set[bool] = set()
        while len(found) < 2 and time.monotonic() < deadline:
            found.add(back_through(address) == len(PIECE))
            time.sleep(0.01)
    assert found == {True, False}
    assert relay.maltreated


def test_its_port_is_free_when_it_ends(echo: tuple[str, int]) -> None:
    address = free_address()
    with Relay(echo).listening(address):
        assert back_through(address)
    with pytest.raises(ConnectionRefusedError), socket.create_connection(address):
        pass
