"""Words of Dockerfile instructions: quotes taken off, variables filled in."""

import shlex
from collections.abc import Mapping

from carbide_infra.errors import shown
from carbide_infra.source.kept.variables import UnknownError, expanded

_LENGTH = 60
# What BuildKit gives to every image whose base says nothing else.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def value_of(text: str, known: Mapping[str, str | None]) -> str | None:
    """A value as BuildKit takes it; None where a variable is not known, or the quoting is not read here."""
    if "$" in text and ("'" in text or "\\" in text):
        return None
    if "'" in text or '"' in text or "\\" in text:
        try:
            text = "".join(shlex.split(text.replace(" ", "\x01").replace("\t", "\x02")))
        except ValueError:
            return None
        text = text.replace("\x01", " ").replace("\x02", "\t")
    try:
        filled = expanded(text, known)
    except UnknownError:
        return None
    return filled if filled.isprintable() else None


def place(name: str, text: str, at: int) -> str:
    """A position in a file's text, as file and line."""
    return f"{name}:{text.count(chr(10), 0, at) + 1}"


def short(text: str) -> str:
    """A script in one line of a message."""
    line = " ".join(text.split())
    return shown(line if len(line) <= _LENGTH else f"{line[: _LENGTH - 1]}…")


def pairs(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Names and values of ENV and LABEL."""
    return list(zip(words[::2], words[1::2], strict=False))
