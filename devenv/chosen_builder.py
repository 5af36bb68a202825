"""The builder that BUILDX_BUILDER names, as buildx's current one in a folder of this checkout.

Pulumi's provider does not read the variable, and compares the name of a builder as an input: named there, images would
differ between machines. And what is current for the user's other projects is not for us to change.
"""

from collections.abc import Mapping
from pathlib import Path

from carbide_infra.paths import state_dir
from carbide_infra.registry.docker_config import config_file
from carbide_infra.state_files import make_private, read_text, write_text

_OWN = frozenset({"current", ".lock"})


def users_buildx(environment: Mapping[str, str], root: Path) -> str | None:
    """The folder that the user has chosen for buildx's builders, in a shell of `make env` too; None without one."""
    chosen = environment.get("BUILDX_CONFIG")
    return read_text(_source(root)) or None if chosen == str(_folder(root)) else chosen


def with_choice_of_its_own(environment: Mapping[str, str], root: Path) -> dict[str, str]:
    """The environment with all builders of the machine, and a current one that is this checkout's alone."""
    chosen = users_buildx(environment, root)
    builders = Path(chosen) if chosen else config_file(environment).parent.absolute() / "buildx"
    folder = make_private(_folder(root))
    write_text(_source(root), chosen or "")
    for entry in builders.iterdir() if builders.is_dir() else ():
        link = folder / entry.name
        if entry.name not in _OWN and not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(entry)
    return {**environment, "BUILDX_CONFIG": str(folder)}


def _folder(root: Path) -> Path:
    return state_dir(root) / "buildx-chosen"


def _source(root: Path) -> Path:
    return state_dir(root) / "buildx-chosen.source"
