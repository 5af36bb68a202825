"""Other places that the same commit is checked out in, all of which know the first one's registry."""

import shutil
import subprocess
from pathlib import Path

from tests.engine.conftest import Checkout, Deployed
from tests.engine.previews import Stack


def cloned(checkout: Checkout, folder: Path, umask: int = -1) -> Path:
    """A fresh clone, its files made under a umask."""
    return _cloned(checkout, folder, str(checkout.root), umask=umask)


def apart(deployed: Deployed, folder: Path) -> Stack:
    """A clone of the deployed commit with a copy of the state: nobody else's updates and edits show here."""
    clone = deployed_clone(deployed, folder / "clone")
    shutil.copytree(deployed.state, clone / ".local/state")
    return Stack.of(deployed.checkout, folder).at(clone).given(PULUMI_BACKEND_URL=f"file://{clone}/.local/state")


def deployed_clone(deployed: Deployed, folder: Path, umask: int = -1) -> Path:
    """A fresh clone of the deployed commit, whatever another test has checked out, tagged or left out just now."""
    return _cloned(deployed.checkout, folder, str(deployed.commits), umask=umask)


def shallow(checkout: Checkout, folder: Path) -> Path:
    """A clone of the last commit alone, as many a CI makes it."""
    return _cloned(checkout, folder, "--depth", "1", f"file://{checkout.root}")


def copied(checkout: Checkout, folder: Path) -> Path:
    """The same files, history and all."""
    shutil.copytree(checkout.root, folder, symlinks=True, ignore=shutil.ignore_patterns(".local", ".venv"))
    return _prepared(checkout, folder)


def _cloned(checkout: Checkout, folder: Path, *source: str, umask: int = -1) -> Path:
    command = ["git", "clone", "--quiet", *source, str(folder)]
    subprocess.run(command, check=True, capture_output=True, umask=umask)
    return _prepared(checkout, folder)


def _prepared(checkout: Checkout, folder: Path) -> Path:
    (folder / ".venv").symlink_to(checkout.root / ".venv")
    (folder / ".local").mkdir()
    shutil.copy(checkout.root / ".local/endpoint.json", folder / ".local")
    return folder
