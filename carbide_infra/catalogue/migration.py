"""Brings a catalogue file to this program's version of the language; comments and order stay."""

from collections.abc import Callable, Mapping

from carbide_infra.catalogue.document import UnreadableError, parse
from carbide_infra.catalogue.language import SCHEMA_VERSION
from carbide_infra.catalogue.problems import CatalogueError, Problem

STEPS: Mapping[int, Callable[[str], str]] = {}
"""By the version that a file has, what makes its text one of the next; there has been one version so far."""


def migrated(text: str, name: str, steps: Mapping[int, Callable[[str], str]] = STEPS, to: int = SCHEMA_VERSION) -> str:
    """Give the text of a catalogue of any version up to this one's as one of this one's, which it then names.

    Raises:
        CatalogueError: it cannot be read, or is for a newer program.
    """
    version = version_of(text, name)
    if version > to:
        raise too_new(name, version, to)
    for at in range(version, to):
        text = steps[at](text)
    return _naming(text, to)


def too_new(where: str, version: int, newest: int = SCHEMA_VERSION) -> CatalogueError:
    """What to raise for a file of a version that this program does not know."""
    text = f"is for a newer carbide-infra, this one reads {newest} at most; install the one that wrote it"
    return CatalogueError([Problem(where, "schemaVersion", str(version), text)])


def version_of(text: str, name: str) -> int:
    """The version that a file says it has; the first where it says none.

    Raises:
        CatalogueError: it says something else, or cannot be read.
    """
    try:
        data = parse(text).data
    except UnreadableError as error:
        raise CatalogueError([Problem(f"{name}:{error.line}", "", None, f"cannot be read as YAML: {error}")]) from None
    version = data.get("schemaVersion", 1) if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        said = "is not the version of a catalogue; a good value: 1"
        raise CatalogueError([Problem(name, "schemaVersion", str(version), said)])
    return version


def _naming(text: str, version: int) -> str:
    document = parse(text)
    if span := document.spans.get(("schemaVersion",)):
        return f"{text[: span[0]]}{version}{text[span[1] :]}"
    # Before the first key, below what is said of the whole file.
    lines = text.splitlines(keepends=True)
    first = min(document.line((key,)) for key in document.data)
    return "".join([*lines[: first - 1], f"schemaVersion: {version}\n", *lines[first - 1 :]])
