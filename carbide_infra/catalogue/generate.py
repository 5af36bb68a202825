"""Writes what is generated from the catalogue: a Dockerfile for each image, and the language's JSON Schema."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from carbide_infra.catalogue import schema
from carbide_infra.catalogue.loading import load_catalogue
from carbide_infra.catalogue.problems import CatalogueError
from carbide_infra.catalogue.template import GENERATED, render

CATALOGUE = Path("docker/production/services.yaml")


def generated(catalogue: Path) -> dict[Path, str]:
    """Each file that follows from a catalogue, with its text.

    Raises:
        CatalogueError: the catalogue cannot be used.
    """
    images = load_catalogue(catalogue).images
    return {catalogue.with_name(f"Dockerfile.{image.name}"): render(image) for image in images if image.kept is None}


def differences(files: Mapping[Path, str], folder: Path) -> Iterator[str]:
    """A sentence for each file that is not as generated, and for each generated one that nothing asks for."""
    for file, text in files.items():
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            yield f"{file} is not what the catalogue says; run make generate"
    for file in left_over(files, folder):
        yield f"{file} is of no image in the catalogue; run make generate"


def left_over(files: Mapping[Path, str], folder: Path) -> Iterator[Path]:
    """Generated Dockerfiles of images that the catalogue no longer has."""
    for file in sorted(folder.glob("Dockerfile.*")):
        if file not in files and file.read_text(encoding="utf-8").startswith(GENERATED):
            yield file


def write(files: Mapping[Path, str], folder: Path) -> None:
    """Write the files, and remove generated ones that nothing asks for."""
    for file in left_over(files, folder):
        file.unlink()
    for file, text in files.items():
        file.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """`python -m carbide_infra.catalogue.generate [--check]`; 1 where something differs or the catalogue is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--catalogue", type=Path, default=CATALOGUE, help="the catalogue file")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where something differs")
    given = parser.parse_args(arguments)
    try:
        files = generated(given.catalogue) | {schema.FILE: schema.schema()}
    except CatalogueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not given.check:
        write(files, given.catalogue.parent)
        return 0
    found = list(differences(files, given.catalogue.parent))
    sys.stderr.writelines(f"{sentence}\n" for sentence in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
