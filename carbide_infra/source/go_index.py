"""Whether Go's index of packages can be believed: it takes a file of the same name, size and time for the same."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

UNINDEXED = {"GODEBUG": "goindex=0"}
"""What has Go read every file; without its index a listing takes twice as long."""

# Go indexes a folder once its files are so old; whoever hides an edit after that sets a time at least so far back.
_INDEXED_AFTER_NS = 2_000_000_000
# What Go reads of a folder while it lists it.
_CODE = re.compile(r"\.(go|[sSchmF]|cc|cpp|cxx|hh|hpp|hxx|f|for|f90|swig|swigcxx|syso)$")


def variables_for(root: Path) -> dict[str, str]:
    """What a listing of a tree is asked with: without the index where a file of it was given a time of before.

    Writing a file sets both its times, and nobody can set that of its last change: where this is the later one by
    far, as after `cp -p`, `tar` or `touch -d`, an edit may have kept the time that the index knows.
    """
    return UNINDEXED if any(_was_given_a_time(found) for found in _stats(str(root))) else {}


def _was_given_a_time(found: os.stat_result) -> bool:
    return found.st_ctime_ns - found.st_mtime_ns >= _INDEXED_AFTER_NS


def _stats(folder: str) -> Iterator[os.stat_result]:
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in filter(_CODE.search, names):
            with suppress(OSError):
                yield os.stat(f"{path}/{name}")  # noqa: PTH116 - of thousands
