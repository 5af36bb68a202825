"""Small files that a checkout keeps between runs: replaced in one step, read without trust."""

import json
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

PRIVATE_UMASK = 0o077
"""Of programs that write into the folders of ours."""

_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


def make_private(folder: Path) -> Path:
    """Give a folder that nobody but its owner can enter, whatever the umask: made, or tightened where it is there."""
    for missing in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
        # Under a umask of 000, a folder above that others may write to would let them put another in its place.
        missing.mkdir(exist_ok=True, mode=_FOLDER_MODE)
        missing.chmod(_FOLDER_MODE)
    if stat.S_IMODE(folder.stat().st_mode) != _FOLDER_MODE:
        # That of another owner is for its owner to tighten.
        with suppress(PermissionError):
            folder.chmod(_FOLDER_MODE)
    return folder


def write_text(path: Path, text: str) -> None:
    """Replace a file all at once: a reader, or a run after a power cut, finds the old or the new text.

    Nobody but its owner can read it.
    """
    if not path.parent.is_dir():
        make_private(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), _FILE_MODE)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def read_text(path: Path) -> str:
    """Give a file's text; nothing when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def write_json(path: Path, value: object) -> None:
    """Replace a file by a value's JSON."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Give a JSON object; an empty one when the file is missing, damaged or something else."""
    with suppress(ValueError, RecursionError):
        value = json.loads(read_text(path))
        if isinstance(value, dict):
            return value
    return {}
