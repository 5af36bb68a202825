"""How people are told of work and trouble: a line at a time, on stderr, folded at words."""

import os
import shutil
import sys
import textwrap

import typer


def progress(line: str) -> None:
    """Tell what takes time; stdout is for data."""
    typer.echo(_wrapped(line), err=True)


def complain(text: str, colour: str) -> None:
    """Tell what is wrong, in colour where somebody sees it and wants it: red is an error, yellow a warning."""
    typer.secho(_wrapped(text), fg=colour, err=True, color=False if os.environ.get("NO_COLOR") else None)


def _wrapped(text: str) -> str:
    """The lines of a text, folded at words as wide as the terminal is; a file's stay as they are."""
    if not sys.stderr.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(
        part
        for line in text.split("\n")
        for part in textwrap.wrap(
            line,
            width,
            subsequent_indent=" " * (len(line) - len(line.lstrip()) + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
        or [""]
    )
