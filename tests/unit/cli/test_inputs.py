"""`carbide-infra inputs` on the sample tree."""

import json

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
