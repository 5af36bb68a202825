"""A source tree as it is on disk now: contents and listings, without reading again what is known."""

import contextlib
import hashlib
import json
import os
import posixpath
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carbide_infra.errors import UserError
from carbide_infra.source.kept_answers import load, save

_CHUNK = 1 << 20
_ATTEMPTS = 3
# Coarser than the clock of any file system in use (FAT: 2 s): an edit inside one tick leaves all times as they were.
_RACY_NANOSECONDS = 2_000_000_000


class InputError(UserError):
    """The source tree cannot be built as asked; the message names the file or folder and the way out."""


@dataclass(frozen=True)
class InputFile:
    """One file an image is made of.

    Attributes:
        path: relative to the root, with slashes on every system.
        executable: its owner may run it, which is all that git records of a mode.
        sha256: of its bytes; a symbolic link counts as what it leads to.
        size: in bytes.
        content: what it holds, where the tree has more: a go.mod without what the image does not link.
    """

    path: str
    executable: bool
    sha256: str
    size: int
    content: bytes | None = field(default=None, repr=False, compare=False)

    @classmethod
    def written(cls, path: str, text: str) -> "InputFile":
        """A file with a content of ours."""
        content = text.encode("utf-8", "surrogateescape")
        return cls(
            path, executable=False, sha256=hashlib.sha256(content).hexdigest(), size=len(content), content=content
        )

    def __str__(self) -> str:
        """As a line of the record that the state keeps: mode, SHA-256, size, path."""
        mode, path = "0755" if self.executable else "0644", self.path
        # On lines of its own, a name could stand for other files.
        written = json.dumps(path) if "\n" in path or path.startswith('"') else path
        return f"{mode} {self.sha256} {self.size} {written}"


class Tree:
    """Files of one source tree, with hashes remembered by their stat signature from one run to the next."""

    def __init__(self, root: Path, cache_dir: Path) -> None:
        self.root = root
        self.cache_dir = cache_dir
        self._kept = cache_dir / f"hashes-{hashlib.sha256(os.fsencode(root)).hexdigest()[:24]}.json"
        self._known: dict[str, list[Any]] = load(self._kept)
        self._changed = False
        self._seen: dict[str, tuple[str, os.stat_result]] = {}
        self._files: dict[tuple[str, bool], InputFile] = {}
        self._links: dict[str, str | None] = {"": None}

    def file(self, name: str, *, runs: bool = False) -> InputFile:
        """One input; whether it is executable counts only for what an image holds as it is.

        Raises:
            InputError: it is unreadable, special, or leads out of the tree.
        """
        key = name, runs
        if key not in self._files:
            self._require_inside(name)
            digest, found = self._content(name)
            self._files[key] = InputFile(name, runs and bool(found.st_mode & stat.S_IXUSR), digest, found.st_size)
        return self._files[key]

    def agrees_with(self, listings: Mapping[str, object], reads: Mapping[str, object]) -> bool:
        """Whether folders and files are as an answer found them."""
        self.forget()
        return all(self.listing(folder) == names for folder, names in listings.items()) and all(
            self.digest(name) == digest for name, digest in reads.items()
        )

    def text(self, name: str) -> str:
        """A file's content as text, whatever is in it; empty where it cannot be read."""
        try:
            return (self.root / name).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""

    def forget(self) -> None:
        """Look again at what was looked at."""
        self._seen.clear()

    def newest_change(self, names: Iterable[str]) -> int:
        """When any of these files and folders was changed last, in nanoseconds since 1970; 0 where none is there."""
        newest = 0
        for name in names:
            with contextlib.suppress(OSError):
                newest = max(newest, os.stat(f"{self.root}/{name}").st_ctime_ns)  # noqa: PTH116
        return newest

    def remember(self) -> None:
        """Keep the hashes for the next run."""
        if self._changed:
            save(self._kept, self._known)

    def _require_inside(self, name: str) -> None:
        if posixpath.normpath(name).startswith(("../", "/")):
            msg = f"{name} is outside the source tree {self.root}; put a copy into the tree"
            raise InputError(msg)
        link = name if self._is_link(name) else self._linked_folder(posixpath.dirname(name))
        if link is None:
            return
        path = self.root / name
        if not is_within(self.root, os.path.realpath(path)):
            target = os.readlink(self.root / link)  # noqa: PTH115  # the text of the link, as its author wrote it
            msg = (
                f"{link} is a symbolic link to {target}, outside the source tree {self.root}, so another machine "
                "would build something else; put a copy in its place"
            )
            raise InputError(msg)

    def _is_link(self, name: str) -> bool:
        try:
            return stat.S_ISLNK(os.lstat(f"{self.root}/{name}").st_mode)
        except OSError as error:
            raise _unreadable(name, error) from error

    def _linked_folder(self, folder: str) -> str | None:
        """The first folder on the way that is a symbolic link."""
        if folder not in self._links:
            above = self._linked_folder(posixpath.dirname(folder))
            self._links[folder] = above or (folder if self._is_link(folder) else None)
        return self._links[folder]

    def digest(self, name: str) -> str | None:
        """The SHA-256 of a file's content; None where it cannot be read."""
        try:
            return self._content(name)[0]
        except InputError:
            return None

    def _content(self, name: str) -> tuple[str, os.stat_result]:
        if name not in self._seen:
            try:
                self._seen[name] = self._read(name)
            except OSError as error:
                raise _unreadable(name, error) from error
        return self._seen[name]

    def _read(self, name: str) -> tuple[str, os.stat_result]:
        path = f"{self.root}/{name}"
        found = os.stat(path)  # noqa: PTH116  # thousands of these a run: no Path for each
        signature = _signature(found)
        known = self._known.get(name)
        if known is not None and known[:-1] == signature:
            return known[-1], found
        if not stat.S_ISREG(found.st_mode):
            msg = f"{name} is neither a file nor a link to one, so it cannot be part of an image; remove it"
            raise InputError(msg)
        return self._hash(name, path)

    def _hash(self, name: str, path: str) -> tuple[str, os.stat_result]:
        for _ in range(_ATTEMPTS):
            started = time.time_ns()
            digest, before, after = _sha256(path)
            signature = _signature(before)
            if signature == _signature(after):
                self._note(name, signature, digest, started)
                return digest, before
        msg = f"{name} keeps changing while it is read; let the other program finish and run again"
        raise InputError(msg)

    def _note(self, name: str, signature: list[int], digest: str, started: int) -> None:
        """Remember a hash, unless a later edit could have the same signature (git's "racy" rule)."""
        newest = max(signature[1], signature[2])
        if newest < started - _RACY_NANOSECONDS:
            self._known[name] = [*signature, digest]
            self._changed = True
        elif self._known.pop(name, None):
            self._changed = True

    def listing(self, folder: str) -> dict[str, str] | None:
        """The names in a folder and their kinds; None where there is no such folder."""
        try:
            with os.scandir(f"{self.root}/{folder}") as entries:
                return {entry.name: _kind(entry) for entry in entries}
        except OSError:
            return None


def _signature(found: os.stat_result) -> list[int]:
    # The change time is set by the kernel alone, so it betrays an edit that put size and modification time back.
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]


def _sha256(path: str) -> tuple[str, os.stat_result, os.stat_result]:
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
        before = os.fstat(stream.fileno())
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
        return digest.hexdigest(), before, os.fstat(stream.fileno())


def _kind(entry: "os.DirEntry[str]") -> str:
    """f(ile), d(irectory), o(ther), with an l before it for a symbolic link to one."""
    link = "l" if entry.is_symlink() else ""
    try:
        if entry.is_file():
            return f"{link}f"
        return f"{link}d" if entry.is_dir() else f"{link}o"
    except OSError:  # a link in a circle, or to a name that is too long
        return f"{link}o"


def _unreadable(name: str, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{name} is missing, or a symbolic link that leads nowhere; restore it or remove the link")
    if isinstance(error, PermissionError):
        return InputError(f"{name} cannot be read: {error.strerror}; run chmod u+r on it, or as its owner")
    return InputError(f"{name} cannot be read: {error.strerror}")


def is_within(root: Path, real: str) -> bool:
    """Whether a path without links is that of the root, or below it."""
    return real == str(root) or real.startswith(f"{root}/")
