"""Tables: one line for each row, at a terminal with what fits into its width, elsewhere with everything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

_GAP = 2
# No terminal folds what is in a file.
_FILE_WIDTH = 10_000
# As many digits of a digest as people compare.
_SHORT_DIGEST = 11
_SHORTEST_NAME = 12


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title: its heading.
        cells: a text for each row.
        rank: the columns with the highest rank go first where a terminal is too narrow; 0 for one that stays.
    """

    title: str
    cells: Sequence[str]
    rank: int = 0

    @property
    def width(self) -> int:
        """Of its widest cell."""
        return max(cell_len(text) for text in (self.title, *self.cells))


@dataclass(frozen=True)
class Common:
    """What all images have in common, said once above a table.

    Attributes:
        repository: what their repositories begin with; empty where they differ.
        tag: what their tags begin with; likewise.
    """

    repository: str
    tag: str

    @property
    def sentence(self) -> str:
        """What stands above the table."""
        parts = [f"in {self.repository}…"] if self.repository else []
        parts += [f"with tags {self.tag}…"] if self.tag else []
        return f"{' '.join(['Images', *parts])}; --wide prints all of it." if parts else "--wide prints more."


def wide_console() -> Console:
    """A console as wide as the terminal, and as wide as needed elsewhere."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_FILE_WIDTH)


def print_columns(columns: Sequence[Column], console: Console, *, fold: bool = False) -> None:
    """Print the table.

    Args:
        columns: all that there is to say.
        console: where to.
        fold: whether to print all of it even where the terminal then folds its lines.
    """
    shown = list(columns) if fold or not console.is_terminal else _fitting(columns, console.width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column in shown:
        table.add_column(column.title, no_wrap=True)
    for row in zip(*(column.cells for column in shown), strict=True):
        table.add_row(*map(Text, row))
    if (width := _width(shown)) > console.width:
        console = Console(file=console.file, width=width, force_terminal=console.is_terminal, no_color=console.no_color)
    console.print(table)


def fits(columns: Sequence[Column], console: Console) -> bool:
    """Whether the whole table does."""
    return not console.is_terminal or _width(columns) <= console.width


def short_digest(digest: str) -> str:
    """The first digits, without the algorithm."""
    return digest.removeprefix("sha256:")[:_SHORT_DIGEST]


def common_to(images: Mapping[str, tuple[str, str]]) -> Common:
    """What repositories and tags have in common, by image name."""
    starts = {repository.removesuffix(name) for name, (repository, _) in images.items() if repository.endswith(name)}
    alone = all(repository.endswith(f"/{name}") for name, (repository, _) in images.items())
    heads = {tag.rpartition("-")[0] for _, tag in images.values()}
    head = heads.pop() if len(heads) == 1 else ""
    return Common(starts.pop() if len(starts) == 1 and alone else "", head and f"{head}-")


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    shown = list(columns)
    while _width(shown) > width and any(column.rank for column in shown):
        shown.remove(max(shown, key=lambda column: column.rank))
    too_much = _width(shown) - width
    if too_much > 0:
        # Two ends tell names apart; the whole name is in the wide table.
        most = max(shown[0].width - too_much, _SHORTEST_NAME)
        shown[0] = replace(shown[0], cells=[_middle_cut(text, most) for text in shown[0].cells])
    return shown


def _width(columns: Sequence[Column]) -> int:
    return sum(column.width + _GAP for column in columns) - _GAP


def _middle_cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most - most // 2 - 1) :]}"
