"""Writes new files all or none: nothing that is there is touched, and nothing is left behind by half."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from carbide_infra.errors import CommandError


def write_new(root: Path, texts: Mapping[str, str]) -> list[str]:
    """Write files that are not there yet.

    Args:
        root: the folder that they are relative to.
        texts: by path.

    Returns:
        The paths of those that were written.

    Raises:
        CommandError: one cannot be written; then none is there.
    """
    new = {path: text for path, text in texts.items() if not os.path.lexists(root / path)}
    with contextlib.ExitStack() as undo:
        try:
            for path in new:
                _make_folder(root, root / path, undo)
            staged = {path: _staged(root / path, text, undo) for path, text in new.items()}
            for path, file in staged.items():
                _appear(file, root / path, undo)
        except OSError as error:
            where = os.path.relpath(error.filename, root) if error.filename else "a file"
            msg = f"{where} cannot be written: {error.strerror}; nothing was"
            raise CommandError(msg) from error
        undo.pop_all()
    for file in staged.values():
        file.unlink(missing_ok=True)
    return list(new)


def _make_folder(root: Path, path: Path, undo: contextlib.ExitStack) -> None:
    if not Path(os.path.realpath(path.parent)).is_relative_to(root.resolve()):
        msg = f"{path.parent.relative_to(root)} leads out of {root}; put a folder in its place"
        raise CommandError(msg)
    missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir()
        undo.callback(_quietly, folder.rmdir)


def _staged(path: Path, text: str, undo: contextlib.ExitStack) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    undo.callback(_quietly, Path(name).unlink)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o666 & ~_umask())
        file.write(text)
    return Path(name)


def _appear(staged: Path, path: Path, undo: contextlib.ExitStack) -> None:
    """All at once, and only where nothing has appeared meanwhile."""
    path.hardlink_to(staged)
    undo.callback(_quietly, path.unlink)


def _umask() -> int:
    before = os.umask(0o022)
    os.umask(before)
    return before


def _quietly(action: Callable[[], object]) -> None:
    with contextlib.suppress(OSError):
        action()
