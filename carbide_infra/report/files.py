"""Input files: how two records of an image's inputs differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from carbide_infra.images.record import RecordedFile, recorded_files

_MODULE_FILES = frozenset({"go.mod", "go.sum", "go.work", "go.work.sum"})
_VERSION_FILE = "VERSION"

Kind = Literal["changed", "added", "removed", "mode changed"]


@dataclass(frozen=True)
class FileChange:
    """One input file that differs.

    Attributes:
        path: relative to the source root.
        kind: what happened to it.
        size_change: in bytes.
        is_pruned: holds nothing but what the image links, where it lists modules.
    """

    path: str
    kind: Kind
    size_change: int
    is_pruned: bool = False

    @property
    def lists_modules(self) -> bool:
        """Whether it says which modules there are, and holds no code itself."""
        name = self.path.rpartition("/")[2]
        return name in _MODULE_FILES or f"/{self.path}".endswith("/vendor/modules.txt")

    @property
    def may_concern_others(self) -> bool:
        """Whether it counts for images that use nothing of what changed in it."""
        return self.lists_modules and not self.is_pruned

    @property
    def holds_version(self) -> bool:
        """Whether it says the version, and holds no code itself."""
        return self.path == _VERSION_FILE


def total_size(record: str) -> int:
    """Bytes of all the files of a record."""
    return sum(file.size for file in _files(record).values())


def sizes(record: str) -> dict[str, int]:
    """Bytes of each file of a record, by path."""
    return {path: file.size for path, file in _files(record).items()}


def paths(record: str) -> list[str]:
    """The files of a record."""
    return list(_files(record))


def changed_files(before: str, after: str) -> tuple[FileChange, ...]:
    """The files that differ between two records, by path."""
    old, new = _files(before), _files(after)
    found = (_change(path, old.get(path), new.get(path)) for path in sorted(old.keys() | new.keys()))
    return tuple(change for change in found if change)


def _change(path: str, old: RecordedFile | None, new: RecordedFile | None) -> FileChange | None:
    if old == new:
        return None
    if old is None or new is None:
        return FileChange(
            path, "removed" if new is None else "added", (new.size if new else 0) - (old.size if old else 0)
        )
    return FileChange(path, "mode changed" if old.sha256 == new.sha256 else "changed", new.size - old.size)


def _files(record: str) -> Mapping[str, RecordedFile]:
    return {file.path: file for file in recorded_files(record)}
