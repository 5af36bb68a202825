"""Says where a catalogue and the Dockerfiles that it was adopted from have come apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from carbide_infra.adoption.survey import resolved
from carbide_infra.adoption.told import Adopted
from carbide_infra.catalogue.loading import Catalogue, load_catalogue
from carbide_infra.catalogue.model import Image

# What a Dockerfile and an entry both say: field of an image → key of the language.
_FIELDS = {
    "binaries": "binaries",
    "entrypoint": "entrypoint",
    "command": "command",
    "ports": "ports",
    "health": "health",
    "user": "user",
    "workdir": "workdir",
    "files": "files",
    "folders": "folders",
    "environment": "environment",
    "provides": "provides",
    "labels": "labels",
    "base": "base",
    "builder": "builder",
    "stop_signal": "stopSignal",
}


@dataclass(frozen=True)
class Difference:
    """One value of an image that the two do not agree on.

    Attributes:
        image: the image.
        key: in the catalogue.
        mine: place and value in the catalogue.
        theirs: place and value in the Dockerfile.
    """

    image: str
    key: str
    mine: tuple[str, str]
    theirs: tuple[str, str]

    def __str__(self) -> str:
        """As one line."""
        (here, value), (there, other) = self.mine, self.theirs
        return f"{self.image}: {self.key} = {value} in {here}, and {other} in {there}"


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        differences: what does not agree.
        compared: the images that were.
        not_compared: a sentence for each image that has a Dockerfile, and an entry, and cannot be compared.
    """

    differences: tuple[Difference, ...]
    compared: tuple[str, ...]
    not_compared: tuple[str, ...]


def compared(file: Path, name: str, found: Sequence[Adopted]) -> Comparison:
    """Compare a catalogue with what its repository's Dockerfiles say today.

    Args:
        file: the catalogue.
        name: how messages name it.
        found: the images of the Dockerfiles.

    Raises:
        CatalogueError: the catalogue cannot be read.
    """
    catalogue = load_catalogue(file, name)
    own = {image.name: image for image in catalogue.images}
    both = [image for image in found if image.name in own and own[image.name].kept is None]
    unsayable = [image for image in both if image.is_kept]
    there = [image for image in both if not image.is_kept]
    read = {image.name: image for image in resolved(there)} if there else {}
    differences = [
        difference
        for image in there
        for difference in _differences(catalogue, own[image.name], read[image.name], image)
    ]
    return Comparison(
        tuple(differences),
        tuple(image.name for image in there),
        tuple(f"{image.name}: is not compared, for {image.unsayable[0]}" for image in unsayable if image.unsayable),
    )


def _differences(catalogue: Catalogue, mine: Image, theirs: Image, found: Adopted) -> Iterator[Difference]:
    for field, key in _FIELDS.items():
        here, there = _comparable(field, getattr(mine, field)), _comparable(field, getattr(theirs, field))
        if here != there:
            written = "package" if key == "binaries" and "package" in found.entry else key
            place = catalogue.problem(mine.name, (written,), "").where
            said = found.entry.get(written)
            yield Difference(
                mine.name,
                written,
                (place, _short(here)),
                (said.where if said and said.where else found.file, _short(there)),
            )


def _comparable(field: str, value: Any) -> Any:  # noqa: ANN401 - any field
    """Without what a person may add, and no Dockerfile says: digests, names of ports."""
    if field in {"base", "builder"}:
        return str(value).partition("@")[0]
    if field == "ports":
        return sorted(value.values())
    if field in {"environment", "labels"}:
        return dict(sorted(value.items()))
    if field == "provides":
        return sorted(value)
    if field in {"files", "folders"}:
        return sorted((_plain(each) for each in value), key=str)
    return _plain(value)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any field
    if isinstance(value, BaseModel):
        return {key: each for key, each in value.model_dump(mode="json").items() if key not in {"kind", "index"}}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _short(value: Any) -> str:  # noqa: ANN401 - any field
    text = str(value)
    return text if len(text) <= 100 else f"{text[:99]}…"  # noqa: PLR2004
