"""Records: what an image was made of and what it is like, kept in the stack's state beside the image.

A resource of its own holds the record and is written once its image is there. So it tells of the image that the state
holds, whatever a later update failed to build; and it names that image's build key, for an update that was cut off in
between.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

# The record's fields, as the state has them.
KEY = "key"
INPUTS = "inputs"  # one line for each input file, see `recorded_files`
MODULES = "modules"  # one line for each Go module that is linked: `module@version h1:…`
MODULE_FILES = "moduleFiles"  # one line for each go.mod, go.sum, … of the tree, of which the image may hold less
TEXTS = "moduleTexts"  # JSON: by path, the text of each file whose content is not the tree's
COARSE = "coarse"  # why more counts than the image is made of; empty where its inputs are exact
DOCKERFILE = "dockerfile"  # SHA-256 of its text
LOCATION = (
    "dockerfileLocation"  # of the project's file with that text, relative to the project; empty where none has it
)
TEXT = "dockerfileText"  # the text itself where no file of the project has it
KEPT = "kept"  # the path of the image's own Dockerfile in the source tree; only where it has one
TEMPLATE = "template"  # the carbide-infra whose template rendered it, or OWN_TEMPLATE; not there for FIRST_TEMPLATE
IMAGE = "image"  # what the stack's outputs say of the image beside digest and tags

FIRST_TEMPLATE = "0.1.0"
"""Of records without a word of it: those of before there was one are as they were."""

OWN_TEMPLATE = "one of the catalogue's own"
"""Stands for a template of the catalogue's own."""

_LINE = re.compile(r"(0\d{3}) ([0-9a-f]{64}) (\d+) (.*)", re.DOTALL)


@dataclass(frozen=True)
class RecordedFile:
    """One input file.

    Attributes:
        mode: 0644 or 0755.
        sha256: of its content.
        size: in bytes.
        path: relative to the source root.
    """

    mode: str
    sha256: str
    size: int
    path: str


def recorded_files(inputs: str) -> tuple[RecordedFile, ...]:
    """Read the lines `mode SHA-256 size path`; a path with a line feed is JSON, and in earlier records as it is."""
    lines: list[str] = []
    for line in inputs.split("\n"):
        if _LINE.fullmatch(line) or not lines:
            lines.append(line)
        else:
            lines[-1] += f"\n{line}"
    matches = filter(None, map(_LINE.fullmatch, lines))
    return tuple(RecordedFile(match[1], match[2], int(match[3]), _unquoted(match[4])) for match in matches)


def _unquoted(path: str) -> str:
    if path.startswith('"') and path.endswith('"'):
        with suppress(ValueError):
            return str(json.loads(path))
    return path


def recorded_texts(record: Mapping[str, Any]) -> dict[str, str]:
    """The texts of the files whose content is not the tree's, by path; none in states of earlier versions."""
    texts = json.loads(str(record.get(TEXTS) or "{}"))
    return {str(path): str(text) for path, text in texts.items()}


def template_of(record: Mapping[str, Any]) -> str | None:
    """Which template a Dockerfile comes from; None for an image that keeps one of its own."""
    return None if record.get(KEPT) else str(record.get(TEMPLATE) or FIRST_TEMPLATE)


def key_in(tag: str) -> str:
    """The build key that an image's own tag ends in."""
    return tag.rpartition("-")[2]


def record_of(
    stash: Mapping[str, Any] | None, component: Mapping[str, Any] | None, image: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """The record that belongs to an image, from the inputs of three resources; None where nobody knows.

    Args:
        stash: of the resource that holds the record.
        component: of the image's component, which held it in states of earlier versions.
        image: of the image itself.
    """
    if stash is None:
        return component if component and INPUTS in component else None
    record = stash.get("input")
    tags = list((image or {}).get("tags") or ())
    if not isinstance(record, Mapping) or not tags or record.get(KEY) != key_in(str(tags[0])):
        return None
    return record
