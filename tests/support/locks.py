"""Locks that all workers of a test run know."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(file: Path, mode: int) -> Iterator[None]:
    """Hold a lock that all workers know."""
    with file.open("a") as stream:
        fcntl.flock(stream, mode)
        yield
