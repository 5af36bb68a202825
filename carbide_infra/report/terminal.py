"""The report for a person at a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from carbide_infra.report import words
from carbide_infra.report.changes import CHANGES, Action, ImageChange, Report

_MOST_FILES, _MOST_IMAGES = 5, 20
_STYLES = {Action.NEW: "green", Action.REBUILT: "yellow", Action.REMOVED: "red"}


def print_report(report: Report, console: Console) -> None:
    """Print it; colours and widths are the console's affair."""
    console.print(Text(f"{report.project}/{report.stack}: {words.verdict(report)}.", style="bold"))
    if report.errors:
        console.print(Text("\n\n".join(report.errors)))
        return
    for sentence in words.restarts(report, _plain, _MOST_IMAGES):
        console.print(Text(f"  {sentence}"))
    console.print(Text(f"  {words.compared(report, _plain)}"))
    for warned in report.warnings:
        console.print(Text(f"  {words.WARNING}: {words.warning(warned, _plain, _unquoted)}", style="yellow"))
    if report.having(*CHANGES):
        console.print(_table(report))
    for image in report.having(Action.RETAGGED, Action.UNCHANGED):
        moves = ", ".join(words.tag_move(move, _plain) for move in image.tags)
        console.print(Text(f"{image.name}: {words.ACTIONS[image.action]}{': ' if moves else ''}{moves}", style="dim"))


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in words.COLUMNS_OF_A_TERMINAL:
        table.add_column(heading, overflow="fold")
    for image in report.having(*CHANGES):
        cells = image.name, words.ACTIONS[image.action], words.restart(image), _why(image), words.size(image)
        table.add_row(*(Text(cell) for cell in cells), style=_STYLES[image.action])
    return table


def _why(image: ImageChange) -> str:
    reasons = [words.reason(item, _plain) for item in image.reasons]
    files = [words.files(image.files, _plain, _MOST_FILES)] if image.files else []
    return "\n".join([*words.coming_or_going(image), *reasons, *files])


def _plain(text: str) -> str:
    # A file's name must not move the cursor.
    return text if text.isprintable() else ascii(text)[1:-1]


def _unquoted(text: str) -> str:
    return text.replace("`", "")
