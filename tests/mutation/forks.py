"""Forks: work in child processes that leave nothing behind, a few at a time."""

import os
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TypeVar

BROKEN = 70
"""Exit code of a child whose work raised an exception; its folder has the traceback."""
ERROR = "error"
_PROGRESS = os.fdopen(os.dup(2), "w", buffering=1)

_Task = TypeVar("_Task")


def say(progress: str) -> None:
    """Show a line at once, from a child too, whose own standard streams lead nowhere."""
    _PROGRESS.write(f"{progress}\n")


def in_children(
    tasks: Iterable[_Task], work: Callable[[_Task, Path], int], folder: Path, jobs: int
) -> Iterator[tuple[_Task, int, Path]]:
    """Do each task in a child with a folder of its own; give its exit code, below zero for a signal, and the folder.

    The folder is where the child makes its temporary files, and is deleted when the next result is asked for.
    """
    running: dict[int, tuple[_Task, Path]] = {}
    try:
        for task in tasks:
            if len(running) == jobs:
                yield from _ended(running)
            own = Path(tempfile.mkdtemp(prefix="", dir=folder))
            own.chmod(0o711)  # for tests that are another user for a while
            child = os.fork()
            if not child:
                _become(work, task, own)
            running[child] = task, own
        while running:
            yield from _ended(running)
    finally:
        for child, (_, own) in running.items():
            _clear(child, own)


def _become(work: Callable[[_Task, Path], int], task: _Task, own: Path) -> NoReturn:
    code, nothing = BROKEN, os.open(os.devnull, os.O_RDWR)
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for stream in range(3):
            os.dup2(nothing, stream)
        os.environ["TMPDIR"] = tempfile.tempdir = str(own)
        code = work(task, own)
    except BaseException:  # noqa: BLE001 - nothing may get back to the parent's code
        with suppress(OSError):
            (own / ERROR).write_text(traceback.format_exc())
    finally:
        os._exit(code)


def _ended(running: dict[int, tuple[_Task, Path]]) -> Iterator[tuple[_Task, int, Path]]:
    child, status = os.wait()
    task, own = running.pop(child)
    try:
        yield task, os.waitstatus_to_exitcode(status), own
    finally:
        _clear(child, own)


def _clear(child: int, own: Path) -> None:
    """End what a child has started, and itself."""
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    shutil.rmtree(own, ignore_errors=True)
