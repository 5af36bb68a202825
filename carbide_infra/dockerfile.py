"""Dockerfiles: the text that builds one service, with a stack's health command in place."""

import json
import re
from pathlib import Path

from carbide_infra.services import CATALOGUE, Service

_HEALTH_COMMAND = re.compile(r"^(HEALTHCHECK (?:.*\\\n)*\s*CMD ).*$", re.MULTILINE)


def inline_dockerfile(project: Path, service: Service) -> str | None:
    """The Dockerfile's text where a stack overrides the health command, else None.

    BuildKit expands no build argument in HEALTHCHECK, so an override has to be text.
    """
    if service.health == CATALOGUE[service.image].health:
        return None
    text = (project / service.dockerfile).read_text(encoding="utf-8")
    command = json.dumps(list(service.health))
    rendered, count = _HEALTH_COMMAND.subn(lambda match: match.group(1) + command, text)
    if count != 1:
        msg = f"{service.dockerfile}: expected one HEALTHCHECK … CMD, found {count}"
        raise ValueError(msg)
    return rendered
