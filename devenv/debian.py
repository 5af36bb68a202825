"""Debian's archive: a root file system and single programs, taken without touching the machine's own packages."""

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from carbide_infra.errors import MissingPrerequisite, SetupError
from carbide_infra.processes import run
from carbide_infra.progress import Report
from devenv.prerequisites import ensure_debian_packages

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# What the official golang image has too, as far as building Go needs it.
GOLANG_PACKAGES = ("ca-certificates", "git")
# The age of everything in an archive: the same content then gives the same bytes on any day.
EPOCH = 1_767_225_600
ARCHITECTURES = {
    "linux/386": "i386",
    "linux/amd64": "amd64",
    "linux/arm64": "arm64",
    "linux/ppc64le": "ppc64el",
    "linux/riscv64": "riscv64",
    "linux/s390x": "s390x",
}


@dataclass(frozen=True)
class Debian:
    """This machine's Debian release, and where it gets packages from."""

    codename: str
    mirror: str

    @property
    def source(self) -> str:
        """One line of a sources.list."""
        return f"deb [signed-by={KEYRING}] {self.mirror} {self.codename} main"


def this_debian() -> Debian:
    """Give the machine's Debian; raise MissingPrerequisite where it is none, or this is not root."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    codename = release.get("VERSION_CODENAME", "")
    if release.get("ID") != "debian" or not codename or os.geteuid() != 0:
        message = (
            "Docker Hub does not answer, and stand-ins for its images are made only as root on Debian: "
            "fix the connection, or name a mirror in CARBIDE_DOCKERHUB_MIRROR."
        )
        raise MissingPrerequisite(message)
    return Debian(codename, _mirror(codename))


def _mirror(codename: str) -> str:
    mirror = _configured_mirror(codename)
    if mirror is None:
        # A machine that is new knows its sources only once it has read them.
        run(["apt-get", "-qq", "update"], os.environ, "Reading Debian's package lists")
        mirror = _configured_mirror(codename)
    if mirror is None:
        message = f"apt's sources name no mirror of Debian {codename}: add one to /etc/apt/sources.list."
        raise SetupError(message)
    return mirror.rstrip("/")


def _configured_mirror(codename: str) -> str | None:
    form = "$(RELEASE) $(COMPONENT) $(REPO_URI)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    targets = (line.split() for line in run(command, os.environ, "Reading Debian's sources").splitlines())
    return next((target[2] for target in targets if target[:2] == [codename, "main"]), None)


def make_root(debian: Debian, archive: Path, report: Report) -> None:
    """Write a small Debian for this machine's processor, with what building Go needs, as a tar archive."""
    program = ensure_debian_packages({"mmdebstrap": "mmdebstrap"}, report)["mmdebstrap"]
    include = f"--include={','.join(GOLANG_PACKAGES)}"
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)}
    # mmdebstrap leaves the machine's own name and name servers behind.
    forget = '--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf"'
    options = ["--variant=minbase", "--format=tar", include, forget]
    command = [str(program), *options, debian.codename, str(archive), debian.source]
    run(command, environment, f"Making a Debian root file system from {debian.mirror}")


def fetch_program(debian: Debian, package: str, platforms: Sequence[str], folder: Path) -> dict[str, Path]:
    """Unpack a package for each platform into `folder`, and give where each lies."""
    architectures = {name: ARCHITECTURES[name] for name in platforms}
    with TemporaryDirectory(dir=folder, prefix=".unfinished-") as private:
        apt = _private_apt(debian, sorted(set(architectures.values())), Path(private))
        run([*apt, "update"], os.environ, f"Reading the package lists of {debian.mirror}")
        return {
            name: _unpack(apt, f"{package}:{architecture}", name, folder)
            for name, architecture in architectures.items()
        }


def _private_apt(debian: Debian, architectures: Sequence[str], folder: Path) -> list[str]:
    """Prepare an apt with folders of its own: the machine's dpkg does not get foreign architectures."""
    for part in ("state/lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"{debian.source}\n", encoding="utf-8")
    options = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "APT::Architectures": ",".join(architectures),
        # Its unprivileged user cannot reach folders inside root's home.
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    }
    return ["apt-get", "-qq", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]


def _unpack(apt: Sequence[str], package: str, name: str, folder: Path) -> Path:
    target = folder / re.sub(r"\W", "-", name)
    target.mkdir()
    try:
        run([*apt, "download", package], os.environ, f"Downloading Debian's {package}", cwd=target)
    except SetupError as error:
        message = f"platforms: nothing stands in for alpine on {name} while Docker Hub does not answer.\n{error}"
        raise SetupError(message) from error
    run(["dpkg", "-x", *target.glob("*.deb"), target], os.environ, f"Unpacking {package}")
    return target
