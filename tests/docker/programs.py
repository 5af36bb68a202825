"""Docker's programs, without installing it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from devenv.prerequisites import find_system_program
from tests.support.debian_packages import CannotRunError, libraries_of, not_run, unpacked

__all__ = ["CannotRunError", "Programs", "docker_programs", "not_run"]

NEEDED = ("dockerd", "containerd", "docker")
PACKAGE = "docker.io"


@dataclass(frozen=True)
class Programs:
    """Where Docker's programs are, and what they need to start."""

    environment: Mapping[str, str]
    dockerd: str = "dockerd"


def docker_programs() -> Programs:
    """Find them on this machine, or unpack Debian's package and what it depends on into the cache folder."""
    if all(map(find_system_program, NEEDED)):
        return Programs({"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"})
    root = unpacked(PACKAGE)
    path = f"{root}/usr/sbin:{root}/usr/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
    return Programs({"PATH": path, "LD_LIBRARY_PATH": libraries_of(root)}, f"{root}/usr/sbin/dockerd")
