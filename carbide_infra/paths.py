"""Where the project, its local state and the machine-wide cache live."""

import os
from pathlib import Path

from carbide_infra.errors import SetupError


def project_root() -> Path:
    """Give the project that a command is run in: the current folder, or the nearest one above, with Pulumi.yaml.

    Raises:
        SetupError: there is none.
    """
    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if (folder / "Pulumi.yaml").is_file()), None)
    if root is None:
        message = f"No Pulumi.yaml in {here}, nor in a folder above: run this command from a checkout of the project."
        raise SetupError(message)
    return root


def state_dir(root: Path) -> Path:
    """Give the folder for what one checkout keeps between runs; git ignores it."""
    return root / ".local"


def cache_dir() -> Path:
    """Give the folder for what all checkouts of one user share, and can make again."""
    if chosen := os.environ.get("CARBIDE_CACHE_DIR"):
        return Path(chosen).expanduser().absolute()
    # The XDG specification says to ignore a relative path.
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (shared if shared.is_absolute() else Path.home() / ".cache") / "carbide-infra"
