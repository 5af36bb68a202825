"""The report as a comment on a pull request: GitHub's Markdown, within GitHub's limit."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from carbide_infra.report import words
from carbide_infra.report.changes import CHANGES, Action, ImageChange, Report
from carbide_infra.report.graph import mermaid

LIMIT = 65_535
"""Bytes of a comment, at most; GitHub counts characters, of which there are never more."""

_LONGEST_VALUE, _LONGEST_SENTENCE, _LONGEST_ERROR = 100, 300, 4000
_MOST_NAMES = 4
_FIRST_BEYOND_ASCII = "\x80"
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|~&$])")


@dataclass(frozen=True)
class _Detail:
    """How much is shown: so many files and reasons an image, images a table, listed files and warnings."""

    files: int
    reasons: int
    images: int
    listed: int
    warnings: int
    graph: bool


_DETAILS = (
    _Detail(files=5, reasons=8, images=60, listed=200, warnings=12, graph=True),
    _Detail(files=3, reasons=5, images=40, listed=50, warnings=8, graph=True),
    _Detail(files=2, reasons=3, images=20, listed=0, warnings=5, graph=True),
    _Detail(files=1, reasons=2, images=10, listed=0, warnings=3, graph=False),
)


def markdown(report: Report) -> str:
    """The whole comment; with less detail where it would be too long."""
    texts = ("\n".join(_lines(report, detail)) + "\n" for detail in _DETAILS)
    return next(text for text in texts if len(text.encode()) <= LIMIT)


def marker(report: Report) -> str:
    """The first line, by which the comment of an earlier run is found again."""
    name = re.sub(r"[^\w./-]", "-", f"{report.project}/{report.stack}", flags=re.ASCII)
    return f"<!-- carbide-infra: report of {name[:_LONGEST_SENTENCE]} -->"


def code(text: str) -> str:
    """Somebody else's text as code: nothing in it is markup, a mention or a reference."""
    shown = _visible(text)
    if len(shown) > _LONGEST_VALUE:
        shown = f"{shown[: _LONGEST_VALUE // 2]}…{shown[-_LONGEST_VALUE // 2 :]}"
    fence = _fence(shown, 1)
    pad = " " if not shown.strip() or "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{pad}{shown or ' '}{pad}{fence}"


def prose(text: str) -> str:
    """Somebody else's sentence: as it is, but nobody is mentioned and nothing linked or formatted."""
    line = " ".join(_visible(part) for part in text.split())
    if len(line) > _LONGEST_SENTENCE:
        line = f"{line[:_LONGEST_SENTENCE]}…"
    escaped = _MARKUP.sub(r"\\\1", line)
    # GitHub looks for names and numbers in the rendered text, where an escape would be gone.
    return re.sub(r"[@#]", r"\g<0><!-- -->", escaped)


def _lines(report: Report, detail: _Detail) -> Iterator[str]:
    yield marker(report)
    yield f"### {words.title(report, code)}"
    yield ""
    yield f"**{words.verdict(report)}.**"
    if report.errors:
        yield from _errors(report)
        return
    yield from _restarts(report, detail)
    yield from _revisions(report)
    yield from _warnings(report, detail)
    yield from _table(report, detail)
    yield from _picture(report, detail)
    yield from _listing(report, detail)
    yield from _kept(report, detail)
    yield from _meanings(report)


def _errors(report: Report) -> Iterator[str]:
    text = "\n\n".join(report.errors)
    # Line feeds and tabs are the only control characters that a block may have.
    shown = "\n".join(_visible(line.replace("\t", "    ")) for line in text.splitlines())
    shown = shown if len(shown) <= _LONGEST_ERROR else f"{shown[:_LONGEST_ERROR]}…"
    fence = _fence(shown, 3)
    yield from ("", words.ERRORS, "", f"{fence}text", shown, fence)


def _restarts(report: Report, detail: _Detail) -> Iterator[str]:
    sentences = words.restarts(report, code, detail.images)
    if sentences:
        yield from ("", words.deployments(code), "")
        yield from (f"- {sentence}" for sentence in sentences)


def _revisions(report: Report) -> Iterator[str]:
    yield from ("", words.compared(report, code))


def _warnings(report: Report, detail: _Detail) -> Iterator[str]:
    if not report.warnings:
        return
    yield from ("", "> [!WARNING]")
    for warned in report.warnings[: detail.warnings]:
        yield f"> - {words.warning(warned, code, prose, _MOST_NAMES)}"
    if rest := len(report.warnings[detail.warnings :]):
        yield f"> - {words.more(rest)}"


def _table(report: Report, detail: _Detail) -> Iterator[str]:
    images = report.having(*CHANGES)
    if not images:
        return
    yield from ("", f"| {' | '.join(words.COLUMNS)} |", f"|{'---|' * len(words.COLUMNS)}")
    for image in images[: detail.images]:
        cells = (
            code(image.name),
            words.ACTIONS[image.action],
            words.restart(image),
            _why(image, detail),
            words.size(image),
        )
        yield f"| {' | '.join(_cell(text) for text in cells)} |"
    if rest := len(images[detail.images :]):
        yield f"| {words.more(rest)} | | | | |"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _why(image: ImageChange, detail: _Detail) -> str:
    if told := words.coming_or_going(image):
        return "<br>".join(told)
    reasons = [words.reason(item, code) for item in image.reasons]
    parts = [words.some(reasons, detail.reasons)] if reasons else []
    if image.files:
        parts.append(words.files(image.files, code, detail.files))
    return "<br>".join(parts)


def _picture(report: Report, detail: _Detail) -> Iterator[str]:
    graph = mermaid(report) if detail.graph else None
    if graph:
        yield from ("", words.PICTURE, "", "```mermaid", graph, "```")


def _listing(report: Report, detail: _Detail) -> Iterator[str]:
    """All files, where the table does not have them all."""
    if not detail.listed or all(len(image.files) <= detail.files for image in report.images):
        return
    found = {file.path: file for image in report.images for file in image.files}
    paths = sorted(found)
    yield from ("", f"<details><summary>{words.listing(len(paths))}</summary>", "")
    yield from (f"- {words.file(found[path], code)}" for path in paths[: detail.listed])
    if rest := len(paths[detail.listed :]):
        yield f"- {words.more(rest)}"
    yield from ("", "</details>")


def _kept(report: Report, detail: _Detail) -> Iterator[str]:
    images = report.having(Action.RETAGGED, Action.UNCHANGED)
    if not images:
        return
    yield from ("", f"<details><summary>{words.kept(len(images))}</summary>", "")
    for image in images[: detail.images]:
        moves = words.some([words.tag_move(move, code) for move in image.tags], detail.reasons)
        yield f"- {code(image.name)}: {moves or words.NOTHING_HAPPENS}"
    if rest := len(images[detail.images :]):
        yield f"- {words.more(rest)}"
    yield from ("", "</details>")


def _meanings(report: Report) -> Iterator[str]:
    if not report.having(*CHANGES):
        return
    yield from ("", f"<details><summary>{words.MEANINGS_TITLE}</summary>", "")
    yield words.MEANINGS
    yield from ("", "</details>")


def _visible(text: str) -> str:
    """Control characters, line feeds and what turns the direction of writing, as escapes."""
    return "".join(_escape(char) if unicodedata.category(char)[0] in "CZ" and char != " " else char for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode() if char < _FIRST_BEYOND_ASCII else f"\\u{ord(char):04x}"


def _fence(text: str, least: int) -> str:
    """Backticks, more than the text has in a row."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(least, longest + 1)
