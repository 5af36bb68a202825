"""A report that a stranger's code may have written: only what a report of ours can hold has an effect in it."""

import re
from collections.abc import Iterable, Iterator

from carbide_infra.report import words
from carbide_infra.report.safe_text import APART, unlinked

_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ue000-\ue07f]")
_STANDS_FOR = 0xE000
_PUNCTUATION = r"[!-/:-@\[-`{-~]"
_HEAD = re.compile(r"(?:> )?(?:- |### )?")
_FOLD = re.compile(r"<details><summary>(.*)</summary>")
_ALERT, _END_OF_FOLD = "> [!WARNING]", "</details>"
_LONGEST_HEADING = 1000
_BANNER = f"<sub>{words.STRANGER}</sub>"
_PIECE = r"""
    \\(?P<escaped>{punctuation})
  | (?P<link>{link})
  | \[(?P<label>`[^`\[\]]+`)\]\([^()\s]*\)
  | (?P<code>(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))
  | <kbd>(?P<name>[\w…-]{{1,60}})</kbd>
  | (?P<entity>&(?:\#8203|amp|lt|gt);)
"""
_LINK = r"\[(?:`[^`\[\]]+`|[\w\ ,.]+)\]\({pages}/(?:commit/[0-9a-f]{{40,64}}|actions/runs/\d+(?:/\w+)*)\)"


def harmless(text: str, pages: str) -> str:
    """The report with a banner that says whose it is; what could mention, link, show or hide something is plain text.

    Args:
        text: the report, whose first line is its marker.
        pages: address of the repository, of which commits and runs may be linked.
    """
    marker, _, rest = _INVISIBLE.sub("", text).partition("\n")
    link = _LINK.format(pages=re.escape(pages))
    piece = re.compile(_PIECE.format(punctuation=_PUNCTUATION, link=link), re.VERBOSE)
    lines = list(_lines(rest.split("\n"), piece))
    has_heading = bool(lines) and lines[0].startswith("### ") and len(lines[0]) <= _LONGEST_HEADING
    return "\n".join([marker, *lines[:has_heading], "", _BANNER, "", *lines[has_heading:]])


def _lines(lines: Iterable[str], piece: re.Pattern[str]) -> Iterator[str]:
    for line in lines:
        bare = line.strip()
        if bare in {_ALERT, _END_OF_FOLD}:
            yield bare
            yield from ("",) if bare == _END_OF_FOLD else ()
        elif fold := _FOLD.fullmatch(bare):
            # Without an empty line Markdown would not read what follows, and show code as text.
            yield from (f"<details><summary>{_plain(fold[1])}</summary>", "")
        else:
            head = _HEAD.match(bare)
            start = head[0] if head else ""
            yield start + _inline(bare[len(start) :], piece)


def _inline(text: str, piece: re.Pattern[str]) -> str:
    done, plain, at = [], "", 0
    for found in piece.finditer(text):
        plain += text[at : found.start()]
        at = found.end()
        if found["escaped"]:
            # A part of the words around it, in which GitHub looks for names.
            plain += _escape(found["escaped"])
            continue
        # Of a link elsewhere, its text.
        kept = f"<kbd>{_plain(found['name'])}</kbd>" if found["name"] else found["label"] or found[0]
        done += [_plain(plain), kept]
        plain = ""
    rest = plain + text[at:]
    breaks = "\\" if rest.endswith("\\") else ""
    return "".join([*done, _plain(rest.removesuffix(breaks)), breaks])


def _escape(char: str) -> str:
    """What Markdown's backslash makes of it: itself where it marks nothing up, else what stands for it meanwhile."""
    return char if char in "#@-:./" else chr(_STANDS_FOR + ord(char))


def _plain(text: str) -> str:
    """Text that is nothing but text; emphasis stays."""
    apart = unlinked(text).replace(APART, "\u200b")
    escaped = re.sub(r"[&<>`~\[\]|!$\\]", lambda char: f"&#{ord(char[0])};", apart)
    escaped = re.sub(r"[\ue000-\ue07f]", lambda char: f"&#{ord(char[0]) - _STANDS_FOR};", escaped)
    return escaped.replace("\u200b", APART)
