"""How a subcommand ends: its exit code, and an error as one message on stderr."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import wraps
from typing import NoReturn, ParamSpec

import typer

from carbide_infra.errors import UserError
from carbide_infra.messages import complain, progress

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


@contextmanager
def stdout_kept_for_data() -> Iterator[None]:
    """Meanwhile, send what we and the programs that we start print to stderr."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def print_json(data: object) -> None:
    """Print data for a program."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
