"""What stands where in a stage of a Dockerfile, and where it is from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from carbide_infra.adoption.told import Said


@dataclass(frozen=True)
class FromTree:
    """A file or folder of the source tree, relative to its root, but for what `exclude` matches."""

    path: str
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Built:
    """What a `go build` made.

    Attributes:
        package: folder of the main package, relative to the source root.
        where: file and line of the command.
        said: tags, ldflags, gcflags, symbols, platforms, where the command says them.
        version: what the symbols say of the version's own place; empty where nothing.
        builder: the image that the command runs in.
        notes: what a person should look at.
        folder: that the command runs in.
    """

    package: str
    where: str
    said: Mapping[str, Said] = field(default_factory=dict, hash=False)
    version: Said | None = None
    builder: Said | None = None
    notes: tuple[str, ...] = ()
    folder: str = "/"


@dataclass(frozen=True)
class FromImage:
    """A file of another image."""

    image: str
    path: str


@dataclass(frozen=True)
class Provided:
    """What `provides` of the catalogue gives as well: ca-certificates, timezones."""

    name: str


@dataclass(frozen=True)
class AccountFile:
    """/etc/passwd or /etc/group of another stage."""


@dataclass(frozen=True)
class Empty:
    """A folder that a command made."""


@dataclass(frozen=True)
class Unclear:
    """Something whose making is not read here."""

    what: str
    do: str


Piece = FromTree | Built | FromImage | Provided | AccountFile | Empty | Unclear


@dataclass(frozen=True)
class Placed:
    """A piece at its place.

    Attributes:
        place: absolute, in the stage.
        line: of the Dockerfile.
        mode: four octal digits; empty where nobody says it.
        owner: as the Dockerfile has it; empty for root.
    """

    place: str
    piece: Piece
    line: int
    mode: str = ""
    owner: str = ""
