"""How a subcommand ends: its exit code, and an error as one message on stderr."""

import json
import signal
import sys
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
            typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
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
    typer.echo(line, err=True)


def print_json(data: object) -> None:
    """Print data for a program."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
