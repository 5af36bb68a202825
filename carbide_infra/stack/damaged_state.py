"""States in a folder backend that cannot be read any more, and the way back to the one before."""

import gzip
import json
import os
import pwd
import shlex
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

_SCHEME = "file://"
_SUFFIXES = (".json", ".json.gz")


@dataclass(frozen=True)
class DamagedState:
    """A stack's state that is none.

    Attributes:
        file: what holds it.
        earlier: the newest whole one that Pulumi has kept: its copy, or one of the stack's history.
    """

    file: Path
    earlier: Path | None

    @property
    def copy(self) -> Path:
        """What Pulumi keeps of the state before the last change."""
        return _copy_of(self.file)

    @property
    def told(self) -> str:
        """What is so, without a dot at its end."""
        lost = "is damaged, too" if self.copy.exists() else "is missing"
        copy = "is whole" if self.earlier == self.copy else lost
        return f"the state in {self.file} is damaged; Pulumi's copy of the one before, {self.copy}, {copy}"

    def fix(self, update: str) -> str:
        """What to do about it; nothing of it is done unasked.

        Args:
            update: how an update is typed.
        """
        if self.earlier is None:
            return "pulumi stack import --file <a backup of your own>"
        what = "copy it" if self.earlier == self.copy else "copy the newest whole one of its history"
        return f"{what} back, then {update} goes on:\n    {shlex.join(['cp', str(self.earlier), str(self.file)])}"


def damaged_state(backend: str, here: Path, project: str, stack: str) -> DamagedState | None:
    """Give a stack's state where it is damaged; None where it is whole or missing, or the backend is no folder.

    Pulumi takes JSON that is no state for that of a stack without resources, and its next change replaces the copy.

    Args:
        backend: the backend's URL.
        here: the folder that Pulumi runs in.
        project: the name of the project there.
        stack: the stack's name, qualified or not.
    """
    if not stack or not backend.startswith(_SCHEME):
        return None
    owner, name = stack.split("/")[-2:] if "/" in stack else (project, stack)
    if ".." in {owner, name}:
        return None
    root = here / _folder(backend) / ".pulumi"
    file = next((file for file in _places(root, owner, name) if file.is_file()), None)
    if file is None or _is_whole(file):
        return None
    history = sorted((root / "history" / owner / name).glob("*.checkpoint.json*"), reverse=True)
    kept = [_copy_of(file), *(old for old in history if old.suffix == file.suffix)]
    return DamagedState(file, next(filter(_is_whole, kept), None))


def _folder(backend: str) -> Path:
    """The backend's folder, as Pulumi finds it: by the user's home, not by HOME."""
    path = unquote(backend.removeprefix(_SCHEME).partition("?")[0])
    return Path(pwd.getpwuid(os.getuid()).pw_dir + path[1:] if path.startswith("~") else path)


def _places(root: Path, project: str, stack: str) -> Iterator[Path]:
    """Where the state may be: backends of old have no projects."""
    for folder in (root / "stacks" / project, root / "stacks"):
        yield from (folder / f"{stack}{suffix}" for suffix in _SUFFIXES)


def _copy_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.bak")


def _is_whole(file: Path) -> bool:
    try:
        content = file.read_bytes()
        is_packed = ".gz" in file.suffixes
        state = json.loads(gzip.decompress(content) if is_packed else content)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError):
        return False
    return isinstance(state, dict) and isinstance(state.get("checkpoint"), dict)
