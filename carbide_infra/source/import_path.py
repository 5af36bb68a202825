"""Import paths: through which packages a main package comes to one of its files."""

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath


def import_path(imports: Mapping[str, Sequence[str]], package: str, file: str) -> list[str]:
    """The shortest way from a main package's folder to that of a file; empty where there is none.

    Args:
        imports: each package's folder, relative to the root, and those of the packages that it imports.
        package: the main package's folder.
        file: of the package that compiles or embeds it, relative to the root.
    """
    goal = _package_of(imports, file)
    start = str(PurePosixPath(package))
    before: dict[str, str | None] = {start: None}
    waiting = deque([start])
    while waiting and goal:
        here = waiting.popleft()
        if here == goal:
            return _unwound(before, here)
        for there in imports.get(here, ()):
            if there not in before:
                before[there] = here
                waiting.append(there)
    return []


def _package_of(imports: Mapping[str, Sequence[str]], file: str) -> str | None:
    """The folder of the package that compiles or embeds a file: the nearest one above it."""
    above = (str(folder) for folder in PurePosixPath(file).parents)
    return next((folder for folder in above if folder in imports), None)


def _unwound(before: Mapping[str, str | None], last: str) -> list[str]:
    path: list[str] = []
    step: str | None = last
    while step is not None:
        path.append(step)
        step = before[step]
    return path[::-1]
