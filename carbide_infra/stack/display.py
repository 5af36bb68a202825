"""What the Pulumi CLI shows while it works: its own display at a terminal, one line a step elsewhere."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from carbide_infra.stack.watchdog import watched
from carbide_infra.state_files import PRIVATE_UMASK

# As in " +  docker-build:index:Image carbide-rest-api creating (8s) #14 DONE 7.2s"; of an update,
# the text after the time begins with the changed inputs in brackets.
_STEP = re.compile(r"(?P<step>\s*\S*\s+\S+:\S+ \S+ (?P<verb>\w+)) (?P<time>\([\d.]+s\)) (\[diff: .*\]; )?(#.*)?$")


def shown(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    event_log: Path | None = None,
    started: Callable[[int], None] = lambda _: None,
) -> int:
    """Run the CLI before the user's eyes; gives its exit code.

    Args:
        command: the CLI's command.
        environment: all its variables.
        folder: where it runs.
        event_log: what the engine writes its events to, where what stands still is to be ended.
        started: is told the CLI's pid.
    """
    # The terminal sends Ctrl-C to the CLI as well, which cancels in good order: wait for it.
    previous = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        if sys.stdout.isatty():
            options: dict[str, Any] = {"cwd": folder, "env": dict(environment), "umask": PRIVATE_UMASK}
            with subprocess.Popen(command, **options) as process, _watch(process, event_log):
                started(process.pid)
                return process.wait()
        return _printed_by_step([*command, "--non-interactive"], environment, folder, event_log, started)
    finally:
        signal.signal(signal.SIGINT, previous)


def steps(lines: Iterable[str]) -> Iterator[str]:
    """Keep of the CLI's output what a log is read for: each step's start and end, without BuildKit's chatter."""
    started = set()
    for line in lines:
        step = _STEP.match(line)
        if step is None:
            yield line
        elif not step["verb"].endswith("ing"):
            yield f"{step['step']} {step['time']}\n"
        elif step["step"] not in started:
            started.add(step["step"])
            yield f"{step['step']}\n"


def _watch(process: "subprocess.Popen[Any]", log: Path | None) -> AbstractContextManager[None]:
    return watched(process.send_signal, log) if log else nullcontext()


def _printed_by_step(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    event_log: Path | None,
    started: Callable[[int], None],
) -> int:
    """Run the CLI for a log: without a terminal it prints each line of BuildKit's progress."""
    options: dict[str, Any] = {"cwd": folder, "env": dict(environment), "umask": PRIVATE_UMASK}
    options |= {"stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **options) as process, _watch(process, event_log):
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        started(process.pid)
        for line in steps(process.stdout):
            sys.stdout.write(line)
            sys.stdout.flush()
        return process.wait()
