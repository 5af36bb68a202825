"""The generated parts of files that are otherwise written by hand, and tables in them."""

import re
from collections.abc import Iterable, Sequence

NONE = "–"  # noqa: RUF001 - a dash, as people read it


class MarkersError(Exception):
    """A file lacks the place for what is generated; the message names both."""


def between_markers(document: str, name: str, text: str) -> str:
    """A Markdown document with new text between its markers of this name.

    Raises:
        MarkersError: it does not have each of the two once.
    """
    first, last = f"<!-- generated: {name} -->\n", "<!-- end of generated -->\n"
    before, found, rest = document.partition(first)
    _, ended, after = rest.partition(last)
    if not found or not ended or first in rest:
        message = f"the lines {first.strip()} and {last.strip()} are not there, each once and in this order"
        raise MarkersError(message)
    return f"{before}{first}{text}{last}{after}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the cells are Markdown."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (heads, *rows)).replace(
        "|\n", f"|\n|{'---|' * len(heads)}\n", 1
    )


def prose(text: str) -> str:
    """Plain text as Markdown in a cell: GitHub drops what looks like a tag."""
    return re.sub(r"[<|*\\]", r"\\\g<0>", text)
