"""The report for a person at a terminal."""

import textwrap
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from carbide_infra.report import words
from carbide_infra.report.causes import causes_of
from carbide_infra.report.changes import Report
from carbide_infra.report.failure import failure_of

_MOST_NAMES = 20
_MOST_CAUSES = 20
_PLAIN, _ANSWER, _FAILED, _WARNING = "", "bold", "bold red", "yellow"


def print_report(report: Report, console: Console) -> None:
    """Print it; colours and widths are the console's affair, and no colour says anything by itself."""
    for style, indent, text in _paragraphs(report):
        wrapped = textwrap.wrap(
            text,
            console.width,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            # A name in two pieces cannot be copied; a terminal breaks what is longer than its line.
            break_long_words=False,
            break_on_hyphens=False,
        )
        console.print(Text("\n".join(wrapped), style=style), soft_wrap=True)


def _paragraphs(report: Report) -> Iterator[tuple[str, str, str]]:
    """Style, indent and text of each."""
    yield _FAILED if report.errors else _ANSWER, "", f"{report.project}/{report.stack}: {words.verdict(report, MARKS)}"
    yield _PLAIN, "", words.explanation(report, MARKS)
    if report.errors:
        yield _PLAIN, "", words.next_step(report, MARKS)
        failure = failure_of(report.errors)
        if failure.has_more:
            yield from ((_PLAIN, "    ", _plain(line)) for line in failure.text.splitlines() if line.strip())
        return
    yield from _causes(report)
    for warned in report.warnings:
        if not warned.stands:
            yield _WARNING, "", f"{words.WARNING}: {words.warning(warned, MARKS)}"
    yield _PLAIN, "", words.compared(report, MARKS)
    yield from ((_PLAIN, "", text) for text in words.tags(report, MARKS))
    for warned in report.warnings:
        if warned.stands:
            yield _PLAIN, "", f"{words.NOTE}: {words.warning(warned, MARKS, _MOST_NAMES)}"


def _causes(report: Report) -> Iterator[tuple[str, str, str]]:
    named = words.in_verdict(report)
    causes = [cause for cause in causes_of(report) if cause not in named]
    for cause in causes[:_MOST_CAUSES]:
        is_all = len(causes) == 1 and list(cause.images) == report.restarting()
        yield _PLAIN, "  ", words.cause(cause, MARKS) if is_all else words.reached(cause, report, MARKS)
    if rest := len(causes[_MOST_CAUSES:]):
        yield _PLAIN, "  ", words.more(rest, "cause")


def _plain(text: str) -> str:
    # A file's name must not move the cursor.
    return text if text.isprintable() else ascii(text)[1:-1]


def _unquoted(text: str) -> str:
    return _plain(" ".join(text.split())).replace("`", "")


MARKS = words.Marks(_plain, _plain, _unquoted)
