"""Programs of Debian packages for tests, not installed: a package may start a daemon for the whole machine."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from carbide_infra.paths import cache_dir
from devenv.prerequisites import can_install


class CannotRunError(Exception):
    """Why this machine cannot run what a test needs."""


def unpacked(package: str) -> Path:
    """Unpack a package, and what it depends on, into the cache folder; gives the folder.

    Raises:
        CannotRunError: it cannot be had here.
    """
    root = cache_dir() / f"test-{package}"
    if not root.exists():
        _unpack(package, root)
    return root


def libraries_of(root: Path) -> str:
    """Where its programs look for libraries."""
    return ":".join(map(str, (*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*"))))


def not_run(reason: CannotRunError) -> NoReturn:
    """End a test that this machine cannot run: a skip, which CARBIDE_REQUIRE_ALL=1 makes a failure."""
    if os.environ.get("CARBIDE_REQUIRE_ALL") == "1":
        pytest.fail(f"not run: {reason}")
    pytest.skip(f"not run: {reason}")


def _unpack(package: str, root: Path) -> None:
    if not can_install():
        message = f"Debian's {package} is for root on Debian"
        raise CannotRunError(message)
    with tempfile.TemporaryDirectory(prefix="carbide-debian-") as scratch:
        archives = Path(scratch, "archives")
        (archives / "partial").mkdir(parents=True)
        options = ["--yes", "--no-install-recommends", "--download-only", "-o", f"Dir::Cache::archives={archives}"]
        # Its unprivileged user cannot write to a folder of ours.
        apt = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "-o", "DPkg::Lock::Timeout=120"]
        _run(package, *apt, "update")
        _run(package, *apt, *options, "install", package)
        folder = Path(scratch, "root")
        for archive in archives.glob("*.deb"):
            _run(package, "dpkg", "-x", archive, folder)
        root.parent.mkdir(parents=True, exist_ok=True)
        unfinished = root.with_name(f"{root.name}.{os.getpid()}")
        shutil.copytree(folder, unfinished, symlinks=True)
        unfinished.rename(root)


def _run(package: str, *command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        message = f"Debian's {package} cannot be had: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1]}"
        raise CannotRunError(message)
