"""How long work is reported: a function that takes one line at a time."""

from collections.abc import Callable

Report = Callable[[str], None]
