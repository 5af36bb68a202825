"""What follows from the catalogue: the Dockerfiles, the language's JSON Schema, and tables of the images."""

from collections.abc import Mapping
from pathlib import Path

from carbide_infra.catalogue import schema
from carbide_infra.catalogue.generate import CATALOGUE, generated, left_over
from carbide_infra.catalogue.loading import load_catalogue
from carbide_infra.catalogue.model import Image
from tools.generate.regions import NONE, between_markers, prose, table

_MEGABYTE = 10**6
_HEADS = ("Image (`Dockerfile.<image>`)", "What it is", "Go package", "Listens on", "Compressed, at most")


def dockerfiles(project: Path) -> Mapping[Path, str | None]:
    """A Dockerfile for each image; one that was generated for an image of before goes."""
    catalogue = project / CATALOGUE
    wanted = generated(catalogue)
    return dict.fromkeys(left_over(wanted, catalogue.parent)) | wanted


def json_schema(_: Path) -> Mapping[Path, str]:
    """The catalogue's language, for editors."""
    return {schema.FILE: schema.schema()}


def tables(project: Path) -> Mapping[Path, str]:
    """The pages that list all images."""
    file = project / "docker/production/README.md"
    text = table(_HEADS, (_row(image) for image in _images(project)))
    return {file: between_markers(file.read_text(encoding="utf-8"), "images", text)}


def _images(project: Path) -> tuple[Image, ...]:
    return tuple(load_catalogue(project / CATALOGUE).images)


def _row(image: Image) -> tuple[str, ...]:
    packages = ", ".join(f"`{binary.package}`" for binary in image.binaries)
    return (
        image.name,
        prose(image.description or image.title or ""),
        packages,
        ", ".join(str(port) for port in image.ports.values()) or NONE,
        f"{image.size_budget // _MEGABYTE} MB" if image.size_budget else NONE,
    )
