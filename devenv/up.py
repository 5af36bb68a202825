"""Up and down: the local registry, builder and base images, in their order, one run at a time."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from carbide_infra.endpoint import Endpoint, read_endpoint, write_endpoint
from carbide_infra.errors import SetupError
from carbide_infra.paths import cache_dir, state_dir
from carbide_infra.progress import Report
from carbide_infra.registry.docker_hub import DockerHub, find_docker_hub
from carbide_infra.registry.mirror import Mirror
from carbide_infra.state_files import make_private
from devenv.bases import BaseImages, ensure_bases
from devenv.builder import ensure_builder, stop_builder
from devenv.certificates import ensure_bundle
from devenv.registration import BUILDER
from devenv.registry import Registry, ensure_registry, registry_daemon
from devenv.stand_ins import StandInMaker
from devenv.toolchain import Tools, ensure_registry_server
from devenv.trust import Trust

DISK_FULL = "no space left on device"


def local_up(root: Path, tools: Tools, bases: BaseImages, report: Report, trust: Trust = Trust.OTHER) -> Endpoint:
    """Bring up what images are built with; does nothing where all is as it should be.

    Raises:
        SetupError: in one sentence, what is in the way; the next call resumes from there.
    """
    with _explained(root), _sole_run(root, report):
        registry = ensure_registry(root, ensure_registry_server(report), report)
        hub = find_docker_hub(os.environ, ensure_bundle(root), report)
        builder = ensure_builder(root, tools, registry, _mirrors(hub, registry), report, trust)
        maker = StandInMaker(root, builder, registry, report)
        stand_ins = {} if hub.answers else ensure_bases(bases, maker)
        bundle = str(registry.certificates.bundle)
        endpoint = Endpoint(
            registry.server, builder.name, bundle, stand_ins, bases.references, has_hub=hub.answers
        ).beside(read_endpoint(root))
        write_endpoint(root, endpoint)
        return endpoint


def local_registry(root: Path, report: Report) -> None:
    """Bring up the registry alone, where this machine can build nothing: references name it.

    Which base images have stand-ins stays as it was; none of them is made.
    """
    with _explained(root), _sole_run(root, report):
        registry = ensure_registry(root, ensure_registry_server(report), report)
        before = read_endpoint(root)
        alone = Endpoint(registry.server, BUILDER, str(registry.certificates.bundle))
        write_endpoint(root, replace(before, registry=registry.server) if before else alone)


def local_down(root: Path, report: Report) -> None:
    """Stop builder and registry; images, caches and state stay."""
    with _explained(root), _sole_run(root, report):
        stopped = [stop_builder(root), registry_daemon(state_dir(root)).stop()]
    report("Builder and registry are stopped; their data stay" if any(stopped) else "Nothing runs")


def _mirrors(hub: DockerHub, registry: Registry) -> list[Mirror]:
    if not hub.answers:
        return [Mirror(registry.server)]
    return [hub.mirror] if hub.mirror else []


@contextmanager
def _sole_run(root: Path, report: Report) -> Iterator[None]:
    state = make_private(state_dir(root))
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Another run is setting up this checkout: waiting for it…")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    """Turn what the disk says into what to do."""
    try:
        yield
    except SetupError as error:
        if DISK_FULL in str(error).lower():
            message = f"{_disk_full(root)}\n{error}"
            raise SetupError(message) from error
        raise
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise SetupError(_disk_full(root)) from error
        where = error.filename or state_dir(root)
        message = f"The local builder and registry cannot be set up: {where}: {error.strerror or error}."
        raise SetupError(message) from error


def _disk_full(root: Path) -> str:
    return (
        f"The disk is full: free some space for {state_dir(root)} and {cache_dir()}, then run the same command again."
    )
