"""The programs that are found on PATH, and what to do where one is missing."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from carbide_infra.errors import MissingPrerequisite, SetupError
from carbide_infra.paths import project_root

SHARED_DOCKER_FOLDERS = (
    Path("/usr/local/lib/docker"),
    Path("/usr/local/libexec/docker"),
    Path("/usr/lib/docker"),
    Path("/usr/libexec/docker"),
)
_MAKE = 'run this with make, or in a shell after eval "$(make -s env)", which finds or builds it'


def find_pulumi() -> Path:
    """Give the Pulumi CLI. Raises MissingPrerequisite."""
    return _required("pulumi", shutil.which("pulumi"), "https://www.pulumi.com/docs/install")


def find_buildx(environment: Mapping[str, str] = os.environ) -> Path:
    """Give buildx: by itself, or as the plugin of the docker command, which also runs alone.

    Raises:
        MissingPrerequisite: there is neither.
    """
    path = environment.get("PATH", os.defpath)
    with_plugins = os.pathsep.join([path, *map(str, docker_plugin_folders())])
    found = shutil.which("buildx", path=path) or shutil.which("docker-buildx", path=with_plugins)
    return _required("buildx", found, "https://docs.docker.com/build/install-buildx")


def docker_plugin_folders() -> list[Path]:
    """Name the folders where the docker command looks for its plugins."""
    users = Path(os.environ.get("DOCKER_CONFIG", "~/.docker")).expanduser()
    return [folder / "cli-plugins" for folder in (users, *SHARED_DOCKER_FOLDERS)]


def _required(program: str, found: str | None, page: str) -> Path:
    if found is None:
        way_out = _MAKE if _is_checkout() else f"install it from {page}"
        message = f"{program}: is not on PATH; {way_out}"
        raise MissingPrerequisite(message)
    return Path(found).absolute()


def _is_checkout() -> bool:
    """Whether the project has what builds the programs."""
    try:
        return (project_root() / "devenv").is_dir()
    except SetupError:
        return False
