"""Input files: how two records of an image's inputs differ."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

_LINE = re.compile(r"(0\d{3}) ([0-9a-f]{64}) (\d+) (.*)", re.DOTALL)
_MODULE_FILES = frozenset({"go.mod", "go.sum", "go.work", "go.work.sum", "vendor/modules.txt"})
_VERSION_FILE = "VERSION"

Kind = Literal["changed", "added", "removed", "mode changed"]


@dataclass(frozen=True)
class FileChange:
    """One input file that differs.

    Attributes:
        path: relative to the source root.
        kind: what happened to it.
        size_change: in bytes.
    """

    path: str
    kind: Kind
    size_change: int

    @property
    def lists_modules(self) -> bool:
        """Whether it says which modules there are, and holds no code itself."""
        return self.path in _MODULE_FILES

    @property
    def holds_version(self) -> bool:
        """Whether it says the version, and holds no code itself."""
        return self.path == _VERSION_FILE


@dataclass(frozen=True)
class _Recorded:
    mode: str
    sha256: str
    size: int


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


def _change(path: str, old: _Recorded | None, new: _Recorded | None) -> FileChange | None:
    if old == new:
        return None
    if old is None or new is None:
        return FileChange(
            path, "removed" if new is None else "added", (new.size if new else 0) - (old.size if old else 0)
        )
    return FileChange(path, "mode changed" if old.sha256 == new.sha256 else "changed", new.size - old.size)


def _files(record: str) -> Mapping[str, _Recorded]:
    lines: list[str] = []
    for line in record.split("\n"):
        # A path may hold a line feed; the record does not quote it.
        if _LINE.fullmatch(line) or not lines:
            lines.append(line)
        else:
            lines[-1] += f"\n{line}"
    matches = filter(None, map(_LINE.fullmatch, lines))
    return {path: _Recorded(mode, sha256, int(size)) for mode, sha256, size, path in (m.groups() for m in matches)}
