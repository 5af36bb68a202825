"""The pack as a process: what the engine starts, waits for, and may leave behind."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("carbide-infra-policy")
SECONDS = 30
# An engine that tells whom it has started, and is killed once it knows the port.
ENGINE = """
import os, signal, subprocess, sys
pack = subprocess.Popen([sys.argv[1], "127.0.0.1:1"], stdout=subprocess.PIPE)
port = int(pack.stdout.readline())
print(pack.pid, port, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """It runs as on a user's machine, where nobody has told Python not to buffer what it prints."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", ENGINE, str(PROGRAM)]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        yield process
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_it_tells_its_port_and_ends_when_the_engine_is_killed(engine: "subprocess.Popen[str]") -> None:
    assert engine.stdout
    told, _, _ = select.select([engine.stdout], [], [], SECONDS)
    assert told, "the engine would wait for ever"
    pid, port = map(int, engine.stdout.readline().split())
    assert port
    with suppress(ProcessLookupError), os.fdopen(os.pidfd_open(pid)) as pack:
        ended, _, _ = select.select([pack], [], [], SECONDS)
        assert ended, "it outlives the engine"
