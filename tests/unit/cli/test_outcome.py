"""How a subcommand ends."""

import json

import pytest
import typer
from typer.testing import CliRunner, Result

from carbide_infra.cli.outcome import ends, print_json, progress
from carbide_infra.errors import CommandError


def ended(outcome: int | BaseException) -> Result:
    app = typer.Typer()

    @app.command()
    @ends
    def command() -> int:
        progress("working…")
        print_json({"ä": 1})
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return CliRunner().invoke(app)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_number_that_a_subcommand_returns_is_its_exit_code(code: int) -> None:
    done = ended(code)
    assert (done.exit_code, done.stderr) == (code, "working…\n")
    assert done.stdout == '{\n  "ä": 1\n}\n'
    assert json.loads(done.stdout)


def test_what_the_user_can_fix_is_a_message() -> None:
    done = ended(CommandError("--stack: is not given"))
    assert (done.exit_code, done.stderr) == (2, "working…\nerror: --stack: is not given\n")


def test_an_interrupted_subcommand_says_nothing_more() -> None:
    done = ended(KeyboardInterrupt())
    assert (done.exit_code, done.stderr) == (130, "working…\n")


def test_an_error_of_our_own_stays_one() -> None:
    assert isinstance(ended(ZeroDivisionError()).exception, ZeroDivisionError)
