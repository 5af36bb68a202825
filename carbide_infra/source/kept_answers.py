"""Answers kept in the user's cache folder: each is derived from something else, and may be lost at any time."""

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

_UNUSED_SECONDS = 30 * 86400
_TOUCHED_SECONDS = 86400


def load(path: Path) -> dict[str, Any]:
    """What was saved; empty when there is nothing, or nothing whole."""
    try:
        checksum, _, body = path.read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() == checksum:
            content = json.loads(body)
            _mark_as_used(path)
            return content if isinstance(content, dict) else {}
    except (OSError, ValueError):
        pass
    return {}


def save(path: Path, content: dict[str, Any]) -> None:
    """Write at once or not at all: another process may read or write the same file, and a cache may be lost."""
    body = json.dumps(content, separators=(",", ":")).encode()
    with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as stream:
        try:
            _fill(stream.file, (hashlib.sha256(body).hexdigest().encode(), b"\n", body))
            Path(stream.name).replace(path)
        except OSError:
            Path(stream.name).unlink()


def remove_unused(folder: Path, prefixes: Iterable[str]) -> None:
    """Remove the answers that nobody has read for a month."""
    oldest = time.time() - _UNUSED_SECONDS
    for prefix in prefixes:
        for file in folder.glob(f"{prefix}*"):
            with contextlib.suppress(OSError):
                if file.stat().st_mtime < oldest:
                    file.unlink()


def _mark_as_used(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.stat().st_mtime < time.time() - _TOUCHED_SECONDS:
            os.utime(path)


def _fill(stream: IO[bytes], parts: Iterable[bytes]) -> None:
    for part in parts:
        stream.write(part)
    stream.flush()
