"""Containers of build steps, ended and cleared away where their BuildKit does not do it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from carbide_infra.errors import SetupError
from carbide_infra.processes import run
from carbide_infra.state_files import read_text
from devenv.prerequisites import find_system_program

MOUNTS = Path("/proc/self/mountinfo")
TEMPORARY = "tmp"
"""Inside a BuildKit's folder, where it has its temporary files."""

_MOUNT_POINT = 4
_OCTAL = re.compile(r"\\(\d{3})")


def end_containers(folder: Path) -> None:
    """Kill the build steps that run inside a BuildKit's folder: its builds fail, and it can leave in good order."""
    for name in _containers(folder):
        _try("kill", name, "KILL")


def clear_away(folder: Path) -> None:
    """Remove the containers and mounts of a BuildKit that was killed; it must not run any more.

    Without it, steps keep running for nobody, and the folder cannot be deleted.
    """
    for name in _containers(folder):
        _try("delete", "--force", name)
    for mount in _mounts(folder):
        if subprocess.run(["umount", mount], capture_output=True, check=False).returncode:
            subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
    shutil.rmtree(folder / TEMPORARY, ignore_errors=True)


def has_mounts(folder: Path) -> bool:
    """Whether anything is mounted inside a folder."""
    return next(_mounts(folder), None) is not None


def _containers(folder: Path) -> list[str]:
    # Other checkouts' BuildKits, and other programs, have containers in the same list.
    runc = find_system_program("runc")
    if runc is None or os.geteuid() != 0:
        return []
    with suppress(SetupError, ValueError):
        found = json.loads(run([runc, "list", "--format", "json"], os.environ, "Listing containers")) or []
        return [entry["id"] for entry in found if Path(entry["bundle"]).is_relative_to(folder)]
    return []


def _try(*arguments: str) -> None:
    runc = find_system_program("runc")
    if runc:
        subprocess.run([runc, *arguments], capture_output=True, check=False)


def _mounts(folder: Path) -> Iterator[Path]:
    """Mount points inside a folder, the innermost first."""
    fields = (line.split() for line in reversed(read_text(MOUNTS).splitlines()))
    for point in (Path(_unescaped(parts[_MOUNT_POINT])) for parts in fields):
        if point.is_relative_to(folder):
            yield point


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda code: chr(int(code[1], 8)), text)
