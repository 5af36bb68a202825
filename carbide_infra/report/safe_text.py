"""Somebody else's text in Markdown and HTML: shown as it is, and without effect."""

import re
import unicodedata

_LONGEST_VALUE, _LONGEST_SENTENCE, _LONGEST_NAME = 100, 300, 44
_FIRST_BEYOND_ASCII = "\x80"
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|~&$])")
APART = "&#8203;"
"""A space without width: what stands on its two sides is neither a name nor a number for GitHub."""

# GitHub makes links of these in the finished page, where Markdown's escapes are gone.
_LINKED = re.compile(
    r"(?P<mention>@)"
    r"|(?P<number>#(?=\\?\d))"
    r"|(?P<issue>(?i:gh\\?-)(?=\\?\d))"
    r"|(?P<address>(?i:https?|ftp|mailto|xmpp|www)(?=\\?[:.]))"
    r"|(?P<commit>(?i:[0-9a-f]{7,}))"
)
_HEX_IN_A_ROW = 6
# A plain name needs no code span, whose text GitHub's style breaks at each hyphen.
_PLAIN_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def code(text: str, most: int = _LONGEST_VALUE) -> str:
    """As code: nothing in it is markup, a mention or a reference."""
    shown = shortened(visible(text), most)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if not shown.strip() or "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{pad}{shown or ' '}{pad}{fence}"


def name(text: str) -> str:
    """An image's name: in one piece on any screen, if it is one; a stranger's text in its place is code."""
    if not _PLAIN_NAME.fullmatch(text) or _LINKED.search(text):
        return code(text)
    return f"<kbd>{shortened(text, _LONGEST_NAME)}</kbd>"


def prose(text: str) -> str:
    """A sentence: as it is, but nobody is mentioned and nothing linked or formatted."""
    line = " ".join(visible(part) for part in text.split())
    if len(line) > _LONGEST_SENTENCE:
        line = f"{line[:_LONGEST_SENTENCE]}…"
    return unlinked(_MARKUP.sub(r"\\\1", line))


def unlinked(text: str) -> str:
    """The same to the eye, and GitHub finds no name, number, commit or address in it."""
    return _LINKED.sub(_apart, text)


def visible(text: str) -> str:
    """Control characters, line feeds and what turns the direction of writing, as escapes."""
    return "".join(_escape(char) if unicodedata.category(char)[0] in "CZ" and char != " " else char for char in text)


def shortened(text: str, most: int) -> str:
    """Both ends of what is too long."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"


def _apart(found: re.Match[str]) -> str:
    text = found[0]
    if found["commit"] is None:
        return text + APART
    return APART.join(text[at : at + _HEX_IN_A_ROW] for at in range(0, len(text), _HEX_IN_A_ROW))


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode() if char < _FIRST_BEYOND_ASCII else f"\\u{ord(char):04x}"
