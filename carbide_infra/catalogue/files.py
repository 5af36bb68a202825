"""Finds the files of a source tree that stand beside an image's binaries."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from carbide_infra.catalogue.model import SourceFile
from carbide_infra.catalogue.values import exclusion_pattern


class FileError(ValueError):
    """A file or folder that cannot stand in an image; the message says which and why."""


def files_of(root: Path, file: SourceFile) -> tuple[str, ...]:
    """The files that it stands for, relative to the root, sorted; a link counts as what it leads to.

    Raises:
        FileError: there is none, or a path leads out of the tree or in a circle.
    """
    excluded = re.compile("|".join(map(exclusion_pattern, file.exclude)) or "(?!)")
    root = root.resolve()
    found = [
        name for name in _below(root, file.source, ()) if not excluded.fullmatch(name.removeprefix(f"{file.source}/"))
    ]
    if not found:
        msg = "has no file that is not excluded" if file.exclude else "has no file in it"
        raise FileError(msg)
    return tuple(sorted(found))


def folder_above(root: Path, folder: str, name: str) -> str | None:
    """The nearest folder at or above one of the tree that holds a file, relative to the root; None where none does."""
    above = [folder, *map(str, Path(folder).parents)]
    return next((each for each in above if (root / each / name).is_file()), None)


def module_of(root: Path, folder: str) -> str | None:
    """The folder of the go.mod that a package of the tree belongs to."""
    return folder_above(root, folder, "go.mod")


def _below(root: Path, name: str, above: tuple[str, ...]) -> Iterator[str]:
    path = root / name
    real = os.path.realpath(path)
    if real != str(root) and not real.startswith(f"{root}/"):
        msg = f"leads out of the source root: {name} is {real}; put a copy in its place"
        raise FileError(msg)
    if not name.isprintable():
        msg = f"has a file with a line end or another control character in its name: {name!r}; rename it"
        raise FileError(msg)
    if path.is_file():
        yield name
    elif path.is_dir():
        if real in above or real == str(root):
            msg = f"leads in a circle: {name} is {real}; remove that link"
            raise FileError(msg)
        for entry in os.listdir(path):  # noqa: PTH208 - names are wanted
            yield from _below(root, f"{name}/{entry}", (*above, real))
    elif not above:
        msg = f"is not there (looked at {path})"
        raise FileError(msg)
    else:
        msg = f"has {name} in it, which is neither a file nor a folder; remove it"
        raise FileError(msg)
