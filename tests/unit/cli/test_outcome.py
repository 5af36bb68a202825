"""How a subcommand ends, and what building an image once more takes from its stack."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from carbide_infra.cli import rebuild_environment as kitchen
from carbide_infra.cli.outcome import CommandError, ends, print_json, progress
from carbide_infra.cli.rebuild_environment import kitchen_of
from carbide_infra.cli.stacks import StackCli
from devenv.toolchain import Tools


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


def test_what_the_user_can_mend_is_a_message() -> None:
    done = ended(CommandError("--stack: is not given"))
    assert (done.exit_code, done.stderr) == (2, "working…\nerror: --stack: is not given\n")


def test_an_interrupted_subcommand_says_nothing_more() -> None:
    done = ended(KeyboardInterrupt())
    assert (done.exit_code, done.stderr) == (130, "working…\n")


def test_an_error_of_our_own_stays_one() -> None:
    assert isinstance(ended(ZeroDivisionError()).exception, ZeroDivisionError)


def test_a_kitchen_is_of_its_stack_and_named_as_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/go.mod").write_text("module example.com/x\n")
    tools = Tools(*(tmp_path / name for name in ("bin", "pulumi", "buildx", "r", "p", "c", "d")))
    monkeypatch.setattr(kitchen, "docker_answers", lambda: True)
    monkeypatch.setattr(kitchen, "ensure_tools", lambda _, *, embedded: None if embedded else tools)
    stack = StackCli("prod", tmp_path / "pulumi", tmp_path, {"GOPRIVATE": "git.example"})
    values = {"registryServer": "nvcr.io", "registryRepository": "org/team", "source": "source", "gitcreds": "s3cr3t"}
    made, other = (kitchen_of(stack, values, cold=cold) for cold in (True, False))
    assert (made.project, made.source, made.buildx) == (tmp_path, tmp_path / "source", tmp_path / "buildx")
    assert made.environment == stack.environment
    assert (made.secrets["gitcreds"], made.secrets["goenv"]) == ("s3cr3t", "GOPRIVATE=git.example\n")
    assert (made.cold, other.cold) == (True, False)
    assert made.run != other.run
    assert "s3cr3t" not in repr(made)
