"""What must already be on the machine, and what Debian can add to it."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from carbide_infra.errors import MissingPrerequisite, SetupError
from carbide_infra.progress import Report

# From 1.21 on, Go fetches the newer version of itself that a go.mod asks for.
OLDEST_GO = (1, 21)
# Where Go's own installer and its PyPI package put it, which not every shell has on PATH.
GO_FOLDERS = (Path("/usr/local/go/bin"), Path(sys.executable).parent)
# Debian keeps administrators' programs such as runc here, outside an ordinary user's PATH.
SYSTEM_FOLDERS = (Path("/usr/sbin"), Path("/sbin"))
GET_GO = "install Go 1.21 or newer from https://go.dev/dl or your package manager"


def find_program(name: str, *more_folders: Path) -> Path | None:
    """Look a program up on PATH, then in further folders."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, more_folders)])
    found = shutil.which(name, path=path)
    return Path(found).absolute() if found else None


def require_go() -> Path:
    """Give the path of a Go that can build the tools."""
    go = find_program("go", *GO_FOLDERS)
    if go is None:
        message = f"Go is missing: {GET_GO}."
        raise MissingPrerequisite(message)
    # GOTOOLCHAIN=local asks the installed Go for its version, not the one that a nearby go.mod selects.
    env = {**os.environ, "GOTOOLCHAIN": "local", "XDG_CONFIG_HOME": os.devnull}
    answer = subprocess.run([go, "version"], env=env, cwd="/", capture_output=True, text=True, check=False).stdout
    version = re.search(r"go(\d+)\.(\d+)", answer)
    # A development build names no number; it is newer than any release.
    if version and (int(version[1]), int(version[2])) < OLDEST_GO:
        message = f"The Go at {go} is {version[1]}.{version[2]}, too old to build the tools: {GET_GO}."
        raise MissingPrerequisite(message)
    return go


def check_prerequisites() -> None:
    """Raise MissingPrerequisite for the first program that has to be installed by hand."""
    require_go()
    for program in ("git", "tar"):
        if find_program(program) is None:
            message = f"{program} is missing: install it with your package manager."
            raise MissingPrerequisite(message)


def ensure_debian_packages(binaries: Mapping[str, str], report: Report | None = None) -> dict[str, Path]:
    """Install the Debian packages of those binaries that are missing, and give the path of each.

    `binaries` maps each program to the package that holds it, as in {"runc": "runc"}.
    """
    missing = {binary: package for binary, package in binaries.items() if find_system_program(binary) is None}
    if missing:
        packages = sorted(set(missing.values()))
        if not can_install():
            raise MissingPrerequisite(_advice(sorted(missing), packages))
        (report or _to_stderr)(f"Installing Debian packages: {', '.join(packages)}…")
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", *packages)
    return {binary: _installed(binary, package) for binary, package in binaries.items()}


def find_system_program(name: str) -> Path | None:
    """Look a program up on PATH and where Debian keeps administrators' programs."""
    return find_program(name, *SYSTEM_FOLDERS)


def can_install() -> bool:
    """Tell whether this process may install Debian packages."""
    return os.geteuid() == 0 and is_debian() and find_system_program("apt-get") is not None


def is_debian() -> bool:
    """Tell whether this is Debian or one of its descendants, such as Ubuntu."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    return "debian" in {release.get("ID", ""), *release.get("ID_LIKE", "").split()}


def _advice(missing: list[str], packages: list[str]) -> str:
    subject = f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing"
    if is_debian():
        return f"{subject}: install with `sudo apt-get install {' '.join(packages)}`."
    return f"{subject}: install with your package manager (on Debian: {' '.join(packages)})."


def _apt_get(*arguments: str) -> None:
    # Another apt-get may hold the lock for a while, as when a machine updates itself after its first boot.
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", *arguments]
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        last_lines = "\n".join(done.stdout.splitlines()[-20:])
        message = f"`{' '.join(command)}` failed:\n{last_lines}"
        raise SetupError(message)


def _installed(binary: str, package: str) -> Path:
    found = find_system_program(binary)
    if found is None:
        message = f"The Debian package {package} is installed, but the program {binary} is not there."
        raise SetupError(message)
    return found


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
