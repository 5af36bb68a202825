"""Names the repository and the commit that a distribution is built from, in its metadata; hatchling runs it.

`carbide-infra init` writes both into the workflows of other repositories, so nothing is named that nobody could fetch:
a commit that was not pushed, or one with changes beside it.
"""

import re
import subprocess
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LABEL = "Workflows"
"""Of the URL in the metadata; carbide_infra/workflows.py reads it."""

_GITHUB = re.compile(r"(?:https://|ssh://git@|git@)github\.com[/:](?P<name>[\w.-]+/[\w.-]+?)(?:\.git)?/?", re.ASCII)


class CustomMetadataHook(MetadataHookInterface):
    """Adds the URL."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Where nothing is known, there is no URL."""
        url = origin(Path(self.root))
        metadata["urls"] = {LABEL: url} if url else {}


def origin(root: Path) -> str | None:
    """Give the page of the commit on GitHub; None where it is not known to be there."""
    remote, commit = _git(root, "remote", "get-url", "origin"), _git(root, "rev-parse", "HEAD")
    named = _GITHUB.fullmatch(remote or "")
    is_whole = _git(root, "status", "--porcelain") == ""
    is_pushed = commit and _git(root, "for-each-ref", "--contains", commit, "refs/remotes/origin")
    return f"https://github.com/{named['name']}/tree/{commit}" if named and is_whole and is_pushed else None


def _git(root: Path, *arguments: str) -> str | None:
    # Nothing of the tree's own is run.
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return None if done.returncode else done.stdout.strip()
