"""The images' progress while the Pulumi CLI updates them, in the place of its own display."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from carbide_infra.stack.display import steps
from carbide_infra.stack.image_progress import ImageProgress
from carbide_infra.stack.watchdog import watched
from carbide_infra.state_files import PRIVATE_UMASK

Watch = Callable[[ImageProgress], None]
"""Shows how far the images are; called a few times a second, and once more at the end."""

_SECONDS_BETWEEN = 0.2


def followed(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    event_log: Path,
    watch: Watch,
    started: Callable[[int], None] = lambda _: None,
) -> int:
    """Run the CLI, which writes this log, and show the images' progress; where it fails, its own last words, too.

    `started` is told its pid.
    """
    progress = ImageProgress()
    with _waiting_for_the_cli(), tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        with (
            subprocess.Popen(
                [*command, "--non-interactive"],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                umask=PRIVATE_UMASK,
            ) as process,
            watched(process.send_signal, event_log),
        ):
            started(process.pid)
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
