"""What runs on the tests' machine ends with it, however it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from carbide_infra.paths import project_root
from tests.docker.cgroups import hierarchies
from tests.docker.images import import_programs
from tests.docker.machine import Machine, machine
from tests.docker.programs import CannotRunError, not_run

pytestmark = pytest.mark.xdist_group("docker")
IMAGE = "sleep"
# Prints the machine's folder once a container and a process of the user run there.
HOLD = """
import sys, time
from tests.docker.machine import machine
from tests.docker.test_machine import busy
with machine() as started:
    busy(started)
    print(started.folder, flush=True)
    {then}
"""


def busy(started: Machine) -> None:
    """Let a container run, and a process of the user that its shell has left."""
    import_programs(started, IMAGE, [Path("/usr/bin/sleep")], "sleep")
    started.docker("run", "--detach", "--privileged", "--network", "host", IMAGE, "600")
    started.run("newcomer", "sh", "-c", "sleep 600 >&- 2>&- &", cwd=started.home, env={}).check_returncode()


def traces(folder: str) -> list[str]:
    """What this machine knows of another one inside it."""
    cgroup = "-".join(Path(folder).name.split("-")[:3])
    programs = [path.parent for path in Path("/proc").glob("[0-9]*/cmdline") if folder in _text(path)]
    in_cgroups = [found for hierarchy in hierarchies() for found in hierarchy.glob(cgroup)]
    mounts = [line for line in _text(Path("/proc/self/mountinfo")).splitlines() if folder in line]
    files = [Path(folder)] if Path(folder).exists() else []
    return [*map(str, [*programs, *in_cgroups, *files]), *mounts]


def of_the_machine() -> set[Path]:
    """Networks, and what a Docker that is installed has outside its own folders."""
    made = map(Path, ("/etc/docker", "/opt/containerd", "/run/containerd", "/run/docker"))
    return {*Path("/sys/class/net").iterdir(), *(path for path in made if path.exists())}


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


@pytest.fixture(scope="module", autouse=True)
def _possible() -> None:
    try:
        with machine():
            pass
    except CannotRunError as reason:
        not_run(reason)


@pytest.fixture
def before() -> Iterator[None]:
    found = of_the_machine()
    yield
    assert of_the_machine() == found


def held(then: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD.format(then=then)]
    return subprocess.Popen(command, cwd=project_root(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.usefixtures("before")
@pytest.mark.parametrize("then", ["sys.exit(0)", "raise AssertionError('a test fails')"])
def test_its_end_leaves_nothing(then: str) -> None:
    process = held(then)
    folder = process.communicate()[0].strip()
    assert folder.startswith("/tmp/carbide-docker-")  # noqa: S108
    assert traces(folder) == []


@pytest.mark.usefixtures("before")
def test_ctrl_c_leaves_nothing() -> None:
    process = held("time.sleep(600)")
    assert process.stdout
    folder = process.stdout.readline().strip()
    assert len(traces(folder)) > len(hierarchies())
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert traces(folder) == []


@pytest.mark.usefixtures("before")
def test_a_kill_leaves_nothing_that_runs_and_the_next_one_clears_the_rest_away() -> None:
    process = held("time.sleep(600)")
    assert process.stdout
    folder = process.stdout.readline().strip()
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while any(Path("/proc").glob("[0-9]*/cmdline")) and any(trace.startswith("/proc") for trace in traces(folder)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with machine():
        pass
    assert traces(folder) == []


def test_its_user_is_not_root_and_may_use_docker() -> None:
    with machine() as started:
        variables = {"PATH": os.environ["PATH"], "DOCKER_HOST": started.docker_host}
        line = "id -un; docker version --format '{{.Server.Os}}'; test -r /etc/shadow || echo no root"
        done = started.run("newcomer", "sh", "-c", line, cwd=started.home, env=variables)
        assert done.stdout.splitlines() == ["newcomer", "linux", "no root"], done.stderr
