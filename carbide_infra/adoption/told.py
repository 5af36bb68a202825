"""What is found out about one image: values with the place that each is from, and what no entry can say."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Said:
    """A value of a catalogue, as YAML has it.

    Attributes:
        value: itself; of a map, each value is a `Said`.
        where: the place that says so: file and line, or a few words.
    """

    value: Any
    where: str = ""


@dataclass(frozen=True)
class Unsayable:
    """What a build file does and no entry can say.

    Attributes:
        where: file and line.
        what: what it does.
        do: what makes an entry possible.
    """

    where: str
    what: str
    do: str

    def __str__(self) -> str:
        """As one line."""
        return f"{self.where}: {self.what}; {self.do}"


@dataclass(frozen=True)
class Adopted:
    """One image.

    Attributes:
        name: of the image.
        file: what it was read from: a Dockerfile, or a .ko.yaml.
        entry: what the catalogue is to say, by key.
        unsayable: why it keeps its Dockerfile; empty where it does not, or is kept because the user said so.
        notes: what a person should look at, each with file and line.
        compiled: main packages of the tree that its Dockerfile builds, whether or not an entry can say so.
    """

    name: str
    file: str
    entry: Mapping[str, Said]
    unsayable: tuple[Unsayable, ...] = ()
    notes: tuple[str, ...] = ()
    compiled: frozenset[str] = frozenset()

    @property
    def is_kept(self) -> bool:
        """Whether it is built by its own Dockerfile."""
        return "dockerfile" in self.entry

    @property
    def packages(self) -> tuple[str, ...]:
        """Its main packages, as folders of the source tree."""
        one = self.entry.get("package")
        several = self.entry.get("binaries")
        named = [one.value] if one else [item.value["package"] for item in several.value] if several else []
        return tuple(package.removeprefix("./") for package in named)

    @property
    def binary_paths(self) -> tuple[str, ...]:
        """Where its binaries are in the image; none of an image that keeps its Dockerfile."""
        several = self.entry.get("binaries")
        if several:
            return tuple(item.value["path"] for item in several.value)
        return tuple(usual_path(package, self.name) for package in self.packages)


def usual_path(package: str, name: str) -> str:
    """Where the only binary of an image is by itself: its package is a folder of the source tree."""
    return f"/app/{name if package == '.' else posixpath.basename(package)}"
