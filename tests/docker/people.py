"""Who works on the machine: a newcomer who has Docker and is not root, and root on a machine without Docker."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.paths import cache_dir
from devenv.prerequisites import require_go
from tests.docker.machine import USER, USER_ID, Machine

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "test"), ("EMAIL", "test@example.invalid"))
}


@dataclass(frozen=True)
class Person:
    """Somebody with a home, a cache folder and a shell of their own."""

    machine: Machine
    user: str
    home: Path
    variables: Mapping[str, str]

    @property
    def checkout(self) -> Path:
        """Where the project is cloned to."""
        return self.home / "carbide-infra"

    def types(self, line: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a line of a shell, in the checkout once there is one."""
        where = self.checkout if self.checkout.exists() else self.home
        done = self.machine.run(self.user, "bash", "-c", line, cwd=where, env=self.variables)
        assert not (check and done.returncode), f"{self.user}$ {line}\n{done.stdout}\n{done.stderr}"
        return done


def newcomer(machine: Machine, hub: str) -> Person:
    """Has Docker, and is not root."""
    return _person(machine, USER, machine.home, {"DOCKER_HOST": machine.docker_host, "CARBIDE_DOCKERHUB_MIRROR": hub})


def root(machine: Machine, name: str, variables: Mapping[str, str]) -> Person:
    """Is root, and has no Docker."""
    home = machine.folder / name
    home.mkdir(mode=0o700)
    return _person(machine, "root", home, {"DOCKER_HOST": "unix:///nonexistent", **variables})


def _person(machine: Machine, user: str, home: Path, variables: Mapping[str, str]) -> Person:
    if "CARBIDE_CACHE_DIR" not in variables:
        _provide(home / ".cache/carbide-infra")
    if user != "root":
        subprocess.run(["chown", "--recursive", f"{USER_ID}:{USER_ID}", home], check=True)
    python, go = Path(sys.executable).resolve().parent, require_go().parent
    path = f"{python}:{go}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    ours = {"PATH": path, "HOME": str(home), "USER": user, **IDENTITY, **variables}
    return Person(machine, user, home, _of_the_network() | ours)


def _of_the_network() -> dict[str, str]:
    """How this machine reaches the package registries."""
    prefixes, suffixes = ("PIP_", "UV_", "GOPROXY", "GOSUMDB", "GONOSUM", "GOFLAGS"), ("_PROXY", "_proxy")
    certificates = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(prefixes) or name.endswith(suffixes) or name in certificates
    }


def _provide(cache: Path) -> None:
    """What a first `make` has built from source, or downloaded: it is the same for everybody, and takes minutes."""
    cache.mkdir(parents=True, mode=0o700)
    for folder in (cache_dir() / "tools", cache_dir() / "bases", *cache_dir().glob("uv-*")):
        if folder.exists():
            shutil.copytree(folder, cache / folder.name, symlinks=True)
