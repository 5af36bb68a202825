"""Lists a whole source tree: what stands in where Go does not tell."""

import os
import posixpath
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from carbide_infra.source.git import Git, GitError
from carbide_infra.source.tree import Tree, is_within

_NEVER_SOURCE = frozenset(
    {".git", ".hg", ".svn", ".local", ".pulumi", ".terraform", ".venv", "__pycache__", "node_modules", "venv"}
)


def whole_tree(tree: Tree) -> Collection[str]:
    """Every file of a tree but for what tools keep in it."""
    own = os.path.relpath(tree.cache_dir.resolve(), tree.root)
    return [name for name in _whole_tree(tree.root) if not (name + "/").startswith(own + "/")]


def _whole_tree(root: Path) -> set[str]:
    listed = _git_files(root) or (entry.name for entry in os.scandir(root) if entry.name not in _NEVER_SOURCE)
    above = cache(lambda folder: _folders_above(root / folder))
    return {file for name in listed for file in files_below(root, name, above(posixpath.dirname(name)))}


def _folders_above(folder: Path) -> list[str]:
    holder = Path(os.path.realpath(folder))
    return [str(folder) for folder in (holder, *holder.parents)]


def _git_files(root: Path) -> list[str]:
    """Tracked and new files, without ignored ones; empty outside git. The tree's own .gitignore files decide."""
    try:
        listed = Git(root).read("ls-files", "-z", "-co", "--exclude-per-directory=.gitignore")
    except GitError:
        return []
    return [os.fsdecode(name).rstrip("/") for name in listed.split(b"\0") if name]


def files_below(root: Path, name: str, above: Collection[str]) -> Iterator[str]:
    """Files at or below a name: a folder in git's list is a submodule, another repository or a link to a folder."""
    path, real = root / name, os.path.realpath(root / name)
    if not is_within(root, real):
        yield name  # refused later, with the link's name
    elif path.is_file():
        yield name
    elif path.is_dir() and real not in above:  # a link may lead back up
        for entry in os.listdir(path):  # noqa: PTH208
            if entry not in _NEVER_SOURCE:
                yield from files_below(root, f"{name}/{entry}", (*above, real))
