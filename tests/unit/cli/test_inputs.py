"""`carbide-infra inputs` on the sample tree."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from carbide_infra.cli.inputs import app
from tests.support.catalogue import CATALOGUE


def ask(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["--stack", "dev", *arguments])
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def test_each_line_is_an_image_and_a_file() -> None:
    lines = ask("--image", "carbide-rest-ipam").splitlines()
    assert {line.split("  ")[0] for line in lines} == {"carbide-rest-ipam"}
    assert "carbide-rest-ipam  ipam/pkg/prefix/prefix.go" in lines
    assert lines[-1] == "carbide-rest-ipam  docker/production/Dockerfile.carbide-rest-ipam"


def test_as_json_every_file_has_its_digest() -> None:
    found = json.loads(ask("--json"))
    assert set(found) == set(CATALOGUE)
    assert all(len(file["sha256"]) == 64 for image in found.values() for file in image["files"])


@pytest.mark.parametrize("file", ["ipam/pkg/prefix/prefix.go", "examples/carbide-rest-api/ipam/pkg/prefix/prefix.go"])
def test_a_file_reaches_its_importers(file: str) -> None:
    lines = ask("--who", file).splitlines()
    assert lines == [
        f"{file} reaches 2 of 7 images",
        "  carbide-rest-api   api/cmd/api → ipam/pkg/prefix",
        "  carbide-rest-ipam  ipam/cmd/server → ipam/pkg/prefix",
    ]


@pytest.mark.parametrize("module", ["go.yaml.in/yaml/v3", "go.yaml.in/yaml/v3@v3.0.6"])
def test_a_module_reaches_what_links_it(module: str) -> None:
    assert ask("--who", module).splitlines() == [
        f"{module} reaches 1 of 7 images",
        "  carbide-rest-site-manager  go.yaml.in/yaml/v3@v3.0.6",
    ]


def test_a_file_that_nothing_is_made_of() -> None:
    assert json.loads(ask("--who", "docs/settings.md", "--json")) == {"docs/settings.md": {}}


@pytest.mark.parametrize("argument", [("--who", "none.go"), ("--image", "none")])
def test_a_name_that_is_none(argument: tuple[str, str]) -> None:
    done = CliRunner().invoke(app, ["--stack", "dev", *argument])
    assert (done.exit_code, done.stdout) == (2, "")
    assert " ".join(argument) in done.stderr


def test_an_image_with_a_dockerfile_of_its_own_lists_what_that_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "Pulumi.yaml": "name: theirs\n",
        "Pulumi.dev.yaml": "config: {theirs:source: tree, theirs:catalogue: services.yaml}\n",
        "services.yaml": "schemaVersion: 1\nimages:\n  a: {dockerfile: Dockerfile}\n",
        "tree/Dockerfile": "FROM scratch\nCOPY app Dockerfile /\n",
        "tree/app/x": "",
        "tree/other": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert ask().splitlines() == ["a  app/x", "a  Dockerfile"]
    assert ask("--who", "tree/app/x").splitlines() == ["tree/app/x reaches 1 of 1 images", "  a  directly"]
    found = json.loads(ask("--json"))["a"]
    assert (found["package"], found["packages"], found["dockerfile"]) == (None, [], "Dockerfile")
