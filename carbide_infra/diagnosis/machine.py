"""The machine: programs, umask, disks."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from carbide_infra.diagnosis.finding import Finding, fail, ok, warn
from carbide_infra.errors import MissingPrerequisite
from carbide_infra.paths import cache_dir
from carbide_infra.programs import find_buildx, find_pulumi

LITTLE, TOO_LITTLE = 10 * 10**9, 2 * 10**9
_OWNER = 0o700


def check_machine(places: Iterable[Path]) -> Iterator[Finding]:
    """Look at what an update needs of the machine.

    Args:
        places: folders that builder, registry and caches write to.
    """
    yield _git()
    for program, find in (("pulumi", find_pulumi), ("buildx", find_buildx)):
        yield _program(program, find)
    yield check_umask(_umask())
    yield from check_disks({place: shutil.disk_usage(existing(place)).free for place in places})


def check_umask(umask: int) -> Finding:
    """Judge a umask."""
    if umask & _OWNER:
        told = f"{umask:04o} takes rights from the owner of new files, who is us"
        return fail("umask", told, "umask 022")
    return ok("umask", f"{umask:04o}; contexts are staged with modes of their own")


def check_disks(free: dict[Path, int]) -> Iterator[Finding]:
    """Judge the free bytes below some folders, once for each disk."""
    for place, size in free.items():
        told = f"{size / 1e9:.1f} GB free in {place}"
        fix = f"free some space; the builder's caches can go: `make down`, then delete {cache_dir() / 'buildkit'}"
        if size < TOO_LITTLE:
            yield fail("disk", told, fix)
        elif size < LITTLE:
            yield warn("disk", told, fix)
        else:
            yield ok("disk", told)


def _git() -> Finding:
    found = shutil.which("git")
    return ok("git", found) if found else fail("git", "is missing", "install it with your package manager")


def _program(name: str, find: Callable[[], Path]) -> Finding:
    try:
        return ok(name, str(find()))
    except MissingPrerequisite as error:
        told, _, fix = str(error).removeprefix(f"{name}: ").partition("; ")
        return fail(name, told, fix)


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def existing(place: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(folder for folder in (place, *place.parents) if folder.exists())
