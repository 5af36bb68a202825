"""`python -m devenv`: what it becomes, in which environment, and when it starts daemons first."""

import json
import os
import sys
import unittest.mock
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from carbide_infra.errors import SetupError
from devenv import Start, cli


class Became(Exception):
    """In the place of another program in this process."""


class Kit:
    """A machine on which `ensure` does nothing but note what it is asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.asked: list[tuple[str, Start]] = []
        self.became: tuple[Path, list[str], dict[str, str]] | None = None
        for program in ("carbide-infra", "pulumi"):
            (folder / program).touch(mode=0o755)
        (folder / "Pulumi.yaml").touch()
        monkeypatch.chdir(folder)
        monkeypatch.setattr(cli, "ensure", self.ensure)
        monkeypatch.setattr(os, "execve", self.become)

    def ensure(self, stack: str, start: Start = Start.NEVER, report: object = None) -> dict[str, str]:  # noqa: ARG002
        self.asked.append((stack, start))
        return {"PATH": str(self.folder), "PULUMI_HOME": "/home"}

    def become(self, program: Path, command: list[str], environment: dict[str, str]) -> None:
        self.became = program, command, environment
        raise Became

    def run(self, *arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(cli.app, [*arguments], env={"STACK": None, **environment})


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kit:
    return Kit(tmp_path, monkeypatch)


def test_it_becomes_the_command_and_names_the_stack(kit: Kit) -> None:
    kit.run("run", "--stack", "prod", "--", "carbide-infra", "report", "--format", "json")
    environment = {"PATH": str(kit.folder), "PULUMI_HOME": "/home", "STACK": "prod"}
    assert kit.became == (kit.folder / "carbide-infra", ["carbide-infra", "report", "--format", "json"], environment)


def test_a_script_for_this_python_runs_in_this_process(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    script = kit.folder / "carbide-infra"
    told = "[__name__, os.getpid(), sys.argv, sys.path[0], dict(os.environ)]"
    script.write_text(f"#!{sys.executable}\nimport json, os, sys\nprint(json.dumps({told}))\nsys.exit(3)\n")
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with unittest.mock.patch.dict(os.environ, OF_THE_SHELL="1"):
        done = kit.run("run", "--stack", "prod", "--", "carbide-infra", "report", "--wide")
    environment = {"PATH": str(kit.folder), "PULUMI_HOME": "/home", "STACK": "prod"}
    assert json.loads(done.stdout) == [
        *("__main__", os.getpid()),
        *([str(script), "report", "--wide"], str(kit.folder), environment),
    ]
    assert (done.exit_code, kit.became) == (3, None)


def test_a_script_for_another_python_is_a_program_like_any_other(kit: Kit) -> None:
    (kit.folder / "carbide-infra").write_text(f"#!{sys.executable}3\n")
    kit.run("run", "--", "carbide-infra", "report")
    assert kit.became


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ((), Start.NEVER),
        (("--start",), Start.ALWAYS),
        (("--start", "--if-local"), Start.LOCAL),
        (("--start", "--if-new"), Start.ONCE),
        (("--start", "--unpinned"), Start.UNPINNED),
    ],
)
def test_when_daemons_are_started(kit: Kit, options: tuple[str, ...], start: Start) -> None:
    kit.run("run", *options, "--", "pulumi", STACK="prod")
    assert kit.asked == [("prod", start)]


def test_a_command_that_is_not_there_is_named(kit: Kit) -> None:
    done = kit.run("run", "--", "no-such-program")
    assert (done.exit_code, done.stderr) == (1, "error: no-such-program: is not on PATH\n")


def test_what_is_in_the_way_is_one_message(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> dict[str, str]:
        message = "The disk is full."
        raise SetupError(message)

    monkeypatch.setattr(cli, "ensure", fails)
    done = kit.run("run", "--", "pulumi")
    assert (done.exit_code, done.stderr) == (1, "error: The disk is full.\n")


def test_the_doctor_builds_nothing(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: Any) -> None:  # noqa: ANN401 - it is not called
        pytest.fail("the doctor set something up")

    monkeypatch.setattr(cli, "missing_tools", lambda **_: ["pulumi 3.259.0"])
    monkeypatch.setattr(cli, "ensure_tools", never)
    monkeypatch.setattr(cli, "ensure", never)
    monkeypatch.setattr(cli, "docker_answers", lambda: False)
    monkeypatch.setattr(cli, "_is_for_this_python", lambda _: False)  # It finds the one of this environment.
    monkeypatch.setenv("PATH", f"{kit.folder}{os.pathsep}{os.defpath}")
    kit.run("doctor", "--", "--json")
    assert kit.became is not None
    _, command, environment = kit.became
    file = kit.folder / ".local/findings.json"
    assert command == ["carbide-infra", "doctor", "--findings", str(file), "--json"]
    assert environment["STACK"] == "dev"
    found = {finding["subject"]: finding for finding in json.loads(file.read_text())}
    assert (found["tools"]["level"], found["tools"]["told"]) == ("fail", "pulumi 3.259.0 is not built yet")


def test_the_kits_own_lines_are_folded_at_words_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "the registry's program cannot be built: no compiler in /usr/lib/go/bin, and none to be downloaded"

    def fail(_: object) -> None:
        raise SetupError(message)

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(cli, "needed_tools", fail)
    with pytest.raises(typer.Exit):
        cli.tools()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 2
    assert all(len(line) <= 40 for line in lines)
    assert " ".join(" ".join(lines).split()) == f"error: {message}"
