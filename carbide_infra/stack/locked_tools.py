"""The tools of an update: Pulumi within the tested range; where a stack asks for it, all of them exactly as locked."""

import os
import re
import shutil
from collections.abc import Iterator
from importlib.metadata import distributions, requires, version
from pathlib import Path

import pulumi

from carbide_infra.errors import UserError

TESTED = ">=3.200.0 <4.0.0"
"""Versions of the CLI that this program is known to run with."""

_DISTRIBUTION = "carbide-infra-build"
_OWN = frozenset({"carbide-infra", _DISTRIBUTION})
_SDK, _PROVIDER_SDK = "pulumi", "pulumi-docker-build"
_PROVIDER = "pulumi-resource-docker-build"
_LOCKED = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.MULTILINE)
_MOST_NAMED = 3


class OtherTools(UserError):
    """What runs here is not what is locked, or was never tried."""


def require_tested_pulumi() -> None:
    """Refuse a CLI outside the tested range.

    Raises:
        OtherTools: it is.
    """
    problem = _pulumi_problem(TESTED)
    if problem:
        message = f"pulumi: {problem}; install one that is {TESTED.replace(' ', ' and ')}"
        raise OtherTools(message)


def differing_tools(project: Path) -> Iterator[str]:
    """What is not as it is locked: the CLI, the provider, and each Python package.

    Args:
        project: the folder with Pulumi.yaml; its requirements.txt is the lock of the packages, where it has one.
    """
    pins = dict(_LOCKED.findall("\n".join(requires(_DISTRIBUTION) or ())))
    if problem := _pulumi_problem(f"={pins[_SDK]}"):
        yield f"pulumi is not {pins[_SDK]} ({problem})"
    if problem := _provider_problem(pins[_PROVIDER_SDK]):
        yield problem
    packages = list(_differing_packages(_lock_of(project) or pins))
    more = f" and {len(packages) - _MOST_NAMED} more" if len(packages) > _MOST_NAMED else ""
    if packages:
        yield f"{', '.join(packages[:_MOST_NAMED])}{more}"


def _pulumi_problem(wanted: str) -> str | None:
    """Why the engine is none of these versions; it is asked itself, for PATH may name another by now."""
    try:
        pulumi.require_pulumi_version(wanted)
    except Exception as error:  # noqa: BLE001 - the SDK raises nothing narrower
        return str(error)
    return None


def _provider_problem(wanted: str) -> str | None:
    """The engine takes what the SDK asks for, unless there is one on PATH: that goes first, whatever it is."""
    found = shutil.which(_PROVIDER)
    home = Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser()
    installed = home / "plugins" / f"resource-docker-build-v{wanted}" / _PROVIDER
    if found is None or (installed.exists() and Path(found).samefile(installed)):
        return None
    return f"the provider is taken from {found}, which may be any version"


def _lock_of(project: Path) -> dict[str, str]:
    """Versions of locked packages by name; empty where the project has no lock of this program."""
    file = project / "requirements.txt"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    locked = {_name(package): number for package, number in _LOCKED.findall(text)}
    return locked if "--hash=" in text and _PROVIDER_SDK in locked else {}


def _differing_packages(locked: dict[str, str]) -> Iterator[str]:
    """Those that are installed in another version; where all are locked, those that are not, too."""
    is_whole = len(locked) > len(dict(_LOCKED.findall("\n".join(requires(_DISTRIBUTION) or ()))))
    for name in sorted({_name(found.name) for found in distributions()} - _OWN):
        number = version(name)
        if name in locked and number != locked[name]:
            yield f"{name} is {number}, locked is {locked[name]}"
        elif is_whole and name not in locked:
            yield f"{name} is not locked"


def _name(package: str) -> str:
    """As an index writes it."""
    return re.sub(r"[-_.]+", "-", package).lower()
