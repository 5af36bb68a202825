"""What a backend in a folder holds of a stack: read as it lies there, where `pulumi` takes a quarter of a second."""

import json
from pathlib import Path
from typing import Any

STACK = "pulumi:pulumi:Stack"


def resources_of(backend: Path, project: str, stack: str) -> list[dict[str, Any]]:
    """The resources in the state of a stack; secrets are encrypted, and all else is as `pulumi stack export` has it."""
    state = json.loads((backend / f".pulumi/stacks/{project}/{stack}.json").read_text(encoding="utf-8"))
    return list((state["checkpoint"]["latest"] or {}).get("resources") or [])


def outputs_of(backend: Path, project: str, stack: str) -> dict[str, Any]:
    """The outputs of a stack, none of which is a secret."""
    (found,) = (item for item in resources_of(backend, project, stack) if item["type"] == STACK)
    return dict(found.get("outputs") or {})
