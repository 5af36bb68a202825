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
from collections.abc import Collection, Iterator
from pathlib import Path

from carbide_infra.source.inputs import InputFile, Inputs

_CHUNK = 1 << 20
_FORMAT = 1
_MANIFEST = ".manifest.json"
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


class StagingError(Exception):
    """A context could not be staged; the folder holds what it held before. The message says what to do."""


def stage(root: Path, inputs: Inputs, destination: Path) -> None:
    """Make `destination` hold exactly the inputs, and do nothing where it already does.

    Modes are 0644 and 0755 under any umask. The folder changes in one step: a reader sees the old or the new content,
    and after a crash in between the next call puts it right.

    Args:
        root: the tree that `inputs` were found in.
        inputs: what to stage.
        destination: the context folder, in a parent folder that is used for contexts only.

    Raises:
        StagingError: a file changed, vanished or is unreadable; no room; the folder cannot be written.
    """
    with _reported(destination), _locked(destination.parent):
        _sweep(destination.parent)
        if _is_current(inputs, destination):
            return
        fresh = Path(tempfile.mkdtemp(prefix=_HALF, dir=destination.parent))
        try:
            _fill(root, inputs, fresh)
            _swap(fresh, destination)
            _write_manifest(inputs, destination)
        finally:
            _sweep(destination.parent)


def collect_garbage(parent: Path, keep: Collection[str]) -> None:
    """Remove staged contexts whose folder names are not in `keep`, and what a crash left behind.

    Only what `stage` made is removed: a folder without a manifest beside it is somebody else's.

    Raises:
        StagingError: a folder cannot be removed.
    """
    if not parent.is_dir():
        return
    with _reported(parent), _locked(parent):
        _sweep(parent)
        for manifest in parent.glob(f"*{_MANIFEST}"):
            name = manifest.name.removesuffix(_MANIFEST)
            if name not in keep:
                _remove(parent / name)
                manifest.unlink()


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
def _locked(parent: Path) -> Iterator[None]:
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / _LOCK).open("a", encoding="utf-8") as lock:
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
    for file in inputs.files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(root, file, target)
    for path, _, _ in os.walk(folder):
        Path(path).chmod(_FOLDER_MODE)
        os.utime(path, _FOLDER_TIME)


def _copy(root: Path, file: InputFile, target: Path) -> None:
    if file.content is not None:
        target.write_bytes(file.content)
    elif _copied(root, file, target) != file.sha256:
        msg = f"{file.path} changed while its build context was being staged; run again when the tree is quiet"
        raise StagingError(msg)
    target.chmod(_FILE_MODES[file.executable])
    os.utime(target, ns=(_time_of(file), _time_of(file)))


def _copied(root: Path, file: InputFile, target: Path) -> str:
    """Copy a file of the tree; gives the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    with _opened(root, file) as source, target.open("xb") as copy:
        while chunk := os.read(source, _CHUNK):
            digest.update(chunk)
            copy.write(chunk)
    return digest.hexdigest()


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


def _swap(fresh: Path, destination: Path) -> None:
    # The manifest goes first: without one, whatever a crash leaves here is staged again.
    _manifest(destination).unlink(missing_ok=True)
    old = fresh.with_name(f"{fresh.name}-old")
    if destination.is_symlink() or destination.exists():
        destination.rename(old)
    try:
        fresh.rename(destination)
    except BaseException:
        if old.is_symlink() or old.exists():
            old.rename(destination)
        raise


def _manifest(destination: Path) -> Path:
    # Outside the folder, or it would be part of the context.
    return destination.with_name(f"{destination.name}{_MANIFEST}")


def _write_manifest(inputs: Inputs, destination: Path) -> None:
    half = destination.with_name(f"{_HALF}{destination.name}{_MANIFEST}")
    half.write_text(_described(inputs, destination), encoding="utf-8")
    half.replace(_manifest(destination))


def _described(inputs: Inputs, destination: Path) -> str:
    files = [
        [file.path, file.executable, file.sha256, (destination / file.path).stat().st_size] for file in inputs.files
    ]
    return json.dumps({"format": _FORMAT, "files": files})


# ---- Is there anything to do?


def _is_current(inputs: Inputs, destination: Path) -> bool:
    """The manifest names these inputs, and the folder still looks like it: nobody edited or cleaned it by hand."""
    try:
        manifest = json.loads(_manifest(destination).read_text(encoding="utf-8"))
        staged = {path: (executable, sha256) for path, executable, sha256, _ in manifest["files"]}
        sizes = {path: size for path, _, _, size in manifest["files"]}
        if manifest["format"] != _FORMAT or destination.is_symlink():
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if staged != {file.path: (file.executable, file.sha256) for file in inputs.files}:
        return False
    expected = {file.path: _look(file, sizes[file.path]) for file in inputs.files}
    return dict(_looks(destination, "")) == {**expected, **_folders(inputs)}


_Look = tuple[int, int, int]  # type and mode, size, time; a folder's size and time mean nothing
_FOLDER = (stat.S_IFDIR | _FOLDER_MODE, 0, 0)


def _look(file: InputFile, size: int) -> _Look:
    return (stat.S_IFREG | _FILE_MODES[file.executable], size, _time_of(file))


def _folders(inputs: Inputs) -> dict[str, _Look]:
    above = {str(folder) for file in inputs.files for folder in Path(file.path).parents}
    return {("" if folder == "." else folder): _FOLDER for folder in above | {"."}}


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
