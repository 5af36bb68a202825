"""Where the project, its local state and the machine-wide cache live."""

import os
from pathlib import Path

from carbide_infra.errors import SetupError


def project_root() -> Path:
    """Give the checkout that this package belongs to: the folder with Pulumi.yaml."""
    root = Path(__file__).resolve().parents[1]
    if not (root / "Pulumi.yaml").is_file():
        message = f"No Pulumi.yaml in {root}: install the package with `pip install -e` from a checkout of the project."
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
