"""Tables of the images, from the catalogue."""

import re
from collections.abc import Mapping
from pathlib import Path

from carbide_infra.names import DESCRIPTION_LABEL
from carbide_infra.services import CATALOGUE, Service
from tools.generate.regions import NONE, between_markers, prose, table

_DESCRIPTION = re.compile(rf'{re.escape(DESCRIPTION_LABEL)}="([^"]*)"')
_MEGABYTE = 10**6
_HEADS = ("Image (`Dockerfile.<image>`)", "What it is", "Go package", "Listens on", "Compressed, at most")


def tables(project: Path) -> Mapping[Path, str]:
    """The pages that list all images."""
    file = project / "docker/production/README.md"
    rows = (_row(project, service) for service in CATALOGUE.values())
    text = table(_HEADS, rows)
    return {file: between_markers(file.read_text(encoding="utf-8"), "images", text)}


def _row(project: Path, service: Service) -> tuple[str, ...]:
    dockerfile = (project / service.dockerfile).read_text(encoding="utf-8")
    description = _DESCRIPTION.search(dockerfile)
    return (
        service.image,
        prose(description[1] if description else ""),
        f"`{service.package}`",
        NONE if service.port is None else str(service.port),
        f"{service.size_budget // _MEGABYTE} MB",
    )
