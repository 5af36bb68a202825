"""The engine tests' session: one folder for all workers of pytest-xdist, and its end, however they end."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.docker.machine import clear_after_killed
from tests.support.figures import figures
from tests.support.locks import locked

# A machine that is busy with other tests is slow without being wrong.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

SESSION = "CARBIDE_TEST_SESSION"
"""Names the folder; workers inherit the variable from the process that starts them."""


def is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    heed_interrupts()
    forget_containers_choices()
    if not is_worker(config):
        os.environ[SESSION] = tempfile.mkdtemp(prefix="carbide-tests-")


def heed_interrupts() -> None:
    """Let programs that are started from here end on SIGINT, as at a terminal, and this one on SIGTERM as on SIGINT.

    A shell's background job ignores SIGINT, with all that it starts. Pulumi ends its plugins with it, and waits for
    five seconds, at each preview, for those that will not hear. A CI that gives up sends SIGTERM, and what the tests
    have started must not outlive them.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def forget_containers_choices() -> None:
    """Let Python keep what it compiles and buffer what it prints, here and in programs that tests start.

    Python does so by itself, and so on users' machines; a container's variables often forbid it. Each of hundreds of
    programs would compile the project anew, and a line that is never flushed would go unnoticed.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.pop("PYTHONUNBUFFERED", None)
    sys.dont_write_bytecode = False


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what the engine tests' checkout has started: an interrupted worker does not get to it."""
    if is_worker(config):
        return
    session = Path(os.environ.pop(SESSION))
    for checkout in filter(
        lambda folder: (folder / ".venv").exists(), (session / "checkout", session / "faults/checkout")
    ):
        down = ["make", "-s", "--old-file=.venv/.requirements", "down"]
        subprocess.run(down, cwd=checkout, check=True, capture_output=True)
    shutil.rmtree(session)
    clear_after_killed()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the work for two workers: one has the shared checkout to itself, the other begins with what needs none.

    Tests that stop the daemons come first, while nobody waits for these; small files come last, to end together.
    """
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if not _needs_daemons(item):
        return 4 if _is_small(item.path) else 2
    if item.get_closest_marker("apart"):
        return 3
    return 0 if item.get_closest_marker("stops_daemons") else 1


def _is_small(file: Path) -> bool:
    """Tell whether a file of tests takes seconds at most: those do that read no Go source."""
    unit = Path(__file__).parent / "unit"
    return unit in file.parents and file.parent != unit and unit / "source" not in file.parents


def _needs_daemons(item: pytest.Item) -> bool:
    return item.nodeid.startswith(("tests/engine/", "tests/production/"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Keep the engine tests' daemons running for every test but one that says it stops them, its fixtures included.

    Pytest asks every conftest of this for each test, whatever folder that is in: so there is one.
    """
    if not _needs_daemons(item):
        return (yield)
    session = Path(os.environ[SESSION])
    stops = item.get_closest_marker("stops_daemons") is not None
    # Who waits at the gate is the next: else readers that come and go would never let a writer in.
    with locked(session / "gate.lock", fcntl.LOCK_EX):
        daemons = (session / "daemons.lock").open("a")
        fcntl.flock(daemons, fcntl.LOCK_EX if stops else fcntl.LOCK_SH)
    with daemons:
        return (yield)


@pytest.fixture(scope="session")
def session() -> Path:
    """The session's folder."""
    return Path(os.environ[SESSION])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of SECURITY.md."""
    for line in figures(terminalreporter):
        terminalreporter.write_line(line)
