"""Import paths: through which packages a main package comes to one of its files."""

import json
import os
import shutil
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

_SECONDS = 60
# Nothing is fetched: packages outside the tree lead to no file of it.
_OFFLINE = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOWORK": "off", "GOTOOLCHAIN": "local"}


@dataclass(frozen=True)
class Imports:
    """Who imports whom in a source tree, folder by folder.

    Attributes:
        folders: each package's folder, relative to the root, and those of the packages that it imports.
    """

    folders: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def path(self, package: str, file: str) -> list[str]:
        """The shortest way from a main package's folder to that of a file; empty where there is none."""
        goal = self._package_of(file)
        start = str(PurePosixPath(package))
        before: dict[str, str | None] = {start: None}
        waiting = deque([start])
        while waiting and goal:
            here = waiting.popleft()
            if here == goal:
                return _unwound(before, here)
            for there in self.folders.get(here, ()):
                if there not in before:
                    before[there] = here
                    waiting.append(there)
        return []

    def _package_of(self, file: str) -> str | None:
        """The folder of the package that compiles or embeds a file: the nearest one above it."""
        above = (str(folder) for folder in PurePosixPath(file).parents)
        return next((folder for folder in above if folder in self.folders and folder != "."), None)


def imports_of(root: Path, packages: Sequence[str], platform: str) -> Imports:
    """Ask Go who imports whom, for one platform; nobody, where Go does not tell."""
    go = shutil.which("go")
    if go is None:
        return Imports()
    system, architecture, *_ = platform.split("/")
    environment = os.environ | _OFFLINE | {"GOOS": system, "GOARCH": architecture}
    command = [go, "list", "-e", "-deps", "-json=Dir,ImportPath,Imports", *packages]
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=True, timeout=_SECONDS
        )
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return Imports()
    return _read(done.stdout, root.resolve())


def _read(listing: str, root: Path) -> Imports:
    folders: dict[str, str] = {}
    imports: dict[str, list[str]] = {}
    decoder = json.JSONDecoder()
    rest = listing.strip()
    while rest:
        entry, end = decoder.raw_decode(rest)
        rest = rest[end:].lstrip()
        folder = Path(entry.get("Dir") or os.devnull)
        if folder.is_relative_to(root):
            folders[entry["ImportPath"]] = folder.relative_to(root).as_posix()
            imports[entry["ImportPath"]] = entry.get("Imports") or []
    return Imports({folders[name]: [folders[each] for each in imports[name] if each in folders] for name in folders})


def _unwound(before: Mapping[str, str | None], last: str) -> list[str]:
    path: list[str] = []
    step: str | None = last
    while step is not None:
        path.append(step)
        step = before[step]
    return path[::-1]
