"""How a subcommand ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from carbide_infra.cli.outcome import ends, print_json
from carbide_infra.errors import CommandError
from carbide_infra.messages import complain, progress


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


TEXT = (
    "carbide-site-agent failed: com.nvidia.carbide.stand-in-base is a label and this line is longer than a terminal is"
)


def test_at_a_terminal_lines_are_folded_at_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    progress(f"{TEXT}\n    {TEXT}\n\n{'x' * 60}")
    lines = capsys.readouterr().err.splitlines()
    assert all(len(line) <= 40 for line in lines[:-1])
    assert " ".join(" ".join(lines).split()) == f"{TEXT} {TEXT} {'x' * 60}"
    assert {len(line) - len(line.lstrip()) for line in lines} == {0, 2, 4, 6}
    assert "" in lines


def test_elsewhere_a_line_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    progress(TEXT)
    assert capsys.readouterr().err == f"{TEXT}\n"


@pytest.mark.parametrize(("set_to", "color"), [("", None), ("1", False)])
def test_an_error_has_a_colour_where_somebody_wants_it(
    set_to: str, monkeypatch: pytest.MonkeyPatch, *, color: bool | None
) -> None:
    seen: list[dict[str, object]] = []
    monkeypatch.setattr(typer, "secho", lambda _, **how: seen.append(how))
    monkeypatch.setenv("NO_COLOR", set_to)
    complain("error: no", typer.colors.RED)
    assert seen == [{"fg": "red", "err": True, "color": color}]


COMMAND = """
import sys, tempfile, time
from pathlib import Path
from carbide_infra.cli.outcome import acts

@acts
def command():
    with tempfile.TemporaryDirectory(dir=sys.argv[1]) as folder:
        (Path(folder) / "login.json").write_text("s3cr3t")
        print("ready", flush=True)
        time.sleep(60)

command()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_told_to_end_leaves_no_secret_in_a_temporary_folder(
    tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", COMMAND, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, number)
        process.stdout.read()
    assert list(tmp_path.iterdir()) == []
    assert process.returncode != 0


def test_a_subcommand_leaves_signals_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)
    ended(0)
    assert signal.getsignal(signal.SIGTERM) == before
