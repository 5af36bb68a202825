"""The images' progress at a terminal, one line each, redrawn in its place and gone at the end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from carbide_infra.stack.following import Watch
from carbide_infra.stack.image_progress import ImageProgress

_WAITING = "Finding out what changed…"


@contextmanager
def shown_live(console: Console) -> Iterator[Watch]:
    """Give what shows the progress; the table of images then takes its place."""
    with Live(Text(_WAITING), console=console, auto_refresh=False, transient=True) as live:

        def watch(progress: ImageProgress) -> None:
            for message in progress.taken():
                live.console.print(Text(message), soft_wrap=True)
            live.update(_table(progress) if progress.images else Text(_WAITING), refresh=True)

        yield watch


def _table(progress: ImageProgress) -> Table:
    now = time.time()
    table = Table.grid(padding=(0, 2))
    for name, state in progress.images.items():
        table.add_row(Text(name, no_wrap=True, overflow="ellipsis"), str(state.phase), f"{state.seconds(now)} s")
    return table
