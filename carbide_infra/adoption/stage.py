"""One stage of a Dockerfile: what stands where at its end, and how its processes run."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from carbide_infra.adoption.accounts import Accounts
from carbide_infra.adoption.go_list import Packages
from carbide_infra.adoption.pieces import Built, Empty, FromTree, Placed
from carbide_infra.adoption.told import Said, Unsayable
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.catalogue.bases import NOTHING
from carbide_infra.source.kept.ignoring import Ignored

if TYPE_CHECKING:
    import dockerfile

_FOLDERS = frozenset(
    {
        *("/", "/bin", "/sbin", "/lib", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share", "/usr/local"),
        *("/usr/local/bin", "/usr/local/sbin", "/etc", "/etc/ssl", "/etc/ssl/certs", "/home", "/opt", "/root", "/var"),
        *("/var/lib", "/tmp"),  # noqa: S108 - a place in an image
    }
)


@dataclass(frozen=True)
class Context:
    """What a Dockerfile is read with.

    Attributes:
        files: of the source tree.
        packages: of it.
        file: the Dockerfile.
        folder: its context.
        ignored: what its .dockerignore leaves out, relative to the context.
        arguments: its build arguments.
    """

    files: TreeFiles
    packages: Packages
    file: str
    folder: str
    ignored: Ignored
    arguments: Mapping[str, str]

    def where(self, line: int) -> str:
        """How a message names a line."""
        return f"{self.file}:{line}"

    def in_tree(self, path: str) -> str:
        """A path of the context, relative to the source root; as to BuildKit, nothing leads out of the context."""
        return posixpath.normpath(posixpath.join(self.folder, posixpath.normpath(f"/{path}").lstrip("/")))


@dataclass
class Stage:
    """One stage, and what is known at its end.

    Attributes:
        name: of the stage; empty for none.
        base: the image that it and its parents stand on; None where that is not known.
        builder: where `base` is said.
        unsayable: what no entry can say, if this stage is the image.
        unknown: commands whose effect on files is not read here: by line.
    """

    name: str
    start: "dockerfile.Command"
    commands: list["dockerfile.Command"] = field(default_factory=list)
    is_read: bool = False
    base: Said | None = None
    known: dict[str, str | None] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)
    written: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    workdir: Said | None = None
    folders: dict[str, int] = field(default_factory=dict)
    environment: dict[str, Said] = field(default_factory=dict)
    labels: dict[str, Said] = field(default_factory=dict)
    placed: list[Placed] = field(default_factory=list)
    accounts: Accounts = field(default_factory=Accounts)
    installed: dict[str, int] = field(default_factory=dict)
    ports: dict[int, Said] = field(default_factory=dict)
    user: Said | None = None
    entrypoint: Said | None = None
    command: Said | None = None
    has_own_command: bool = False
    health: Said | None = None
    stop_signal: Said | None = None
    unsayable: list[Unsayable] = field(default_factory=list)
    unknown: dict[int, str] = field(default_factory=dict)
    made_code: dict[int, str] = field(default_factory=dict)
    secrets: dict[str, int] = field(default_factory=dict)
    runs: dict[int, str] = field(default_factory=dict)

    @property
    def builds(self) -> int:
        """How many binaries of the source tree were made in it."""
        return sum(isinstance(placed.piece, Built) for placed in self.placed)

    def place(self, path: str) -> str:
        """An absolute path of this stage."""
        return posixpath.normpath(posixpath.join(self.folder, path))

    def is_folder(self, place: str) -> bool:
        """Whether something is known to be a folder here."""
        if place in self.folders or (place in _FOLDERS and self.base is not None and self.base.value != NOTHING):
            return True
        return any(each.place.startswith(f"{place}/") for each in self.placed)

    def found(self, place: str, files: TreeFiles) -> list[Placed]:
        """What stands at a place, and below it."""
        below = {each.place: each for each in self.placed if each.place.startswith(f"{place.rstrip('/')}/")}
        # A folder that is made hides nothing of what was there.
        empty = [each for each in self.placed if each.place == place and isinstance(each.piece, Empty)][-1:]
        for each in reversed(self.placed):
            if isinstance(each.piece, Empty):
                continue
            if each.place == place:
                return [each, *below.values()]
            if isinstance(each.piece, FromTree) and place.startswith(f"{each.place.rstrip('/')}/"):
                path = posixpath.normpath(f"{each.piece.path}/{posixpath.relpath(place, each.place)}")
                if files.is_file(path) or files.is_folder(path):
                    piece = FromTree(path)
                    return [Placed(place, piece, each.line, each.mode, each.owner), *below.values()]
        return [*empty, *below.values()]

    def source_of(self, place: str, files: TreeFiles) -> str | None:
        """The file or folder of the source tree at a place."""
        there = [(each.place, each.piece.path) for each in self.found(place, files) if isinstance(each.piece, FromTree)]
        for found, path in there:
            inner = found.removeprefix(place).lstrip("/")
            # A folder into which its files were copied one by one, each to its own place.
            if not inner or path == inner or path.endswith(f"/{inner}"):
                return posixpath.normpath(path.removesuffix(inner) or ".") if inner else path
        return None

    def note(self, where: str, what: str, do: str) -> None:
        """Something that no entry can say."""
        self.unsayable.append(Unsayable(where, what, do))


def inherit(stage: Stage, parent: Stage) -> None:
    """Begin a stage as its parent ended."""
    stage.base, stage.folder, stage.workdir = parent.base, parent.folder, parent.workdir
    for name in (
        "known",
        "folders",
        "environment",
        "labels",
        "installed",
        "ports",
        "unknown",
        "made_code",
        "runs",
        "written",
    ):
        setattr(stage, name, dict(getattr(parent, name)))
    stage.fixed, stage.placed = set(parent.fixed), list(parent.placed)
    stage.accounts, stage.unsayable = parent.accounts.copied(), [*parent.unsayable, *stage.unsayable]
    stage.user, stage.entrypoint, stage.command = parent.user, parent.entrypoint, parent.command
    stage.health, stage.stop_signal, stage.secrets = parent.health, parent.stop_signal, dict(parent.secrets)
