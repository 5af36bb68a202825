"""A registry that answers as it is told, over TLS."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.registry_server import FakeRegistry, make_tls


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The machine-wide cache, with the program that reads import graphs after its first use."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """The server's side, and the file of what its clients have to trust."""
    return make_tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def registry(tls: tuple[ssl.SSLContext, Path]) -> Iterator[FakeRegistry]:
    with FakeRegistry().running(tls[0]) as running:
        yield running
