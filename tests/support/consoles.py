"""Terminals of any width for the tests."""

from typing import IO

from rich.console import Console


def terminal(columns: int) -> type[Console]:
    """What stands in for Rich's Console at a terminal that is so wide."""

    class Terminal(Console):
        def __init__(self, *, width: int | None = None, file: IO[str] | None = None, **_: object) -> None:
            super().__init__(width=width or columns, file=file, force_terminal=True, color_system=None)

    return Terminal
