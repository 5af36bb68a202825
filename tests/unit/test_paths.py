"""Where things are kept: the project, its state, and what all checkouts share."""

from pathlib import Path

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.paths import cache_dir, project_root, state_dir


def test_the_project_is_the_nearest_folder_above_that_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for project in ("outer", "outer/inner"):
        (tmp_path / project).mkdir()
        (tmp_path / project / "Pulumi.yaml").touch()
    (tmp_path / "outer/inner/api/cmd").mkdir(parents=True)
    for folder in ("outer/inner/api/cmd", "outer/inner"):
        monkeypatch.chdir(tmp_path / folder)
        assert project_root() == tmp_path / "outer/inner"


def test_without_a_project_the_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SetupError, match=f"^No Pulumi.yaml in {tmp_path}, nor in a folder above: run this command"):
        project_root()


def test_a_linked_checkout_is_found_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/Pulumi.yaml").touch()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "link")
    assert project_root() == tmp_path / "real"


def test_a_checkout_keeps_its_state_in_itself() -> None:
    assert state_dir(Path("/checkout")) == Path("/checkout/.local")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "{home}/.cache/carbide-infra"),
        ({"XDG_CACHE_HOME": "/shared"}, "/shared/carbide-infra"),
        ({"XDG_CACHE_HOME": "relative"}, "{home}/.cache/carbide-infra"),
        ({"XDG_CACHE_HOME": ""}, "{home}/.cache/carbide-infra"),
        ({"CARBIDE_CACHE_DIR": "/chosen", "XDG_CACHE_HOME": "/shared"}, "/chosen"),
        ({"CARBIDE_CACHE_DIR": "~/chosen"}, "{home}/chosen"),
        ({"CARBIDE_CACHE_DIR": "chosen"}, "{here}/chosen"),
        ({"CARBIDE_CACHE_DIR": ""}, "{home}/.cache/carbide-infra"),
    ],
)
def test_what_checkouts_share_is_where_the_user_wants_it(
    variables: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("CARBIDE_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_dir() == Path(expected.format(home=tmp_path / "home", here=Path.cwd()))
