"""The files of a clone as git lists them: what is there, without a look at the disk for each question."""

import fnmatch
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from carbide_infra.source.kept.context import text_in
from carbide_infra.source.tree import Tree
from carbide_infra.source.whole_tree import whole_tree


@dataclass(frozen=True)
class TreeFiles:
    """A source tree.

    Attributes:
        tree: the tree, whose files may be read.
    """

    tree: Tree

    @classmethod
    def of(cls, root: Path, cache_dir: Path) -> "TreeFiles":
        """Those of a source root."""
        return cls(Tree(root.resolve(), cache_dir))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All files, relative to the root, sorted; what git ignores is no part of a clone."""
        return tuple(sorted(name for name in whole_tree(self.tree) if name.isprintable()))

    @cached_property
    def _files(self) -> frozenset[str]:
        return frozenset(self.names)

    @cached_property
    def _folders(self) -> frozenset[str]:
        found = {"."}
        for name in self.names:
            folder = posixpath.dirname(name)
            while folder and folder not in found:
                found.add(folder)
                folder = posixpath.dirname(folder)
        return frozenset(found)

    def is_file(self, path: str) -> bool:
        """Whether it is a file of the clone."""
        return path in self._files

    def is_folder(self, path: str) -> bool:
        """Whether it is a folder with files in it."""
        return path in self._folders

    def below(self, folder: str) -> Iterator[str]:
        """The files in a folder and in those below it."""
        prefix = "" if folder == "." else f"{folder}/"
        return (name for name in self.names if name.startswith(prefix))

    def matching(self, pattern: str) -> list[str]:
        """The files, or else folders, that a path with wildcards stands for."""
        found = [name for name in self.names if _matches(name, pattern)]
        return found or [name for name in sorted(self._folders) if _matches(name, pattern)]

    def size(self, name: str) -> int:
        """Bytes of a file; none of one that is not there."""
        try:
            return (self.tree.root / name).stat().st_size
        except OSError:
            return 0

    def text(self, name: str) -> str:
        """The text of a file.

        Raises:
            InputError: it leads out of the tree, or is no text.
        """
        return text_in(self.tree, name)


def _matches(name: str, pattern: str) -> bool:
    # With as many slashes on both sides, no wildcard can stand for one.
    return name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)
