"""Absences: files of a commit that are gone from the tree, and that an image may have been made of."""

import os
import posixpath
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

_COMPILED = frozenset({".go", ".s", ".h", ".syso"})
_MODULE = frozenset({"go.mod", "go.sum", "go.work", "go.work.sum"})


def absent(root: Path, committed: Iterable[str], inputs: Collection[str]) -> Iterator[str]:
    """The files of a commit that are not on disk, and would be among an image's inputs if they were, or might be.

    Go compiles what is in a package's folder, and a pattern may embed whole folders; of what is not on disk nobody can
    tell. Documents beside other folders' files do not count.

    Args:
        root: the tree.
        committed: the commit's files, relative to the root.
        inputs: the image's, in the same way.
    """
    known = frozenset(inputs)
    go_folders = {posixpath.dirname(path) for path in known if _is_for_go(path)}
    packages = {posixpath.dirname(path) for path in known if path.endswith(".go")}
    data_folders = {folder for path in known if not _is_for_go(path) for folder in _above(path, packages)}

    @cache
    def holds_data(folder: str) -> bool:
        if folder in data_folders or not folder:
            return folder in data_folders
        return holds_data(posixpath.dirname(folder)) and not (root / folder).is_dir()

    for path in committed:
        folder = posixpath.dirname(path)
        counts = folder in go_folders if _is_for_go(path) else holds_data(folder)
        if counts and path not in known and not path.endswith("_test.go") and not os.path.lexists(root / path):
            yield path


def _above(path: str, packages: Collection[str]) -> Iterator[str]:
    """The folders above a file, up to the package that embeds it; else up to the root, without that."""
    while path and path not in packages:
        path = posixpath.dirname(path)
        if path or "" in packages:
            yield path


def _is_for_go(path: str) -> bool:
    return posixpath.splitext(path)[1] in _COMPILED or posixpath.basename(path) in _MODULE
