"""`carbide-infra images`: where it reads, what it prints, and how it ends."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from carbide_infra.cli import images as command
from carbide_infra.cli.app import app
from carbide_infra.cli.options import NO_STACK
from carbide_infra.outputs import SCHEMA_VERSION
from tests.support.catalogue import CATALOGUE
from tests.support.outputs import exported

API = "carbide-rest-api"


def run(*arguments: str, given: object = None) -> Result:
    text = given if isinstance(given, str) else json.dumps(given)
    return CliRunner().invoke(app, ["images", *arguments], input=text, env={"STACK": None})


def test_the_table_has_every_image_with_its_whole_digest() -> None:
    done = run("--from", "-", given=exported())
    assert done.exit_code == 0
    for name, image in exported()["images"].items():
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{name} ")]
        assert f"{image['repository']}:{image['tags'][0]}" in line
        assert image["digest"] in line
        assert "linux/amd64, linux/arm64" in line


@pytest.mark.parametrize("arguments", [("--json",), ("--format", "json")])
def test_json_can_be_read_again(arguments: tuple[str, ...]) -> None:
    done = run("--from", "-", *arguments, given=exported())
    assert json.loads(done.stdout) == exported()
    assert json.loads(run("--from", "-", *arguments, given=done.stdout).stdout) == exported()


@pytest.mark.parametrize("form", ["helm-values", "kustomize", "compose"])
def test_the_formats_are_yaml_and_nothing_else(form: str) -> None:
    done = run("--from", "-", "--format", form, given=exported())
    assert done.exit_code == 0
    assert yaml.safe_load(done.stdout)
    assert done.stderr == ""


def test_env_is_lines_for_a_shell() -> None:
    lines = run("--from", "-", "--format", "env", given=exported()).stdout.splitlines()
    assert len(lines) == len(CATALOGUE)
    assert f"CARBIDE_REST_API_IMAGE={exported()['images'][API]['ref']}" in lines


def test_a_saved_file_will_do(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(exported()))
    assert json.loads(run("--from", str(file), "--json").stdout) == exported()


def test_the_images_alone_will_do() -> None:
    assert json.loads(run("--from", "-", "--json", given=exported()["images"]).stdout) == exported()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nonsense", r"standard input: is not JSON"),
        ([], r"standard input: is not a JSON object"),
        ({}, r"standard input: has no outputs yet"),
        ({"vpc": "x"}, r"standard input: has no output schemaVersion"),
        (exported() | {"schemaVersion": SCHEMA_VERSION + 1}, r"standard input: .*schema version 3.*upgrade"),
    ],
)
def test_what_cannot_be_read_is_named(given: object, message: str) -> None:
    done = run("--from", "-", given=given)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert re.search(message, done.stderr)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    done = run("--from", str(tmp_path / "none.json"))
    assert done.exit_code == 2
    assert "none.json: cannot be read: No such file" in done.stderr


def test_without_a_stack_the_ways_to_name_one_are_told() -> None:
    done = run()
    assert (done.exit_code, done.stderr) == (2, f"error: {NO_STACK}\n")


class Cli:
    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found

    def outputs(self) -> dict[str, Any]:
        return self.found


def test_a_stack_is_asked_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def opened(name: str) -> Cli:
        asked.append(name)
        return Cli(exported())

    monkeypatch.setattr(command, "open_stack", opened)
    done = run("--stack", "my-org/carbide-infra/prod", "--json")
    assert json.loads(done.stdout) == exported()
    assert asked == ["my-org/carbide-infra/prod"]


def test_a_stack_without_outputs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "open_stack", lambda _: Cli({}))
    done = run("--stack", "prod")
    assert done.exit_code == 2
    assert "stack prod: has no outputs yet" in done.stderr
