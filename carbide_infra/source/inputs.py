"""Finds the files that an image is made of, so that nothing else can change it."""

import contextlib
import hashlib
import json
import os
import posixpath
import re
import stat
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from carbide_infra.catalogue.files import folder_above, module_of
from carbide_infra.errors import UserError
from carbide_infra.names import WHOLE_TREE
from carbide_infra.source.importgraph import GoUnavailableError, Graph, GraphError, Question, Toolchain

_CHUNK = 1 << 20
_ATTEMPTS = 3
# Coarser than the clock of any file system in use (FAT: 2 s): an edit inside one tick leaves all times as they were.
_RACY_NANOSECONDS = 2_000_000_000
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(/v[0-9.]+)?")
_NEVER_SOURCE = frozenset(
    {".git", ".hg", ".svn", ".local", ".pulumi", ".terraform", ".venv", "__pycache__", "node_modules", "venv"}
)
# A hook runs with GIT_DIR set, a user may ignore files by her own configuration, and a CI container's checkout may
# belong to somebody else: none of that is about the tree.
_GIT = ("git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
_GIT_ENVIRONMENT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}


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
    """

    path: str
    executable: bool
    sha256: str
    size: int

    def __str__(self) -> str:
        """As a line of the record that the state keeps: mode, SHA-256, size, path."""
        return f"{'0755' if self.executable else '0644'} {self.sha256} {self.size} {self.path}"


@dataclass(frozen=True)
class Inputs:
    """All files an image is made of.

    Attributes:
        files: sorted by path.
        fallback: None when exact; else one sentence why the whole tree stands in.
    """

    files: tuple[InputFile, ...]
    fallback: str | None


@dataclass(frozen=True)
class Target:
    """One binary, as far as it decides which Go files are read.

    Attributes:
        package: folder of its main package, like `./api/cmd/api`.
        platforms: like `linux/amd64` or `linux/arm/v7`.
        module: folder of its go.mod; None for the nearest above the package.
        go_version: the Go release whose `go1.N` build tags hold, like `1.25.4`; None for that of the go command.
        tags: further build tags.
    """

    package: str
    platforms: tuple[str, ...]
    module: str | None = None
    go_version: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What an image is made of.

    Attributes:
        targets: its binaries.
        files: further files, relative to the root.
    """

    targets: Sequence[Target]
    files: Sequence[str] = ()


def inputs_of(root: Path, wanted: Mapping[str, Wanted], cache_dir: Path) -> dict[str, Inputs]:
    """What `CGO_ENABLED=0 go build -trimpath <package>` reads from the tree on any of the platforms, and further files.

    Args:
        root: the source root.
        wanted: by image, or by any other name; the keys of the answer.
        cache_dir: where answers are kept; safe to share between processes and to delete.

    Raises:
        InputError: a package is missing, a file cannot be read or lies outside the tree, go.mod is broken.
    """
    root = root.resolve()
    targets = list(dict.fromkeys(target for each in wanted.values() for target in each.targets))
    folders = {target: _folder(root, target.package) for target in targets}
    for target in targets:
        _require_platforms(target.platforms)
    _make_cache(cache_dir)
    tree = _Tree(root, cache_dir)
    try:
        go_files, fallback = _go_files(tree, folders)
        return {
            name: Inputs(
                tuple(tree.file(path) for path in sorted({*each.files, *_union(go_files[t] for t in each.targets)})),
                fallback,
            )
            for name, each in wanted.items()
        }
    except GraphError as error:
        raise InputError(str(error)) from error
    finally:
        tree.remember()


def _union(collections: Iterable[Iterable[str]]) -> set[str]:
    return {item for collection in collections for item in collection}


def _go_files(tree: "_Tree", folders: Mapping[Target, str]) -> tuple[dict[Target, Collection[str]], str | None]:
    """The files of each binary; where Go does not tell, those of the whole tree, and why."""
    try:
        return _exact(tree, folders), None
    except GoUnavailableError as reason:
        fallback = (
            f"Go's import graph is not known because {reason}, so {WHOLE_TREE}: "
            "install Go 1.21 or newer to track each image's own files."
        )
        return dict.fromkeys(folders, _whole(tree)), fallback


def _folder(root: Path, package: str) -> str:
    folder = posixpath.normpath(package)
    if posixpath.isabs(folder) or folder.split("/")[0] == "..":
        msg = f"package {package!r} is not below the source root {root}; write it like ./api/cmd/api"
        raise InputError(msg)
    if not (root / folder).is_dir():
        msg = f"package {package!r}: there is no folder {root / folder}; name a main package of this source tree"
        raise InputError(msg)
    if all(file.name.endswith("_test.go") for file in (root / folder).glob("*.go")):
        msg = f"package {package!r}: no Go files in {root / folder}; name a main package of this source tree"
        raise InputError(msg)
    return folder


def _require_platforms(platforms: Sequence[str]) -> None:
    if not platforms:
        msg = "no target platform is given; name at least one, like linux/amd64"
        raise InputError(msg)
    for platform in platforms:
        if not _PLATFORM.fullmatch(platform):
            msg = f"platform {platform!r} is not understood; write it like linux/amd64 or linux/arm/v7"
            raise InputError(msg)


def _make_cache(cache_dir: Path) -> None:
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cache folder {cache_dir} cannot be made: {error.strerror}; give one that you may write to"
        raise InputError(msg) from error


# ---- Exact: from the import graph.


def _exact(tree: "_Tree", folders: Mapping[Target, str]) -> dict[Target, Collection[str]]:
    toolchain = Toolchain.found()
    groups: dict[Question, dict[Target, str]] = {}
    for target, folder in folders.items():
        groups.setdefault(_question(tree.root, target, folder, toolchain), {})[target] = folder
    found: dict[Target, Collection[str]] = {}
    for question, members in groups.items():
        graph = _current_graph(tree, toolchain, replace(question, packages=tuple(sorted(set(members.values())))))
        found |= {
            target: [graph.files[index] for index in graph.packages[folder]] for target, folder in members.items()
        }
    return found


def _question(root: Path, target: Target, folder: str, toolchain: Toolchain) -> Question:
    """What is asked about a binary, but for the packages: binaries with equal questions are asked about together."""
    module = posixpath.normpath(target.module) if target.module else module_of(root, folder)
    if module is None or not (root / module / "go.mod").is_file():
        where = root / (target.module or target.package)
        msg = f"package {target.package!r} is of no Go module: there is no go.mod in {where}, nor above it in {root}"
        raise InputError(msg)
    return Question(
        root=str(root),
        module=module,
        work=folder_above(root, module, "go.work"),
        packages=(),
        platforms=tuple(sorted(set(target.platforms))),
        go_version=target.go_version or "".join(re.findall(r"1\.\d+", toolchain.version)[:1]),
        tags=tuple(sorted(set(target.tags))),
    )


def _current_graph(tree: "_Tree", toolchain: Toolchain, question: Question) -> Graph:
    kept = tree.cache_dir / f"graph-{question.key()}-{toolchain.version.replace(' ', '_')}.json"
    with contextlib.suppress(TypeError):
        graph = Graph(**_load(kept))
        if tree.agrees_with(graph):
            return graph
    for _ in range(_ATTEMPTS):
        graph = toolchain.read_graph(question, tree.cache_dir)
        # Only a graph of what is still there may be kept: an editor or a checkout may have been at work meanwhile.
        if tree.agrees_with(graph):
            _save(kept, vars(graph))
            return graph
    msg = f"the source tree {tree.root} keeps changing while it is read; let the other program finish and run again"
    raise InputError(msg)


# ---- Fallback: the whole tree.


def _whole(tree: "_Tree") -> Collection[str]:
    own = os.path.relpath(tree.cache_dir.resolve(), tree.root)
    return [name for name in _whole_tree(tree.root) if not (name + "/").startswith(own + "/")]


def _whole_tree(root: Path) -> set[str]:
    listed = _git_files(root) or (entry.name for entry in os.scandir(root) if entry.name not in _NEVER_SOURCE)
    return {file for name in listed for file in _files_below(root, name, _folders_above(root / name))}


def _folders_above(path: Path) -> list[str]:
    holder = Path(os.path.realpath(path.parent))
    return [str(folder) for folder in (holder, *holder.parents)]


def _git_files(root: Path) -> list[str]:
    """Tracked and new files, without ignored ones; empty outside git. The tree's own .gitignore files decide."""
    command = [*_GIT, "-C", str(root), "ls-files", "-z", "-co", "--exclude-per-directory=.gitignore"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(command, env={**clean, **_GIT_ENVIRONMENT}, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [os.fsdecode(name).rstrip("/") for name in done.stdout.split(b"\0") if name]


def _files_below(root: Path, name: str, above: Collection[str]) -> Iterator[str]:
    """Files at or below a name: a folder in git's list is a submodule, another repository or a link to a folder."""
    path, real = root / name, os.path.realpath(root / name)
    if not _within(root, real):
        yield name  # refused later, with the link's name
    elif path.is_file():
        yield name
    elif path.is_dir() and real not in above:  # a link may lead back up
        for entry in os.listdir(path):  # noqa: PTH208
            if entry not in _NEVER_SOURCE:
                yield from _files_below(root, f"{name}/{entry}", (*above, real))


def _within(root: Path, real: str) -> bool:
    return real == str(root) or real.startswith(f"{root}/")


# ---- The tree: what is on disk now, without reading again what is known.


class _Tree:
    """Files of one source tree, with hashes remembered by their stat signature from one run to the next."""

    def __init__(self, root: Path, cache_dir: Path) -> None:
        self.root = root
        self.cache_dir = cache_dir
        self._kept = cache_dir / f"hashes-{hashlib.sha256(os.fsencode(root)).hexdigest()[:24]}.json"
        self._known: dict[str, list[Any]] = _load(self._kept)
        self._changed = False
        self._seen: dict[str, tuple[str, os.stat_result]] = {}
        self._files: dict[str, InputFile] = {}
        self._links: dict[str, str | None] = {"": None}

    def file(self, name: str) -> InputFile:
        """One input.

        Raises:
            InputError: it is unreadable, special, or leads out of the tree.
        """
        if name not in self._files:
            self._require_inside(name)
            digest, found = self._content(name)
            self._files[name] = InputFile(name, bool(found.st_mode & stat.S_IXUSR), digest, found.st_size)
        return self._files[name]

    def agrees_with(self, graph: Graph) -> bool:
        """Everything the graph was derived from is as it was."""
        self._seen.clear()
        return all(self._listing(folder) == names for folder, names in graph.listings.items()) and all(
            self._digest(name) == digest for name, digest in graph.reads.items()
        )

    def remember(self) -> None:
        """Keep the hashes for the next run."""
        if self._changed:
            _save(self._kept, self._known)

    def _require_inside(self, name: str) -> None:
        link = name if self._is_link(name) else self._linked_folder(posixpath.dirname(name))
        if link is None:
            return
        path = self.root / name
        if not _within(self.root, os.path.realpath(path)):
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

    def _digest(self, name: str) -> str | None:
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

    def _listing(self, folder: str) -> dict[str, str] | None:
        try:
            with os.scandir(f"{self.root}/{folder}") as entries:
                return {entry.name: _kind(entry) for entry in entries if _is_text(entry.name)}
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
    """As in main.go: f(ile), d(irectory), o(ther), with an l before it for a symbolic link to one."""
    link = "l" if entry.is_symlink() else ""
    if entry.is_file():
        return f"{link}f"
    return f"{link}d" if entry.is_dir() else f"{link}o"


def _is_text(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _unreadable(name: str, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{name} is missing, or a symbolic link that leads nowhere; restore it or remove the link")
    if isinstance(error, PermissionError):
        return InputError(f"{name} cannot be read: {error.strerror}; run chmod u+r on it, or as its owner")
    return InputError(f"{name} cannot be read: {error.strerror}")


# ---- Files in the cache folder: a checksum, a newline, JSON.


def _load(path: Path) -> dict[str, Any]:
    """What was saved; empty when there is nothing, or nothing whole."""
    try:
        checksum, _, body = path.read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() == checksum:
            content = json.loads(body)
            return content if isinstance(content, dict) else {}
    except (OSError, ValueError):
        pass
    return {}


def _save(path: Path, content: dict[str, Any]) -> None:
    """Write at once or not at all: another process may read or write the same file, and a cache may be lost."""
    body = json.dumps(content, separators=(",", ":")).encode()
    with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as stream:
        try:
            _fill(stream.file, (hashlib.sha256(body).hexdigest().encode(), b"\n", body))
            Path(stream.name).replace(path)
        except OSError:
            Path(stream.name).unlink()


def _fill(stream: Any, parts: Iterable[bytes]) -> None:  # noqa: ANN401
    for part in parts:
        stream.write(part)
    stream.flush()
