"""One client for each registry, however many ask for it, and none that waits longer than it was told."""

import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from carbide_infra.registry import registries as registries_module
from carbide_infra.registry.errors import Unreachable
from carbide_infra.registry.registries import Registries
from tests.support.registry_server import FakeRegistry, Fault


def test_all_threads_share_one_client_of_a_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def slow(name: str, _: object) -> None:
        asked.append(name)
        time.sleep(0.05)

    monkeypatch.setattr(registries_module, "docker_credentials", slow)
    with Registries({}) as registries, ThreadPoolExecutor(4) as pool:
        clients = set(pool.map(lambda _: registries.client("registry.example"), range(4)))
    assert (len(clients), asked) == (1, ["registry.example"])


def test_a_silent_registry_is_not_waited_for_longer_than_wished(
    registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path], tmp_path: Path
) -> None:
    registry.faults["/v2/"] = Fault(200, 99, silence=0.5)
    environment = {"SSL_CERT_FILE": str(tls[1]), "HOME": str(tmp_path)}
    with Registries(environment, timeout=0.05, attempts=1) as registries, pytest.raises(Unreachable, match="in time"):
        registries.client(registry.server).ping()
