"""Docker's programs, without installing it: Debian's package would start a daemon for the whole machine."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from carbide_infra.paths import cache_dir
from devenv.prerequisites import can_install, find_system_program

NEEDED = ("dockerd", "containerd", "docker")
PACKAGE = "docker.io"


class CannotRunError(Exception):
    """Why this machine cannot run a Docker engine for the tests."""


@dataclass(frozen=True)
class Programs:
    """Where Docker's programs are, and what they need to start."""

    environment: Mapping[str, str]
    dockerd: str = "dockerd"


def docker_programs() -> Programs:
    """Find them on this machine, or unpack Debian's package and what it depends on into the cache folder."""
    if all(map(find_system_program, NEEDED)):
        return Programs({"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"})
    root = cache_dir() / f"test-{PACKAGE}"
    if not root.exists():
        _unpack(root)
    libraries = ":".join(map(str, root.glob("usr/lib/*-linux-gnu*")))
    path = f"{root}/usr/sbin:{root}/usr/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
    return Programs({"PATH": path, "LD_LIBRARY_PATH": libraries}, f"{root}/usr/sbin/dockerd")


def _unpack(root: Path) -> None:
    if not can_install():
        message = "there is no dockerd, and Debian's docker.io is for root on Debian"
        raise CannotRunError(message)
    with tempfile.TemporaryDirectory(prefix="carbide-debian-") as scratch:
        archives = Path(scratch, "archives")
        (archives / "partial").mkdir(parents=True)
        options = ["--yes", "--no-install-recommends", "--download-only", "-o", f"Dir::Cache::archives={archives}"]
        # Its unprivileged user cannot write to a folder of ours.
        apt = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "-o", "DPkg::Lock::Timeout=120"]
        _run(*apt, "update")
        _run(*apt, *options, "install", PACKAGE)
        unpacked = Path(scratch, "root")
        for package in archives.glob("*.deb"):
            _run("dpkg", "-x", package, unpacked)
        root.parent.mkdir(parents=True, exist_ok=True)
        unfinished = root.with_name(f"{root.name}.{os.getpid()}")
        shutil.copytree(unpacked, unfinished, symlinks=True)
        unfinished.rename(root)


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        message = f"Debian's {PACKAGE} cannot be had: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1]}"
        raise CannotRunError(message)


def not_run(reason: CannotRunError) -> NoReturn:
    """End a test that this machine cannot run: a skip, which CARBIDE_REQUIRE_ALL=1 makes a failure."""
    if os.environ.get("CARBIDE_REQUIRE_ALL") == "1":
        pytest.fail(f"not run: {reason}")
    pytest.skip(f"not run: {reason}")
