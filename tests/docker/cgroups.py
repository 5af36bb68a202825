"""One cgroup in each hierarchy of this machine: what a Docker engine makes is inside, and ends with it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.docker.programs import CannotRunError

PREFIX = "carbide-docker-"
_END_SECONDS = 20


@contextmanager
def cgroups_of_our_own() -> Iterator[list[Path]]:
    """Make them, and remove them once all processes inside have ended."""
    made: list[Path] = []
    try:
        for hierarchy in hierarchies():
            made.append(hierarchy / f"{PREFIX}{os.getpid()}")
            _make(made[-1])
        yield made
    finally:
        for folder in made:
            _remove(folder)


def clear_cgroups_after_killed() -> None:
    """Remove those of processes that ended without doing so."""
    for hierarchy in hierarchies():
        for left in hierarchy.glob(f"{PREFIX}*"):
            if not Path("/proc", left.name.removeprefix(PREFIX)).exists():
                _remove(left)


def hierarchies() -> list[Path]:
    """Where this machine has its cgroups: one folder with version 2, one for each controller before."""
    fields = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [Path(parts[4]) for parts in fields if parts[-3] in {"cgroup", "cgroup2"}]


def _make(folder: Path) -> None:
    try:
        folder.mkdir()
        # A cpuset begins empty, and takes no process then.
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (folder.parent / name).exists() and (folder / name).exists():
                (folder / name).write_text((folder.parent / name).read_text())
    except OSError as error:
        message = f"cgroups cannot be made here: {error}"
        raise CannotRunError(message) from error


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + _END_SECONDS
    while folder.exists():
        # The innermost first. What is busy has a process that is about to end.
        for inner in [*sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True), folder]:
            with suppress(OSError):
                inner.rmdir()
        if time.monotonic() > deadline:
            message = f"{folder} still has processes: {(folder / 'cgroup.procs').read_text().split()}"
            raise RuntimeError(message)
        time.sleep(0.05)
