"""How a subcommand ends: its exit code, and an error as one message on stderr."""

import json
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec

import typer

from carbide_infra.errors import UserError

WELL, DIFFERENT, NO_ANSWER, INTERRUPTED = 0, 1, 2, 130
FAILED = DIFFERENT
_SIGNALLED = 128
_Arguments = ParamSpec("_Arguments")


def ends(command: Callable[_Arguments, int]) -> Callable[_Arguments, None]:
    """Make the number that a question returns its exit code, and what the user can fix a message."""
    return _ended(command, NO_ANSWER, "")


def acts(command: Callable[_Arguments, int]) -> Callable[_Arguments, None]:
    """The same for a command that changes something: an error is its failure, and it can be interrupted."""
    return _ended(command, FAILED, "Interrupted; the same command resumes from here.")


def _ended(command: Callable[_Arguments, int], failure: int, on_interrupt: str) -> Callable[_Arguments, None]:
    @wraps(command)
    def wrapper(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        before = signal.signal(signal.SIGTERM, _end)
        try:
            code = command(*args, **kwargs)
        except UserError as error:
            complain(f"error: {error}", typer.colors.RED)
            code = failure
        except KeyboardInterrupt:
            if on_interrupt:
                progress(on_interrupt)
            code = INTERRUPTED
        finally:
            signal.signal(signal.SIGTERM, before)
        raise typer.Exit(code)

    return wrapper


def _end(number: int, _frame: object) -> NoReturn:
    """End in good order: what a command has put into a temporary folder goes with it."""
    raise SystemExit(_SIGNALLED + number)


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


def print_json(data: object) -> None:
    """Print data for a program."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
