"""Small catalogues, and what is read from them."""

from pathlib import Path
from textwrap import dedent

import pytest

from carbide_infra.catalogue.loading import Catalogue, Stack, load_catalogue
from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.problems import CatalogueError

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
_INDENT = "    "


def load(folder: Path, text: str) -> Catalogue:
    """A catalogue with this text; messages name it services.yaml."""
    file = folder / "services.yaml"
    file.write_text(dedent(text), encoding="utf-8")
    return load_catalogue(file, file.name)


def entry(*lines: str, defaults: str = "{}") -> str:
    """A catalogue of one image, `a`, of the package ./cmd/server unless its lines say otherwise."""
    said = " ".join(lines)
    own = lines if "package:" in said or "binaries:" in said else (*lines, "package: ./cmd/server")
    body = "\n".join(f"{_INDENT}{line}" for line in own)
    return f"schemaVersion: 1\ndefaults: {defaults}\nimages:\n  a:\n{body}\n"


def image(folder: Path, *lines: str, defaults: str = "{}", stack: Stack | None = None) -> Image:
    """The one image of such a catalogue."""
    (found,) = load(folder, entry(*lines, defaults=defaults)).resolved(stack or Stack())
    return found


def problems(folder: Path, text: str) -> list[str]:
    """What is said of a catalogue that is not usable."""
    with pytest.raises(CatalogueError) as caught:
        load(folder, text)
    return str(caught.value).splitlines()


def problem(folder: Path, *lines: str, defaults: str = "{}") -> str:
    """The one thing that is said of a catalogue of one image."""
    (found,) = problems(folder, entry(*lines, defaults=defaults))
    return found
