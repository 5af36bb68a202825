"""What is shown while the Pulumi CLI works: its own display or the images' progress at a terminal, else lines."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from carbide_infra.stack.image_progress import ImageProgress

Watch = Callable[[ImageProgress], None]
"""Shows how far the images are; called a few times a second, and once more at the end."""

_SECONDS_BETWEEN = 0.2

# As in " +  docker-build:index:Image carbide-rest-api creating (8s) #14 DONE 7.2s"; of an update,
# the text after the time begins with the changed inputs in brackets.
_STEP = re.compile(r"(?P<step>\s*\S*\s+\S+:\S+ \S+ (?P<verb>\w+)) (?P<time>\([\d.]+s\)) (\[diff: .*\]; )?(#.*)?$")


def shown(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> int:
    """Run the CLI before the user's eyes; gives its exit code."""
    with _waiting_for_the_cli():
        if sys.stdout.isatty():
            return subprocess.run(command, cwd=folder, env=dict(environment), check=False).returncode
        return _printed_by_step([*command, "--non-interactive"], environment, folder)


def watched(command: Sequence[str], environment: Mapping[str, str], folder: Path, event_log: Path, watch: Watch) -> int:
    """Run the CLI, which writes this log, and show the images' progress; where it fails, its own last words, too."""
    progress = ImageProgress()
    with _waiting_for_the_cli(), tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        with subprocess.Popen(
            [*command, "--non-interactive"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process:
            position = 0
            while True:
                ended = process.poll() is not None
                position = _read_events(event_log, position, progress)
                watch(progress)
                if ended:
                    break
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_SECONDS_BETWEEN)
        if process.returncode:
            sys.stdout.writelines(_last_words(output))
            sys.stdout.flush()
        return process.returncode


@contextlib.contextmanager
def _waiting_for_the_cli() -> Iterator[None]:
    """The terminal sends Ctrl-C to the CLI as well, which cancels in good order: wait for it."""
    previous = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _read_events(log: Path, position: int, progress: ImageProgress) -> int:
    """Read the events that are new; gives where the next ones begin, for the last line may be half written."""
    if not log.is_file():
        return position
    with log.open("rb") as stream:
        stream.seek(position)
        whole, newline, _ = stream.read().rpartition(b"\n")
    for line in whole.splitlines():
        progress.take(json.loads(line))
    return position + len(whole) + len(newline)


def _last_words(output: IO[str]) -> Iterator[str]:
    """What the CLI says of its failure, without its display of steps; the whole where it has no such part."""
    output.seek(0)
    lines = list(steps(output))
    begin = next((at for at, line in enumerate(lines) if line.startswith("Diagnostics:")), 0)
    return (line for line in lines[begin:] if not re.match(r"\s*#\d+ ", line))


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


def _printed_by_step(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> int:
    """Run the CLI for a log: without a terminal it prints each line of BuildKit's progress."""
    with subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        for line in steps(process.stdout):
            sys.stdout.write(line)
            sys.stdout.flush()
        return process.wait()
