"""Absences: files of a commit that are gone from the tree, and that an image may have been made of."""

import os
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache

from carbide_infra.source.commit import Commit, Held

_COMPILED = frozenset({".go", ".s", ".h", ".syso"})
_MODULE = frozenset({"go.mod", "go.sum", "go.work", "go.work.sum"})


class Absences:
    """The files of a commit and its submodules that are not on disk.

    Go compiles what is in a package's folder, and a pattern may embed whole folders; of what is not on disk nobody can
    tell whether it would be an input. Documents beside other folders' files do not count.

    Args:
        commit: the commit.
        held: what it has at the paths of all images' inputs.
    """

    def __init__(self, commit: Commit, held: Mapping[str, Held | None]) -> None:
        self._commit = commit
        self._held = held
        folders = {holder: str(holder.folder) for holder in self._by_holder(held)}
        gone = {
            holder: list(_gone(folders[holder], holder.files, inputs))
            for holder, inputs in self._by_holder(held).items()
        }
        self._gone = {holder: (folders[holder], paths) for holder, paths in gone.items() if paths}

    def of(self, paths: Collection[str]) -> Iterator[str]:
        """Those that an image with these inputs may have been made of."""
        for holder, inputs in self._by_holder(paths).items() if self._gone else ():
            folder, gone = self._gone.get(holder, ("", []))
            for path in _relevant(folder, gone, inputs):
                yield posixpath.normpath(posixpath.join(os.path.relpath(folder, self._commit.folder), path))

    def _by_holder(self, paths: Iterable[str]) -> dict[Commit, set[str]]:
        found: dict[Commit, set[str]] = {self._commit: set()}
        for path in paths:
            held = self._held[path]
            found.setdefault(held.commit if held else self._commit, set()).add(held.path if held else path)
        return found


def _gone(root: str, committed: Iterable[str], inputs: Collection[str]) -> Iterator[str]:
    """Files that are not on disk, of folders that hold inputs or are themselves gone."""
    holding = {""}
    for path in inputs:
        folder = path.rpartition("/")[0]
        while folder not in holding:
            holding.add(folder)
            folder = folder.rpartition("/")[0]

    @cache
    def counts(folder: str) -> bool:
        return folder in holding or not os.path.isdir(f"{root}/{folder}")  # noqa: PTH112 - many of these

    for path in committed:
        if path not in inputs and counts(path.rpartition("/")[0]) and not os.path.lexists(f"{root}/{path}"):
            yield path


def _relevant(root: str, gone: Iterable[str], inputs: Collection[str]) -> Iterator[str]:
    go_folders = {posixpath.dirname(path) for path in inputs if _is_for_go(path)}
    packages = {posixpath.dirname(path) for path in inputs if path.endswith(".go")}
    data_folders = {folder for path in inputs if not _is_for_go(path) for folder in _above(path, packages)}

    @cache
    def holds_data(folder: str) -> bool:
        if folder in data_folders or not folder:
            return folder in data_folders
        return holds_data(posixpath.dirname(folder)) and not os.path.isdir(f"{root}/{folder}")  # noqa: PTH112

    for path in gone:
        folder = posixpath.dirname(path)
        if (folder in go_folders if _is_for_go(path) else holds_data(folder)) and not path.endswith("_test.go"):
            yield path


def _above(path: str, packages: Collection[str]) -> Iterator[str]:
    """The folders above a file, up to the package that embeds it; else up to the root, without that."""
    while path and path not in packages:
        path = posixpath.dirname(path)
        if path or "" in packages:
            yield path


def _is_for_go(path: str) -> bool:
    return posixpath.splitext(path)[1] in _COMPILED or posixpath.basename(path) in _MODULE
