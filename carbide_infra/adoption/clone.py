"""What git says of a clone: its top, its main branch, its home."""

import re
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.source.git import Git, GitError

_URL = re.compile(
    r"(https?://|ssh://|git://)?([^@/]+@)?(?P<host>[A-Za-z0-9.-]+)(:\d+)?[:/](?P<path>[\w./~-]+?)(\.git)?/?"
)
_BRANCH = re.compile(r"[\w./+-]{1,200}")


@dataclass(frozen=True)
class Repository:
    """A clone.

    Attributes:
        top: its top folder.
        branch: its main branch.
        url: its home, without any login; empty where there is none.
    """

    top: Path
    branch: str
    url: str


def repository_of(folder: Path) -> Repository:
    """The repository that a folder is in; a folder outside of any is one by itself.

    Raises:
        ForeignTreeError: it is another user's.
    """
    git = Git(folder)
    try:
        top = Path(git.text("rev-parse", "--show-toplevel"))
    except GitError:
        return Repository(folder, "main", "")
    head = git.found("symbolic-ref", "--short", "refs/remotes/origin/HEAD").removeprefix("origin/")
    branch = head or git.found("symbolic-ref", "--short", "HEAD")
    return Repository(top, branch if _BRANCH.fullmatch(branch) else "main", _home(git))


def _home(git: Git) -> str:
    found = _URL.fullmatch(git.found("config", "--get", "remote.origin.url"))
    return f"https://{found['host']}/{found['path']}" if found and "." in found["host"] else ""
