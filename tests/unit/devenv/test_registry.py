"""Tests of the registry's name, port and configuration."""

import json
import socket
from pathlib import Path

import pytest
import yaml

from carbide_infra.errors import SetupError
from devenv import registry
from devenv.certificates import Certificates
from devenv.daemons import Daemon
from devenv.registry import Host, machine_host
from devenv.registry_login import Login


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """A machine called "vm" that resolves nothing; give it addresses by name."""
    addresses: dict[str, str] = {}

    def resolve(name: str, *_: object, **__: object) -> list[object]:
        if name not in addresses:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (addresses[name], 0))]

    monkeypatch.setattr(socket, "gethostname", lambda: "VM")
    monkeypatch.setattr(socket, "getfqdn", lambda: "localhost")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(registry, "HOSTS_FILE", tmp_path / "hosts")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost  # nothing\n::1 ip6-localhost\n127.0.0.1\tBox box_1 9.9\n")
    return addresses


def test_the_machines_own_name_comes_first(machine: dict[str, str]) -> None:
    machine.update(vm="127.0.0.1", box="127.0.0.1")
    assert machine_host() == Host("vm", "127.0.0.1")


def test_the_remembered_name_stays(machine: dict[str, str]) -> None:
    machine.update(vm="127.0.0.1", box="127.0.0.1")
    assert machine_host("box").name == "box"
    assert machine_host("gone").name == "vm"


def test_docker_desktops_name_is_preferred(machine: dict[str, str]) -> None:
    machine.update({"vm": "127.0.0.1", "host.docker.internal": "127.0.0.1"})
    assert machine_host().name == "host.docker.internal"


def test_a_name_that_leads_elsewhere_is_not_ours(machine: dict[str, str]) -> None:
    machine.update(vm="203.0.113.9", box="127.0.0.1")
    assert machine_host().name == "box"


def test_no_name_at_all_says_what_to_add(machine: dict[str, str]) -> None:
    machine.update(localhost="127.0.0.1", box_1="127.0.0.1")
    with pytest.raises(SetupError, match=r"add the line `127.0.0.1 vm` to .*hosts"):
        machine_host()


@pytest.mark.parametrize(
    "name", ["localhost", "localhost.localdomain", "app.localhost", "127.0.0.1", "::1", "ip6-loopback", "a_b", ""]
)
def test_loopback_literals_are_no_names(name: str) -> None:
    assert not registry._is_usable(name)


def test_a_port_in_use_is_replaced() -> None:
    host, told = Host("vm", "127.0.0.1"), list[str]()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(registry, "PREFERRED_PORT", port)
            chosen = registry._free_port(host, port, told.append)
    assert chosen != port
    assert told == [f"Port {port} is in use by another program: the registry takes {chosen}"]
    assert registry._free_port(host, port, told.append) == port


@pytest.mark.parametrize("damaged", ["", '{"host": "other"}', None])
def test_a_registry_that_runs_is_remembered_although_its_file_was_damaged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damaged: str | None
) -> None:
    """Those that push to it find its name, and by it their login, in the file."""
    kept = tmp_path / ".local/registry.json"
    kept.parent.mkdir()
    if damaged is not None:
        kept.write_text(damaged)
    monkeypatch.setattr(registry, "machine_host", lambda _: Host("vm", "127.0.0.1"))
    monkeypatch.setattr(registry, "ensure_certificates", lambda root, _: Certificates(root / "tls"))
    monkeypatch.setattr(registry, "ensure_login", lambda *_: Login("me", "secret"))
    monkeypatch.setattr(Daemon, "serves", lambda *_: True)
    found = registry.ensure_registry(tmp_path, Path("registry"), print)
    assert found.server == "vm:5443"
    assert json.loads(kept.read_text()) == {"host": "vm", "port": 5443}


def test_the_configuration_is_yaml_whatever_the_path(tmp_path: Path) -> None:
    root = tmp_path / 'it\'s a "place" ü$HOME: #'
    certificates = Certificates(root / "tls")
    config = yaml.safe_load(registry._config(root, certificates, Host("vm", "::1"), 5443))
    assert config["http"]["addr"] == "[::1]:5443"
    assert config["http"]["tls"]["key"] == str(certificates.key)
    assert config["storage"]["filesystem"]["rootdirectory"] == str(root / ".local" / "registry")
    assert config["storage"]["delete"]["enabled"] is True
    assert config["auth"]["htpasswd"]["path"] == str(root / ".local" / "registry.htpasswd")
    assert json.dumps(config)
