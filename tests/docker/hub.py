"""What stands for Docker Hub on the tests' machine: the stand-ins that root makes here, for everybody to pull."""

import json
import socket
import sys
import time
from http import HTTPStatus
from pathlib import Path
from urllib.request import urlopen

from carbide_infra.paths import cache_dir
from devenv.prerequisites import ensure_debian_packages
from devenv.toolchain import ensure_registry_server
from tests.docker.machine import Machine
from tests.docker.people import root
from tests.engine.conftest import copy_project

_START_SECONDS = 20


def docker_hub(machine: Machine) -> str:
    """Start it inside, and give its address."""
    # Inside, what is installed would be forgotten again, in part.
    ensure_debian_packages({"runc": "runc", "mmdebstrap": "mmdebstrap"})
    # The cache folder of this machine has the archives that the stand-ins are made of, or gets them.
    maker = root(machine, "hub", {"CARBIDE_CACHE_DIR": str(cache_dir())})
    maker.checkout.mkdir()
    copy_project(maker.checkout)
    maker.types(f"{sys.executable} -m devenv start")
    maker.types(f"{sys.executable} -m devenv down")
    return served(machine, maker.checkout / ".local/registry")


def served(machine: Machine, storage: Path) -> str:
    """Serve a registry's files to everybody, inside."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = machine.folder / "hub.json"
    settings = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}},
        "http": {"addr": address},
    }
    # JSON is YAML.
    config.write_text(json.dumps(settings))
    server = ensure_registry_server(print)
    command = f"OTEL_TRACES_EXPORTER=none {server} serve {config} >{config}.log 2>&1 &"
    machine.run("root", "sh", "-c", command, cwd=machine.folder, env={}).check_returncode()
    deadline = time.monotonic() + _START_SECONDS
    url = f"http://{address}/v2/"
    while not _answers(url):
        assert time.monotonic() < deadline, Path(f"{config}.log").read_text()
        time.sleep(0.1)
    return f"http://{address}"


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False
