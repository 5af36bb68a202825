"""`carbide-infra doctor`: findings of another program, and a machine without the engine."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from carbide_infra.cli.app import app
from carbide_infra.diagnosis.finding import fail, ok
from tests.support.fake_programs import FakeProgram


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: carbide-infra\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  carbide-infra:registryServer: local\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.defpath)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments], env={"STACK": None})


def test_given_findings_come_first_and_count(project: Path) -> None:
    given = [ok("go", "/usr/bin/go"), fail("engine", "is not built yet", "make tools")]
    (project / "findings.json").write_text(json.dumps([asdict(finding) for finding in given]))
    done = run("--findings", "findings.json", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)[:2] == [asdict(finding) for finding in given]


def test_a_file_of_something_else_is_named(project: Path) -> None:
    (project / "findings.json").write_text('[{"x": 1}]')
    done = run("--findings", "findings.json")
    assert done.exit_code == 2
    assert "--findings findings.json: is not a list of findings" in done.stderr


@pytest.mark.usefixtures("project")
def test_it_works_without_the_engine() -> None:
    found = {finding["subject"]: finding for finding in json.loads(run("--json").stdout)}
    assert (found["pulumi"]["level"], found["pulumi"]["told"]) == ("fail", "is not on PATH")
    assert found["stack"]["level"] == "warn"
    assert found["configuration"]["level"] == "fail"


def test_row_20_a_damaged_state_is_named_with_the_way_back(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = FakeProgram(project / "programs", "pulumi")
    pulumi.answer("config", {})
    monkeypatch.setenv("PATH", f"{pulumi.path.parent}:{os.defpath}")
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{project}")
    state = project / ".pulumi/stacks/carbide-infra/dev.json"
    state.parent.mkdir(parents=True)
    whole = '{"version": 3, "checkpoint": {"latest": null}}'
    state.write_text(whole[:20])
    state.with_name("dev.json.bak").write_text(whole)
    done = run("--stack", "dev", "--json")
    assert done.exit_code == 1
    found = next(finding for finding in json.loads(done.stdout) if finding["subject"] == "state")
    assert found["level"] == "fail"
    assert f"the state in {state} is damaged" in found["told"]
    assert f"{state}.bak, is whole" in found["told"]
    assert f"cp {state}.bak {state}" in found["fix"]
    assert state.read_text() == whole[:20], "nothing is copied unasked"
    state.write_text(whole)
    assert "state" not in {finding["subject"] for finding in json.loads(run("--stack", "dev", "--json").stdout)}


def test_a_command_that_is_to_be_copied_is_not_folded(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carbide_infra.cli.doctor.wide_console", lambda: Console(width=40))
    command = f"cp {'x' * 50}.bak {'x' * 50}"
    given = [fail("state", "is damaged", f"copy it back:\n    {command}"), fail("go", "is missing", "install it")]
    (project / "findings.json").write_text(json.dumps([asdict(finding) for finding in given]))
    lines = run("--findings", "findings.json").stdout.splitlines()
    assert f"    {command}" in lines
    assert "copy it back: below" in " ".join(" ".join(lines).split())
