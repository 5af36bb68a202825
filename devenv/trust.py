"""Levels of trust: whose builds may use one compile cache.

What a build leaves in a cache, a later one takes for its own work. A branch's Dockerfile could leave there what a
release then ships, so each level has a builder with a folder of its own. Nothing of it is in a key or an input.
"""

import os
import subprocess
from enum import IntEnum
from pathlib import Path

from carbide_infra.errors import UserError
from carbide_infra.settings import Settings

# What CI says is built, where a checkout of a commit does not tell; carbide_infra/source/facts.py reads it, too.
REF_VARIABLE = "CARBIDE_REF"
_RELEASES = "refs/tags/v"
_MAIN = frozenset({"refs/heads/main", "refs/heads/master"})
# Nothing of the tree's own is run.
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


class Trust(IntEnum):
    """Who has read what is built; a higher level never uses what a lower one has left."""

    OTHER = 0
    MAIN = 1
    RELEASE = 2

    @property
    def folder(self) -> str:
        """Where its caches are, below those of all; the lowest has them there itself."""
        return "" if self is Trust.OTHER else self.name.lower()


def trust_of(settings: Settings, project: Path) -> Trust:
    """The level of a stack's builds: that of its Dockerfiles or of its source, whichever is lower.

    What git cannot tell is not trusted.
    """
    if settings.is_development:
        return Trust.OTHER
    try:
        trees = (project, settings.source_root(project))
        return min(_level(tree, os.environ.get(REF_VARIABLE)) for tree in trees)
    except (UserError, OSError, subprocess.CalledProcessError):
        return Trust.OTHER


def _level(tree: Path, ref: str | None) -> Trust:
    head = _git(tree, "rev-parse", "--verify", "HEAD^{commit}")
    if _git(tree, "status", "--porcelain", "--untracked-files=all", "--", "."):
        return Trust.OTHER
    ref = ref or _git(tree, "symbolic-ref", "HEAD")
    if ref.startswith(_RELEASES):
        # The project's Dockerfiles may be in a repository of their own, which has no such tag.
        return Trust.RELEASE if head in _commits(tree, ref) else _level(tree, _git(tree, "symbolic-ref", "HEAD"))
    return Trust.MAIN if ref in _MAIN else Trust.OTHER


def _commits(tree: Path, ref: str) -> str:
    return _git(tree, "for-each-ref", "--format=%(objectname) %(*objectname)", ref)


def _git(tree: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    command = [*_GIT, "-C", str(tree), *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
