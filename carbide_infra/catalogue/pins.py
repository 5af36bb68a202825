"""The image references of a catalogue file: found, and replaced with comments and layout kept."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from carbide_infra.catalogue.document import Document, parse
from carbide_infra.catalogue.problems import Key

_KEYS = frozenset({"base", "builder"})


@dataclass(frozen=True)
class ReferenceInFile:
    """An image that a catalogue names.

    Attributes:
        text: the reference.
        line: where, counted from 1.
        start: index of its first character in the file's text, quotes included.
        end: index behind its last one.
    """

    text: str
    line: int
    start: int
    end: int


def references(text: str, arguments: Collection[Key] = ()) -> list[ReferenceInFile]:
    """Every base, builder, and image that files are taken from, in the file's order.

    Args:
        text: of the file.
        arguments: keys of build arguments that name images, too.
    """
    document = parse(text)
    return sorted(_found(document, arguments), key=lambda found: found.start)


def _found(document: Document, arguments: Collection[Key]) -> Iterator[ReferenceInFile]:
    for key, written in document.written.items():
        if _is_reference(key) or key in arguments:
            start, end = document.spans[key]
            yield ReferenceInFile(written, document.line(key), start, end)


def _is_reference(key: Key) -> bool:
    of_image = key[1:] if key[:1] == ("defaults",) else key[2:] if key[:1] == ("images",) else ()
    match of_image:
        case (str(name),):
            return name in _KEYS
        case ("files", int(), "image"):
            return True
    return False


def replaced(text: str, new: Mapping[str, str], arguments: Collection[Key] = ()) -> str:
    """The file's text with some references, by what they were, in the place of others."""
    for found in reversed(references(text, arguments)):
        if found.text in new:
            quote = text[found.start] if text[found.start] in "'\"" else ""
            text = f"{text[: found.start]}{quote}{new[found.text]}{quote}{text[found.end :]}"
    return text
