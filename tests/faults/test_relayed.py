"""Connections to the registry that are cut, slow, or come and go."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.faults.relay import Relay
from tests.faults.site import SECONDS, Ended, Site

pytestmark = pytest.mark.slow
# Less than the binary's layer has, and more than any answer.
ENOUGH = 100_000


@contextmanager
def between(site: Site, relay: Relay) -> Iterator[None]:
    """The registry at another port, and in its place a relay; what looks after the daemons must not run meanwhile."""
    pid = site.daemon("registry")
    program = Path(f"/proc/{pid}/exe").readlink()
    config = yaml.safe_load((site.local / "registry.yml").read_text())
    host, _, port = config["http"]["addr"].rpartition(":")
    own, relay.target = (host.strip("[]"), int(port)), (host.strip("[]"), _free_port(host.strip("[]")))
    config["http"]["addr"] = f"{host}:{relay.target[1]}"
    file = site.root.parent / "behind.yml"
    file.write_text(yaml.safe_dump(config))
    os.kill(pid, signal.SIGKILL)
    _await(lambda: not _listens(own))
    environment, quiet = {**site.environment, "OTEL_TRACES_EXPORTER": "none"}, subprocess.DEVNULL
    with subprocess.Popen([program, "serve", file], env=environment, stdout=quiet, stderr=quiet) as registry:
        try:
            _await(lambda: _listens(relay.target))
            with relay.listening(own):
                yield
        finally:
            registry.kill()


def _listens(address: tuple[str, int]) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as probe:
        return probe.connect_ex(address) == 0


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _free_port(host: str) -> int:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        return int(server.getsockname()[1])


def updated_through(site: Site, relay: Relay) -> Ended:
    """An update of an edited tree, whose connections are maltreated."""
    site.edit()
    with between(site, relay):
        ended = site.carbide("up")
    assert relay.maltreated, relay
    assert "Traceback" not in ended.text
    return ended


def test_a_connection_is_cut_twice(site: Site) -> None:
    ended = updated_through(site, Relay(("", 0), cut_after=ENOUGH, cuts=2))
    assert ended.code == 0, ended.text
    site.settle()


def test_every_connection_is_cut(site: Site) -> None:
    ended = updated_through(site, Relay(("", 0), cut_after=ENOUGH))
    assert ended.code != 0
    assert "That may pass: repeating the update, once" in ended.text
    assert "try again later" in ended.text
    site.settle()


def test_the_connection_is_slow(site: Site) -> None:
    ended = updated_through(site, Relay(("", 0), delay=0.01))
    assert ended.code == 0, ended.text
    site.settle()


def test_the_registry_comes_and_goes(site: Site) -> None:
    """Whether the update succeeds is chance."""
    updated_through(site, Relay(("", 0), flapping=0.4))
    site.settle()
