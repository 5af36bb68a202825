"""A registry that answers as it is told, over TLS, and how it is reached."""

import functools
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from carbide_infra.registry import client as client_module
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.credentials import Credentials
from carbide_infra.registry.known_images import KnownImages
from carbide_infra.registry.reference import DOCKER_HUB
from carbide_infra.registry.transport import Transport
from carbide_infra.source import go_command
from carbide_infra.source.go_list import numbers
from tests.support.registry_server import LOGIN, FakeRegistry, make_tls


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep a file in one worker: its fixtures are made once, and xdist has not thousands to count after each test."""
    if item.config.pluginmanager.hasplugin("xdist"):
        item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(Path(__file__).parent))))


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Docker Hub is nowhere, and nobody has ever seen an image."""
    known: list[KnownImages] = []

    def of_user() -> KnownImages:
        if not known:
            known.append(KnownImages(tmp_path_factory.mktemp("known")))
        return known[0]

    monkeypatch.setattr(KnownImages, "of_user", of_user)
    monkeypatch.setitem(client_module._ADDRESSES, DOCKER_HUB, "127.0.0.1:1")


@pytest.fixture
def hub(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    """The registry, as Docker Hub."""
    monkeypatch.setitem(client_module._ADDRESSES, DOCKER_HUB, registry.server)
    return registry


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """To try a passphrase takes Pulumi, and us, a third of a second; few tests need that."""
    monkeypatch.setattr("devenv.encryption.ROUNDS", 1)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The machine-wide cache, with the program that reads import graphs after its first use."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_go(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Go on PATH stands for older ones, which would have to be fetched; tests/engine/test_go_versions.py does."""
    if request.module.__name__.endswith("test_go_command"):
        return
    chosen = go_command._of_version

    def older_is_own(local: go_command.GoCommand, version: str | None) -> go_command.GoCommand:
        if version is None:
            return chosen(local, None)
        return local if numbers(version) <= numbers(_version(local.path)) else chosen(local, version)

    monkeypatch.setattr(go_command, "_of_version", older_is_own)


@functools.cache
def _version(go: str) -> str:
    """Of a program at a path, which is asked once."""
    variables = {**os.environ, "GOTOOLCHAIN": "local", "GOENV": "off"}
    return subprocess.run([go, "env", "GOVERSION"], env=variables, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """The server's side, and the file of what its clients have to trust."""
    return make_tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def registry(tls: tuple[ssl.SSLContext, Path]) -> Iterator[FakeRegistry]:
    with FakeRegistry().running(tls[0]) as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    """The seconds that the transport would have waited between attempts."""
    return []


@pytest.fixture
def transport(tls: tuple[ssl.SSLContext, Path], pauses: list[float]) -> Iterator[Transport]:
    made = Transport({"SSL_CERT_FILE": str(tls[1])}, timeout=5, pause=pauses.append)
    yield made
    made.close()


@pytest.fixture
def client(registry: FakeRegistry, transport: Transport) -> RegistryClient:
    """A client with the login that the registry may want."""
    return RegistryClient(registry.server, Credentials(*LOGIN), transport)
