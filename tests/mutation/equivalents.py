"""Equivalents: mutants that change nothing that a test could see, each with the reason."""

from collections.abc import Mapping
from pathlib import Path


class MalformedList(Exception):
    """A line is neither a mutant nor its reason."""


def read_equivalents(file: Path) -> Mapping[str, str]:
    """The reason of each mutant, by its key: a line with the key, below it the reason in indented lines."""
    found: dict[str, str] = {}
    key = ""
    for number, line in enumerate(file.read_text().splitlines(), 1):
        text = line.strip()
        if not text or line.startswith("#"):
            continue
        if line == line.lstrip():
            key = text
            found[key] = ""
        elif key:
            found[key] = f"{found[key]} {text}".strip()
        else:
            message = f"{file}:{number}: a reason without a mutant"
            raise MalformedList(message)
    for key, reason in found.items():
        if not reason:
            message = f"{file}: {key}: has no reason below it"
            raise MalformedList(message)
    return found
