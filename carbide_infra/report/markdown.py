"""The report as a comment on a pull request: GitHub's Markdown, within GitHub's limit."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from carbide_infra.report import words
from carbide_infra.report.causes import Cause, causes_of
from carbide_infra.report.changes import Action, Report, Warned
from carbide_infra.report.failure import failure_of
from carbide_infra.report.safe_text import code, name, prose

LIMIT = 65_535
"""Bytes of a comment, at most; GitHub counts characters, of which there are never more."""

_LONGEST_LINE, _LONGEST_MARKER = 300, 300
_MOST_NAMES = 4


def _link(text: str, address: str) -> str:
    return f"[{text}]({address})"


MARKS = words.Marks(code, name, prose, _link)


@dataclass(frozen=True)
class _Detail:
    """How much is shown: causes before anything folded, images by name, listed files, warnings, lines of a failure."""

    causes: int
    images: int
    listed: int
    warnings: int
    said: int


_DETAILS = (
    _Detail(causes=6, images=60, listed=300, warnings=12, said=60),
    _Detail(causes=6, images=40, listed=50, warnings=8, said=40),
    _Detail(causes=4, images=10, listed=0, warnings=5, said=20),
    _Detail(causes=2, images=0, listed=0, warnings=3, said=10),
)


def markdown(report: Report) -> str:
    """The whole comment; with less detail where it would be too long."""
    texts = ("\n".join(_lines(report, detail)) + "\n" for detail in _DETAILS)
    return next(text for text in texts if len(text.encode()) <= LIMIT)


def marker(report: Report) -> str:
    """The first line, by which the comment of an earlier run is found again."""
    whose = re.sub(r"[^\w./-]", "-", f"{report.project}/{report.stack}", flags=re.ASCII)
    return f"<!-- carbide-infra: report of {whose[:_LONGEST_MARKER]} -->"


def _lines(report: Report, detail: _Detail) -> Iterator[str]:
    yield marker(report)
    yield f"### {words.verdict(report, MARKS)}"
    yield from ("", words.explanation(report, MARKS))
    if report.errors:
        yield from _failure(report, detail)
        return
    causes = causes_of(report)
    named = words.in_verdict(report)
    yield from _causes(report, [cause for cause in causes if cause not in named], detail)
    yield from _warnings([warned for warned in report.warnings if not warned.stands], detail)
    yield from ("", words.compared(report, MARKS))
    yield from _by_image(report, causes, detail)
    yield from _listing(causes, detail)
    yield from _kept(report, detail)
    yield from _standing(report, detail)
    yield from _meanings(report)


def _failure(report: Report, detail: _Detail) -> Iterator[str]:
    yield from ("", words.next_step(report, MARKS))
    failure = failure_of(report.errors)
    if not failure.has_more:
        return
    # A block would not be folded by a phone.
    lines = [code(line.expandtabs(4), _LONGEST_LINE) for line in failure.text.splitlines() if line.strip()]
    rest = len(lines[detail.said :])
    shown = "\\\n".join([*lines[: detail.said], *([words.more(rest)] if rest else [])])
    yield from _folded(words.ALL_SAID, shown.split("\n"))


def _causes(report: Report, causes: Sequence[Cause], detail: _Detail) -> Iterator[str]:
    if not causes:
        return
    yield ""
    everything = tuple(report.restarting())
    for cause in causes[: detail.causes]:
        # The second line has already said whom the only cause reaches.
        is_all = len(causes) == 1 and cause.images == everything
        yield f"- {words.cause(cause, MARKS) if is_all else words.reached(cause, report, MARKS)}"
    if rest := len(causes[detail.causes :]):
        yield f"- {words.causes_left(rest)}"


def _warnings(warnings: Sequence[Warned], detail: _Detail) -> Iterator[str]:
    if not warnings:
        return
    yield from ("", "> [!WARNING]")
    told = [words.warning(warned, MARKS, _MOST_NAMES) for warned in warnings[: detail.warnings]]
    rest = len(warnings) - len(told)
    # A line of its own for each, without a list's indent.
    yield from ("> " + text for text in "\\\n".join([*told, words.more(rest)] if rest else told).split("\n"))


def _by_image(report: Report, causes: Sequence[Cause], detail: _Detail) -> Iterator[str]:
    images = [image for image in report.images if any(image.name in cause.images for cause in causes)]
    if len(causes) < 2 or not detail.images:  # noqa: PLR2004 - one cause is above
        return
    lines = [
        f"- {name(image.name)}: {words.causes_of_image(image, causes, MARKS)}" for image in images[: detail.images]
    ]
    rest = len(images) - len(lines)
    yield from _folded(words.BY_IMAGE, [*lines, f"- {words.more(rest)}"] if rest else lines)


def _listing(causes: Sequence[Cause], detail: _Detail) -> Iterator[str]:
    """All files, where the causes do not have them all."""
    shown = {file for cause in causes[: detail.causes] for file in cause.files[: words.FILES_IN_A_CAUSE]}
    found = {file.path: file for cause in causes for file in cause.files}
    if not detail.listed or shown >= set(found.values()):
        return
    lines = [f"- {words.file(found[path], MARKS)}" for path in sorted(found)[: detail.listed]]
    rest = len(found) - len(lines)
    yield from _folded(words.listing(len(found)), [*lines, f"- {words.more(rest)}"] if rest else lines)


def _kept(report: Report, detail: _Detail) -> Iterator[str]:
    images = report.having(Action.RETAGGED, Action.UNCHANGED)
    tags = words.tags(report, MARKS)
    if not images and not tags:
        return
    names = [words.some([name(image.name) for image in images], detail.images or 1)] if images else []
    lines = [f"- {text}" for text in [*names, *tags[: detail.warnings]]]
    yield from _folded(words.kept(len(images)) if images else words.TAGS, lines)


def _standing(report: Report, detail: _Detail) -> Iterator[str]:
    standing = [warned for warned in report.warnings if warned.stands]
    if standing:
        lines = [f"- {words.warning(warned, MARKS, _MOST_NAMES)}" for warned in standing[: detail.warnings]]
        yield from _folded(words.STANDING, lines)


def _meanings(report: Report) -> Iterator[str]:
    if report.restarting():
        yield from _folded(words.MEANINGS_TITLE, [f"- **{word}**: {text}" for word, text in words.MEANINGS.items()])


def _folded(title: str, lines: Sequence[str]) -> Iterator[str]:
    yield from ("", f"<details><summary>{title}</summary>", "", *lines, "", "</details>")
