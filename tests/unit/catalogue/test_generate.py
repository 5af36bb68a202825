"""Writing what follows from the catalogue, and noticing when it was not."""

from pathlib import Path

import pytest

from carbide_infra.catalogue import generate, schema
from carbide_infra.catalogue.template import render
from tests.unit.catalogue.samples import load

TEXT = "schemaVersion: 1\nimages:\n  a: {package: ./a}\n  b: {package: ./b}\n"


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(schema, "FILE", tmp_path / "schema.json")
    file = tmp_path / "production/services.yaml"
    file.parent.mkdir()
    file.write_text(TEXT)
    return file


def run(catalogue: Path, *arguments: str) -> int:
    return generate.main(["--catalogue", str(catalogue), *arguments])


def test_every_image_gets_its_dockerfile_and_the_language_its_schema(catalogue: Path, tmp_path: Path) -> None:
    assert run(catalogue) == 0
    assert sorted(file.name for file in catalogue.parent.iterdir()) == ["Dockerfile.a", "Dockerfile.b", "services.yaml"]
    assert (catalogue.parent / "Dockerfile.b").read_text() == render(load(tmp_path, TEXT).images[1])
    assert (tmp_path / "schema.json").read_text() == schema.schema()


def test_what_is_generated_passes_the_check(catalogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(catalogue)
    assert run(catalogue, "--check") == 0
    assert capsys.readouterr().err == ""


def test_a_difference_is_named_and_nothing_written(catalogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(catalogue)
    first, second = catalogue.parent / "Dockerfile.a", catalogue.parent / "Dockerfile.b"
    first.write_text(first.read_text() + "RUN id\n")
    second.unlink()
    assert run(catalogue, "--check") == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{first} is not what the catalogue says; run make generate",
        f"{second} is not what the catalogue says; run make generate",
    ]
    assert not second.exists()


def test_a_generated_dockerfile_of_no_image_is_removed(catalogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(catalogue)
    catalogue.write_text(TEXT.replace("  b: {package: ./b}\n", ""))
    own = catalogue.parent / "Dockerfile.own"
    own.write_text("FROM scratch\n")
    left = catalogue.parent / "Dockerfile.b"
    assert run(catalogue, "--check") == 1
    assert capsys.readouterr().err == f"{left} is of no image in the catalogue; run make generate\n"
    assert run(catalogue) == 0
    assert not left.exists()
    assert own.exists()


def test_a_catalogue_that_is_wrong_writes_nothing(catalogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalogue.write_text(TEXT.replace("./b", "/b"))
    assert run(catalogue) == 1
    assert f"{catalogue}:4: b: package = /b: is not a folder below the source root" in capsys.readouterr().err
    assert [file.name for file in catalogue.parent.iterdir()] == ["services.yaml"]
