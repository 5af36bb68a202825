"""Comparison: whether files on disk are what a commit holds, blob by blob, without running a filter."""

import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from carbide_infra.source.commit import Commit, Held
from carbide_infra.source.git import GitError
from carbide_infra.source.inputs import InputFile
from carbide_infra.source.kept_answers import load, save

_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:(\w{64})\nsize (\d+)\n")


@dataclass(frozen=True)
class Comparison:
    """What came out, by path.

    Attributes:
        differing: what each file is that is not the commit's, such as "differs from".
        converted: files that are the commit's but for the ends of their lines.
        held: what the commit has there; None for nothing.
    """

    differing: dict[str, str] = field(default_factory=dict)
    converted: set[str] = field(default_factory=set)
    held: dict[str, Held | None] = field(default_factory=dict)


def compared(commit: Commit, root: Path, files: Collection[InputFile], cache_dir: Path) -> Comparison:
    """Compare files with a commit.

    Args:
        commit: the commit.
        root: the folder that paths are relative to.
        files: as they are on disk.
        cache_dir: where the blobs of contents are kept.

    Raises:
        GitError: git does not tell what the commit holds.
    """
    made = Comparison()
    known = _KnownBlobs(cache_dir, root)
    others: dict[Commit, list[tuple[InputFile, Held, bytes]]] = {}
    for file in files:
        held = made.held[file.path] = commit.find(file.path)
        if held is None:
            where = "cannot be found in the submodule that is recorded in"
            made.differing[file.path] = where if commit.is_in_submodule(file.path) else "is not in"
        elif file.executable != held.executable and _is_executable(root / file.path) != held.executable:
            made.differing[file.path] = "has another mode than in"
        elif known.get(file.sha256) != held.blob:
            content = _read(root, file)
            if content is None:
                made.differing[file.path] = "changed while it was compared with"
            elif held.commit.blob_of(content) == held.blob:
                known.add(file.sha256, held.blob)
            else:
                others.setdefault(held.commit, []).append((file, held, content))
    known.keep(file.sha256 for file in files)
    for holder, each in others.items():
        _compare_contents(holder, each, made)
    return made


def _compare_contents(holder: Commit, files: Collection[tuple[InputFile, Held, bytes]], made: Comparison) -> None:
    """Files whose bytes are not the blob's: git may put something else on disk than that."""
    try:
        blobs = holder.contents([held for _, held, _ in files])
        attributes = holder.attributes([held.path for _, held, _ in files])
    except GitError:
        blobs, attributes = {}, {}
    for file, held, content in files:
        blob, said = blobs.get(held.blob), attributes.get(held.path)
        if blob is not None and _is_pointer_to(file, blob):
            continue
        if blob is None or said is None:
            made.differing[file.path] = "cannot be compared with the content, which is not here, in"
        elif said.filter is not None:
            made.differing[file.path] = f"is what git's {said.filter} makes, or something else, of what is in"
        elif b"\0" in content or content.replace(b"\r\n", b"\n") != blob:
            made.differing[file.path] = "differs from"
        elif said.is_text:
            made.converted.add(file.path)
        else:
            made.differing[file.path] = "has other line ends, which no attribute of its text explains, than in"


def _is_pointer_to(file: InputFile, blob: bytes) -> bool:
    """Whether a blob is a Git LFS pointer, and names this content."""
    found = _POINTER.fullmatch(blob)
    return found is not None and (found[1].decode(), int(found[2])) == (file.sha256, file.size)


def _read(root: Path, file: InputFile) -> bytes | None:
    """A file's content, if it is still what it was."""
    with suppress(OSError):
        content = (root / file.path).read_bytes()
        if hashlib.sha256(content).hexdigest() == file.sha256:
            return content
    return None


def _is_executable(path: Path) -> bool:
    with suppress(OSError):
        return bool(path.stat().st_mode & stat.S_IXUSR)
    return False


class _KnownBlobs:
    """The blobs of contents, by their SHA-256: what has been read once is not read again."""

    def __init__(self, cache_dir: Path, root: Path) -> None:
        self._file = cache_dir / f"blobs-{hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:24]}.json"
        self._kept = load(self._file)
        self._is_new = False

    def get(self, sha256: str) -> object:
        return self._kept.get(sha256)

    def add(self, sha256: str, blob: str) -> None:
        self._is_new = True
        self._kept[sha256] = blob

    def keep(self, used: Iterable[str]) -> None:
        """Remember for the next run what this one has used."""
        if self._is_new:
            save(self._file, {sha256: self._kept[sha256] for sha256 in used if sha256 in self._kept})
