"""Which programs are found, and what is said where one is missing."""

from pathlib import Path

import pytest

from carbide_infra import programs
from carbide_infra.errors import MissingPrerequisite
from carbide_infra.programs import find_buildx, find_pulumi


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder on PATH, and the current one, which is not a project."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr(programs, "SHARED_DOCKER_FOLDERS", ())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def install(program: Path) -> Path:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.touch(mode=0o755)
    return program


def test_buildx_may_be_dockers_plugin(folder: Path) -> None:
    plugin = install(folder / "docker/cli-plugins/docker-buildx")
    assert find_buildx() == plugin
    alone = install(folder / "buildx")
    assert find_buildx() == alone


@pytest.mark.usefixtures("folder")
def test_without_a_checkout_the_page_to_install_it_from_is_named() -> None:
    with pytest.raises(MissingPrerequisite, match=r"^pulumi: is not on PATH; install it from https://www\.pulumi\.com"):
        find_pulumi()


def test_in_a_checkout_the_way_out_is_make(folder: Path) -> None:
    (folder / "Pulumi.yaml").touch()
    (folder / "devenv").mkdir()
    with pytest.raises(MissingPrerequisite, match=r'^buildx: is not on PATH; .* eval "\$\(make -s env\)"'):
        find_buildx()
