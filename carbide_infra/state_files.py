"""Small files that a checkout keeps between runs: replaced in one step, read without trust."""

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file all at once: a reader, or a run after a power cut, finds the old or the new text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
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
    with suppress(ValueError):
        value = json.loads(read_text(path))
        if isinstance(value, dict):
            return value
    return {}
