"""Commit: what a checkout of one commit has at a path, told by its objects alone: no index, no filter, no hook."""

import hashlib
import os
import posixpath
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from carbide_infra.source.git import Git, GitError

_MOST_LINKS = 40
_LINK, _EXECUTABLE, _SUBMODULE = "120000", "100755", "160000"
_SHA256_LENGTH = 64
_ATTRIBUTES = ("text", "eol", "crlf", "filter", "ident", "working-tree-encoding")
_CONVERSIONS = frozenset({"filter", "ident", "working-tree-encoding"})
_NONE = frozenset({"unset", "unspecified"})


@dataclass(frozen=True)
class Held:
    """A file of a commit.

    Attributes:
        blob: the id of its content.
        executable: whether it may be run.
        commit: the commit that holds it; in a submodule, that commit.
        path: in that commit.
        touched: what a commit that changes the file touches: itself, or a submodule, and links on the way.
    """

    blob: str
    executable: bool
    commit: "Commit"
    path: str
    touched: tuple[str, ...]


@dataclass(frozen=True)
class Attributes:
    """What a commit's .gitattributes say of a file.

    Attributes:
        is_text: git changes the ends of its lines.
        filter: what else stands between the file and the commit; None for nothing.
    """

    is_text: bool
    filter: str | None


class Commit:
    """The files of a commit, those below a folder of its repository."""

    def __init__(self, git: Git, revision: str) -> None:
        self._git = git
        self._revision = revision
        self._submodules: dict[str, Commit] = {}

    @property
    def folder(self) -> Path:
        """The folder that paths are relative to."""
        return self._git.folder

    @property
    def files(self) -> Collection[str]:
        """The paths of all its files, links and submodules."""
        return self._entries.keys()

    def find(self, path: str) -> Held | None:
        """The file at a path, also behind the commit's own links and in its submodules; None where there is none.

        A submodule that is not at hand, or not at that commit, counts as one without files.
        """
        entry = self._entries.get(path)
        if entry is not None and entry[0] not in {_LINK, _SUBMODULE}:
            return Held(entry[1], entry[0] == _EXECUTABLE, self, path, (path,))
        return None if path.startswith("/") else self._find_behind(path)

    def is_in_submodule(self, path: str) -> bool:
        """Whether a path is below one, be that at hand or not."""
        return any(self._entries.get(str(folder), ("", ""))[0] == _SUBMODULE for folder in PurePosixPath(path).parents)

    def blob_of(self, content: bytes) -> str:
        """The id that a file's content has in this repository."""
        algorithm = hashlib.sha256 if len(self._revision) == _SHA256_LENGTH else hashlib.sha1
        return algorithm(b"blob %d\0" % len(content) + content).hexdigest()

    def contents(self, held: Collection[Held]) -> dict[str, bytes]:
        """The content of files of this very commit by blob, without those that are not here."""
        return self._git.blobs(file.blob for file in held)

    def attributes(self, paths: Collection[str]) -> dict[str, Attributes]:
        """What .gitattributes say of files, as they are in the commit and not on disk."""
        with tempfile.TemporaryDirectory(prefix="carbide-index-") as folder:
            index = str(Path(folder) / "index")
            self._git.read("read-tree", self._revision, GIT_INDEX_FILE=index)
            asked = "check-attr", "--cached", "--stdin", "-z", *_ATTRIBUTES
            given = os.fsencode("".join(f"{path}\0" for path in paths))
            answer = os.fsdecode(self._git.read(*asked, given=given, GIT_INDEX_FILE=index)).split("\0")
        values = answer[2::3]
        width = len(_ATTRIBUTES)
        return {
            path: _attributes(dict(zip(_ATTRIBUTES, values[at : at + width], strict=True)))
            for path, at in zip(paths, range(0, len(values), width), strict=True)
        }

    @cached_property
    def _entries(self) -> dict[str, tuple[str, str]]:
        """Mode and object by path."""
        listing = os.fsdecode(self._git.read("ls-tree", "-r", "-z", self._revision))
        entries = (line.partition("\t") for line in listing.split("\0") if line)
        return {path: (said[:6], said.rpartition(" ")[2]) for said, _, path in entries}

    def _find_behind(self, path: str) -> Held | None:
        at, touched, rest = "", list[str](), path.split("/")[::-1]
        while rest:
            part = rest.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                if not at:
                    return None
                at = posixpath.dirname(at)
                continue
            at = posixpath.join(at, part)
            mode, name = self._entries.get(at, ("", ""))
            if mode == _SUBMODULE:
                held = self._in_submodule(at, name, "/".join(rest[::-1]))
                return held and replace(held, touched=(*touched, at))
            if mode == _LINK:
                touched.append(at)
                target = self._target(name)
                if len(touched) > _MOST_LINKS or target.startswith("/"):
                    return None
                rest += target.split("/")[::-1]
                at = posixpath.dirname(at)
            elif mode:
                return None if rest else Held(name, mode == _EXECUTABLE, self, at, (*touched, at))
        return None

    def _in_submodule(self, folder: str, revision: str, path: str) -> Held | None:
        if folder not in self._submodules:
            self._submodules[folder] = Commit(Git(self._git.folder / folder), revision)
        try:
            return self._submodules[folder].find(path)
        except GitError:
            return None

    def _target(self, link: str) -> str:
        return os.fsdecode(self._git.read("cat-file", "blob", link))


def _attributes(values: Mapping[str, str]) -> Attributes:
    text, ends = values["text"], {values["eol"], values["crlf"]} - _NONE
    others = {name: value for name, value in values.items() if name in _CONVERSIONS and value not in _NONE}
    return Attributes(
        is_text=text in {"set", "auto"} or (text == "unspecified" and bool(ends)),
        filter=others.pop("filter", None) or next(iter(others), None),
    )
