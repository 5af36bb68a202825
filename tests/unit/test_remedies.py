"""A command is told as somebody can type it."""

from pathlib import Path

import pytest

from carbide_infra.remedies import typed


def test_where_there_is_no_makefile_of_ours_the_command_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/Pulumi.yaml").touch()
    # Somebody else's.
    (tmp_path / "images/Makefile").touch()
    monkeypatch.chdir(tmp_path / "images")
    assert typed("pin-bases", "prod") == "carbide-infra pin-bases --stack prod"
    assert typed("up") == "carbide-infra up"
    (tmp_path / "images/devenv").mkdir()
    assert typed("pin-bases", "prod") == "make pin-bases STACK=prod"
    assert typed("up") == "make up"


def test_outside_a_project_it_is_told_as_the_documents_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert typed("up") == "make up"
