"""The machine: programs, umask, disks, the engine's binaries."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from carbide_infra.diagnosis.finding import Finding, fail, ok, warn
from carbide_infra.errors import SetupError
from carbide_infra.paths import cache_dir
from devenv.builder import docker_answers, require_builder
from devenv.prerequisites import find_program, require_go
from devenv.toolchain import missing_tools, plugin_folder

LITTLE, TOO_LITTLE = 10 * 10**9, 2 * 10**9
_OWNER = 0o700


def examine_machine(places: Iterable[Path]) -> Iterator[Finding]:
    """Look at what the engine needs of the machine.

    Args:
        places: folders that builder, registry and caches write to.
    """
    yield _go()
    yield from _programs()
    yield _builder_possible()
    yield examine_umask(_umask())
    yield from examine_disks({place: shutil.disk_usage(_existing(place)).free for place in places})


def examine_engine(missing: list[str]) -> Finding:
    """Look at the engine's binaries, by the names of those that are missing."""
    if missing:
        told = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not built yet"
        return fail("engine", told, "make tools; about ten minutes, once for all checkouts")
    return ok("engine", "pulumi, its language host and provider, buildx and registry are there")


def missing_engine() -> list[str]:
    """The engine's binaries that are not there."""
    return missing_tools(embedded=not docker_answers())


def examine_plugin(pulumi_home: Path) -> Finding:
    """Look for the provider in the engine's plugin cache."""
    folder = plugin_folder(pulumi_home)
    if (folder / "pulumi-resource-docker-build").exists():
        return ok("plugin", folder.name)
    return warn("plugin", f"{folder.name} is not in {folder.parent} yet", "none needed: the next make target links it")


def examine_umask(umask: int) -> Finding:
    """Judge a umask."""
    if umask & _OWNER:
        told = f"{umask:04o} takes rights from the owner of new files, who is us"
        return fail("umask", told, "umask 022")
    return ok("umask", f"{umask:04o}; contexts are staged with modes of their own")


def examine_disks(free: dict[Path, int]) -> Iterator[Finding]:
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


def _go() -> Finding:
    try:
        return ok("go", str(require_go()))
    except SetupError as error:
        return fail("go", "builds the engine and reads the import graph", str(error))


def _programs() -> Iterator[Finding]:
    for program in ("git", "tar"):
        found = find_program(program)
        if found is None:
            yield fail(program, "is missing", "install it with your package manager")
        else:
            yield ok(program, str(found))


def _builder_possible() -> Finding:
    try:
        require_builder()
    except SetupError as error:
        return fail("builds", "nothing here can build images", str(error))
    return ok("builds", "a Docker engine answers" if docker_answers() else "root on Linux: an embedded BuildKit")


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _existing(place: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(folder for folder in (place, *place.parents) if folder.exists())
