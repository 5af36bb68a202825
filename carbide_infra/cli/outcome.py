"""How a subcommand ends: its exit code, and an error as one message on stderr."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import typer

from carbide_infra.errors import UserError

WELL, DIFFERENT, NO_ANSWER, INTERRUPTED = 0, 1, 2, 130
_Arguments = ParamSpec("_Arguments")


class CommandError(UserError):
    """No answer can be given; the message names what was asked, what is wrong, and what to do."""


def ends(command: Callable[_Arguments, int]) -> Callable[_Arguments, None]:
    """Make the number that a subcommand returns its exit code, and what the user can mend a message."""

    @wraps(command)
    def wrapper(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except UserError as error:
            typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
            code = NO_ANSWER
        except KeyboardInterrupt:
            code = INTERRUPTED
        raise typer.Exit(code)

    return wrapper


def progress(line: str) -> None:
    """Tell what takes time; stdout is for data."""
    typer.echo(line, err=True)


def print_json(data: object) -> None:
    """Print data for a program."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
