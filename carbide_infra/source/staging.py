"""Stages build contexts: folders that hold exactly an image's inputs, the same on every machine."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.errors import UserError
from carbide_infra.source.inputs import InputFile, Inputs

UNUSED_SECONDS = 7 * 24 * 3600
"""After this time without a run that staged it, a context may go; no build lasts as long."""

_CHUNK = 1 << 20
_FORMAT = 2
_MANIFEST = ".manifest.json"
_DOCKERFILE = ".dockerfile"
_LOCK = ".staging.lock"
_HALF = ".staging-"  # begins the names of folders that are not, or no longer, a context
_FOLDER_MODE = 0o755
_FILE_MODES = {False: 0o644, True: 0o755}
_FOLDER_TIME = (0, 0)
# File times lie in the years 1980 to 1997: after what zip can hold, before any SOURCE_DATE_EPOCH.
_FIRST_SECOND = 315_532_800
_SECONDS = 1 << 29
_BILLION = 1_000_000_000
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# BuildKit and the provider obey the .dockerignore beside a Dockerfile, or else the one at the context's root, which
# may be an input like any other. An empty file would not count as one.
_IGNORES_NOTHING = "# The build context holds exactly the image's inputs: nothing is ignored.\n"


class StagingError(UserError):
    """A context could not be staged; nothing half-done is in its place. The message says what to do."""


@dataclass(frozen=True)
class Place:
    """Where an image's build context is staged; the same content always has the same place.

    Attributes:
        contexts: the folder of all contexts.
        image: the image's name.
        key: its build key.
    """

    contexts: Path
    image: str
    key: str

    @property
    def context(self) -> Path:
        """The folder that is sent to the builder."""
        return self.contexts / self.image / self.key

    @property
    def dockerfile(self) -> Path:
        """The Dockerfile, outside the context: it is no input of its own build."""
        return self.context.with_name(f"{self.key}{_DOCKERFILE}") / f"Dockerfile.{self.image}"

    def below(self, folder: Path) -> "Place":
        """The same place, with its path from elsewhere."""
        return Place(folder / self.contexts, self.image, self.key)


def stage(root: Path, inputs: Inputs, dockerfile: str, place: Place) -> None:
    """Make the context hold exactly the inputs, beside its Dockerfile, and do nothing where that is so.

    Modes are 0644 and 0755 under any umask. A context appears in one step, when it is complete, and then stays as it
    is: what a build reads cannot be swapped under it. After a crash in between, the next call puts it right.

    Args:
        root: the tree that `inputs` were found in.
        inputs: what to stage.
        dockerfile: the Dockerfile's text.
        place: where; its key names inputs and Dockerfile.

    Raises:
        StagingError: a file changed, vanished or is unreadable; no room; the folder cannot be written.
    """
    with _reported(place.context), _locked(place.contexts):
        if _is_current(inputs, dockerfile, place):
            os.utime(_manifest(place.context))  # in use: see collect_garbage
            return
        parent = place.context.parent
        parent.mkdir(exist_ok=True)
        _sweep(parent)
        try:
            fresh = Path(tempfile.mkdtemp(prefix=_HALF, dir=parent))
            _fill(root, inputs, fresh / "context")
            _write_dockerfile(dockerfile, place.dockerfile.name, fresh / "dockerfile")
            _put(fresh, _described(inputs, dockerfile, fresh / "context"), place)
        finally:
            _sweep(parent)


def collect_garbage(contexts: Path) -> None:
    """Remove the contexts that no run has staged for seven days, and what a crash left behind.

    Only what `stage` made is removed, by an earlier version too: a folder without a manifest beside it is
    somebody else's.

    Raises:
        StagingError: a folder cannot be removed.
    """
    if not contexts.is_dir():
        return
    with _reported(contexts), _locked(contexts):
        for parent in filter(Path.is_dir, contexts.iterdir()):
            if not (parent / _LOCK).exists():  # else it is an earlier version's, which may be at work in it
                _sweep(parent)
            for manifest in parent.glob(f"*{_MANIFEST}"):
                if time.time() - manifest.stat().st_mtime > UNUSED_SECONDS:
                    _discard(manifest)
            if all(path.name == _LOCK or path.name.startswith(_HALF) for path in parent.iterdir()):
                _remove(parent)


def _discard(manifest: Path) -> None:
    """Remove a context; it is gone at once, not bit by bit."""
    context = manifest.with_name(manifest.name.removesuffix(_MANIFEST))
    aside = Path(tempfile.mkdtemp(prefix=_HALF, dir=manifest.parent))
    for path in (context, context.with_name(f"{context.name}{_DOCKERFILE}")):
        if path.is_symlink() or path.exists():
            path.rename(aside / path.name)
    manifest.unlink()
    _remove(aside)


def _sweep(parent: Path) -> None:
    """Remove half-made folders: under the lock, nobody is making one."""
    for half in parent.glob(f"{_HALF}*"):
        if half.name != _LOCK:
            _remove(half)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        _open(path)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _open(path: Path) -> None:
    """Let its owner into each folder: somebody's chmod must not keep the next call from repairing it."""
    path.chmod(_FOLDER_MODE)
    for folder, below, _ in os.walk(path):
        for each in (Path(folder, name) for name in below):
            if not each.is_symlink():
                each.chmod(_FOLDER_MODE)


@contextlib.contextmanager
def _locked(contexts: Path) -> Iterator[None]:
    contexts.mkdir(parents=True, exist_ok=True)
    with (contexts / _LOCK).open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when closed, also by a crash
        yield


@contextlib.contextmanager
def _reported(destination: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            msg = f"no room to stage the build context {destination} ({error.strerror}): free disk space and run again"
        else:
            msg = f"build context {destination} cannot be staged: {error.filename or 'write'}: {error.strerror}"
        raise StagingError(msg) from error


# ---- Filling a fresh folder.


def _fill(root: Path, inputs: Inputs, folder: Path) -> None:
    (folder / inputs.folder).mkdir(parents=True)
    for file in inputs.files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(root, file, target)
    _set_folders(folder)


def _set_folders(folder: Path) -> None:
    for path, _, _ in os.walk(folder):
        Path(path).chmod(_FOLDER_MODE)
        os.utime(path, _FOLDER_TIME)


def _write_dockerfile(text: str, name: str, folder: Path) -> None:
    folder.mkdir()
    for path, content in _dockerfile_folder(text, name).items():
        (folder / path).write_bytes(content)
        (folder / path).chmod(_FILE_MODES[False])
    _set_folders(folder)


def _dockerfile_folder(text: str, name: str) -> dict[str, bytes]:
    return {name: text.encode(), f"{name}.dockerignore": _IGNORES_NOTHING.encode()}


def _copy(root: Path, file: InputFile, target: Path) -> None:
    if file.content is not None and hashlib.sha256(file.content).hexdigest() == file.sha256:
        target.write_bytes(file.content)
    elif _copied(root, file, target) != file.sha256:
        msg = f"{file.path} changed while its build context was being staged; run again when the tree is quiet"
        raise StagingError(msg)
    target.chmod(_FILE_MODES[file.executable])
    os.utime(target, ns=(_time_of(file), _time_of(file)))


def _copied(root: Path, file: InputFile, target: Path) -> str:
    """Copy a file of the tree; gives the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    with target.open("xb") as copy:
        for chunk in _content(root, file):
            digest.update(chunk)
            copy.write(chunk)
    return digest.hexdigest()


def _content(root: Path, file: InputFile) -> Iterator[bytes]:
    with _opened(root, file) as source:
        while chunk := os.read(source, _CHUNK):
            yield chunk


@contextlib.contextmanager
def _opened(root: Path, file: InputFile) -> Iterator[int]:
    try:
        # Without NONBLOCK, opening a named pipe that took the file's place would wait for ever.
        descriptor = os.open(root / file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        msg = f"{file.path} was removed while its build context was being staged; run again when the tree is quiet"
        raise StagingError(msg) from error
    except PermissionError as error:
        msg = f"{file.path} cannot be read ({error.strerror}); run chmod u+r on it, or as its owner"
        raise StagingError(msg) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _time_of(file: InputFile) -> int:
    """A modification time, in nanoseconds, that follows from the content alone.

    BuildKit sends a context's file only if its size, mode or time differs from the copy that the builder kept of the
    last build (fsutil's DiffMetadata). With one constant time, an edit that keeps the size would build the old content.
    """
    content = bytes.fromhex(file.sha256)
    second = _FIRST_SECOND + int.from_bytes(content[:8], "big") % _SECONDS
    return second * _BILLION + int.from_bytes(content[8:16], "big") % _BILLION


# ---- Putting it in place.


def _put(fresh: Path, description: str, place: Place) -> None:
    """Move what is ready to its place; the context comes last, so that it is complete when it appears."""
    dockerfile, manifest = place.dockerfile.parent, _manifest(place.context)
    # Whatever is there is not as it was staged: somebody else's doing, or half of an earlier call's.
    for number, path in enumerate((manifest, place.context, dockerfile)):
        if path.is_symlink() or path.exists():
            path.rename(fresh / f"old-{number}")
    (fresh / "dockerfile").rename(dockerfile)
    (fresh / manifest.name).write_text(description, encoding="utf-8")
    (fresh / manifest.name).rename(manifest)
    (fresh / "context").rename(place.context)


def _manifest(context: Path) -> Path:
    # Outside the folder, or it would be part of the context.
    return context.with_name(f"{context.name}{_MANIFEST}")


def _described(inputs: Inputs, dockerfile: str, folder: Path) -> str:
    files = [[file.path, file.executable, file.sha256, (folder / file.path).stat().st_size] for file in inputs.files]
    return json.dumps({"format": _FORMAT, "files": files, "dockerfile": dockerfile})


# ---- Is there anything to do?


def _is_current(inputs: Inputs, dockerfile: str, place: Place) -> bool:
    """The manifest names these inputs, and the folder still looks like it: nobody edited or cleaned it by hand."""
    try:
        manifest = json.loads(_manifest(place.context).read_text(encoding="utf-8"))
        staged = {path: (executable, sha256) for path, executable, sha256, _ in manifest["files"]}
        sizes = {path: size for path, _, _, size in manifest["files"]}
        if (manifest["format"], manifest["dockerfile"]) != (_FORMAT, dockerfile) or place.context.is_symlink():
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if staged != {file.path: (file.executable, file.sha256) for file in inputs.files}:
        return False
    expected = {file.path: _look(file, sizes[file.path]) for file in inputs.files}
    if dict(_looks(place.context, "")) != {**expected, **_folders(inputs)}:
        return False
    return _contents(place.dockerfile.parent) == _dockerfile_folder(dockerfile, place.dockerfile.name)


def _contents(folder: Path) -> Mapping[str, bytes]:
    """The files of a small folder; nothing where it is not one of files alone."""
    try:
        return {path.name: path.read_bytes() for path in folder.iterdir() if not path.is_symlink()}
    except OSError:
        return {}


_Look = tuple[int, int, int]  # type and mode, size, time; a folder's size and time mean nothing
_FOLDER = (stat.S_IFDIR | _FOLDER_MODE, 0, 0)


def _look(file: InputFile, size: int) -> _Look:
    return (stat.S_IFREG | _FILE_MODES[file.executable], size, _time_of(file))


def _folders(inputs: Inputs) -> dict[str, _Look]:
    above = {str(folder) for file in inputs.files for folder in Path(file.path).parents}
    seen = {str(folder) for folder in (Path(inputs.folder), *Path(inputs.folder).parents)}
    return {("" if folder == "." else folder): _FOLDER for folder in above | seen | {"."}}


def _looks(destination: Path, folder: str) -> Iterator[tuple[str, _Look]]:
    """What is on disk, from names and stat alone: contents are not read."""
    try:
        if folder == "":
            yield "", (destination.stat().st_mode, 0, 0)
        with os.scandir(destination / folder) as entries:
            for entry in entries:
                name = f"{folder}{entry.name}"
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    yield name, (found.st_mode, 0, 0)
                    yield from _looks(destination, f"{name}/")
                else:
                    yield name, (found.st_mode, found.st_size, found.st_mtime_ns)
    except OSError:
        yield folder, (0, 0, 0)  # cannot be looked at, so it is not as staged
