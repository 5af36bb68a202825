"""Whose builds may use which compile cache."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from carbide_infra.settings import Settings, load_settings
from devenv.trust import Trust, trust_of


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def repository(folder: Path) -> Path:
    folder.mkdir()
    (folder / "VERSION").write_text("1.4.0\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "All")
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CARBIDE_REF", raising=False)
    repository(tmp_path / "source")
    return repository(tmp_path / "project")


def settings(server: str = "nvcr.io") -> Settings:
    return load_settings({"registryServer": server, "registryRepository": "x", "source": "../source"}, {})


def edited(folder: Path) -> None:
    (folder / "Dockerfile").write_text("FROM scratch\n")


def branched(folder: Path) -> None:
    git(folder, "switch", "--quiet", "--create", "feature")


def unknown(folder: Path) -> None:
    (folder / ".git").rename(folder.parent / "nothing")


def test_a_clean_main_is_trusted_for_a_stack_that_others_use(project: Path) -> None:
    assert trust_of(settings(), project) is Trust.MAIN
    assert trust_of(settings("local"), project) is Trust.OTHER, "a development stack builds whatever is there"


@pytest.mark.parametrize("which", ["project", "source"], ids=["its Dockerfiles", "its source"])
@pytest.mark.parametrize("done", [edited, branched, unknown])
def test_what_main_has_not_got_is_built_apart(project: Path, which: str, done: Callable[[Path], None]) -> None:
    """A branch's Dockerfile must not leave anything where a production build finds it."""
    done(project.parent / which)
    assert trust_of(settings(), project) is Trust.OTHER


def test_a_release_has_caches_of_its_own(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBIDE_REF", "refs/tags/v1.4.0")
    assert trust_of(settings(), project) is Trust.MAIN, "there is no such tag"
    for tree in (project, project.parent / "source"):
        git(tree, "tag", "v1.4.0")
    assert trust_of(settings(), project) is Trust.RELEASE
    branched(project)
    git(project, "commit", "--quiet", "--allow-empty", "-m", "Other")
    monkeypatch.setenv("CARBIDE_REF", "refs/heads/feature")
    assert trust_of(settings(), project) is Trust.OTHER


def test_a_ref_that_makes_no_sense_is_not_trusted(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBIDE_REF", "main")
    assert trust_of(settings(), project) is Trust.OTHER
