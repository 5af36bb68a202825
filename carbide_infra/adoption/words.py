"""Words of files and of Dockerfile instructions, as messages and entries have them."""

from carbide_infra.errors import shown

_LENGTH = 60
# What BuildKit gives to every image whose base says nothing else.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


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
