"""Dockerfiles that were rendered before: reading and compiling the template is a tenth of a preview's planning."""

import hashlib
import json
from functools import cache
from importlib import metadata, resources

from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.template import render
from carbide_infra.paths import cache_dir
from carbide_infra.source.kept_answers import load, remove_unused, save

_PREFIX = "dockerfile-"


def kept_render(image: Image, *, ssh: bool = False) -> str:
    """As `render`, from the user's cache folder where the same was rendered before.

    For previews alone: what an update builds is rendered then and there, whatever stands in that folder.

    Raises:
        CatalogueError: as `render`.
    """
    # In the catalogue's order, which the template keeps; only a set has none.
    asked = json.dumps([_renderer(), ssh, image.model_dump()], default=sorted)
    file = cache_dir() / f"{_PREFIX}{hashlib.sha256(asked.encode()).hexdigest()[:24]}.json"
    kept = load(file).get("text")
    if isinstance(kept, str):
        return kept
    text = render(image, ssh=ssh)
    save(file, {"text": text})
    remove_unused(cache_dir(), (_PREFIX,))
    return text


@cache
def _renderer() -> str:
    """What else decides the text: the template, the code beside it, and Jinja."""
    digest = hashlib.sha256(metadata.version("jinja2").encode())
    for file in sorted(resources.files("carbide_infra.catalogue").iterdir(), key=lambda file: file.name):
        if file.is_file():
            digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()
