"""Programs that are run to their end, and whether a process is still alive."""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from carbide_infra.errors import SetupError
from carbide_infra.state_files import read_text

LAST_LINES = 15
_PROC = Path("/proc")
# Field 22 of /proc/<pid>/stat, counted from behind the program's name, which may hold blanks.
_START_TIME = 19
# The kernel's constant for the namespace that it begins with, whose processes those of all others are, too.
_FIRST_NAMESPACE = "pid:[4026531836]"
_DEAD = frozenset("ZX")


def run(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    purpose: str,
    cwd: Path | None = None,
    *,
    umask: int = -1,
) -> str:
    """Run a program to its end and give its output; raise SetupError that starts with `purpose`.

    Its umask is that of this process, unless another is given.
    """
    try:
        done = subprocess.run(
            list(command),
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            umask=umask,
        )
    except FileNotFoundError as error:
        message = f"{purpose} failed: {error.filename} is missing."
        raise SetupError(message) from error
    if done.returncode:
        shown = shlex.join(str(part) for part in command)
        message = f"{purpose} failed:\n$ {shown}\n{last_lines(done.stderr + done.stdout)}"
        raise SetupError(message)
    return done.stdout


def last_lines(text: str) -> str:
    """Give what an error should quote of a long output."""
    return "\n".join(text.strip().splitlines()[-LAST_LINES:])


def start_time(pid: int) -> str | None:
    """What tells a process from any other with the same pid, before or after it; None when it is dead."""
    if not _PROC.joinpath("self").exists():
        return _start_time_by_ps(pid)
    fields = read_text(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    if not fields or fields[0] in _DEAD:
        return None
    boot = read_text(_PROC / "sys/kernel/random/boot_id").strip()
    return f"{boot}:{fields[_START_TIME]}"


def works_in(pid: int, folder: Path) -> bool:
    """Whether a process works in a folder: not in a copy of it, but also after it was moved, or made anew."""
    try:
        if _PROC.joinpath("self").exists():
            # Of another user's process, nobody but root is told.
            place = _PROC / str(pid) / "cwd"
            return str(place.readlink()) == f"{folder} (deleted)" or place.samefile(folder)
        command = ["lsof", "-a", "-p", str(pid), "-d", "cwd", "-Fn"]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        return any(Path(line[1:]).samefile(folder) for line in told.splitlines() if line.startswith("n"))
    except OSError:
        return False


def pid_namespace() -> str:
    """Name the namespace that this process knows pids of; empty where there is one only."""
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def sees_all_processes() -> bool:
    """Whether a process that is not seen here does not run on this machine at all."""
    return pid_namespace() in {"", _FIRST_NAMESPACE}


def has_process(pid: int) -> bool:
    """Whether a process has this pid, here or in a namespace below."""
    if start_time(pid) is not None:
        return True
    lines = (line for status in _PROC.glob("[0-9]*/status") for line in read_text(status).splitlines())
    return any(str(pid) in line.split()[1:] for line in lines if line.startswith("NSpid:"))


def _start_time_by_ps(pid: int) -> str | None:
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    status, *started = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split() or ["Z"]
    return None if status[0] in _DEAD else " ".join(started)
