"""`carbide-infra catalogue`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from carbide_infra.catalogue.template import package_template
from carbide_infra.cli.app import app


def ran(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["catalogue", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_a_catalogue_is_brought_to_this_version(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text("# Ours.\nimages: {a: {package: ./a}}\n")
    assert ran("migrate", str(file)) == (0, "", f"Wrote {file}\n")
    assert file.read_text() == "# Ours.\nschemaVersion: 1\nimages: {a: {package: ./a}}\n"
    assert ran("migrate", str(file)) == (0, "", f"{file} is as it was\n")


@pytest.mark.parametrize("text", ["schemaVersion: 9\nimages: {}\n", None])
def test_what_cannot_be_is_said_and_nothing_is_written(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "services.yaml"
    if text is not None:
        file.write_text(text)
    code, _, said = ran("migrate", str(file))
    assert code == 2
    assert said.startswith(f"error: {file}")
    assert len(said.splitlines()) == 1
    assert (file.read_text() if file.exists() else None) == text


def test_the_template_is_printed() -> None:
    assert ran("template") == (0, package_template(), "")
