"""Where things are kept: the checkout, its state, and what all checkouts share."""

from pathlib import Path

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.paths import cache_dir, project_root, state_dir


def test_the_project_is_the_checkout_that_has_the_package() -> None:
    assert project_root() == Path(__file__).resolve().parents[2]


def test_an_installed_package_has_no_project(monkeypatch: pytest.MonkeyPatch) -> None:
    root = project_root()
    monkeypatch.setattr(Path, "is_file", lambda path: path != root / "Pulumi.yaml")
    with pytest.raises(SetupError, match=f"^No Pulumi.yaml in {root}: install the package with `pip install -e`"):
        project_root()


def test_a_linked_checkout_is_found_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real/package").mkdir(parents=True)
    (tmp_path / "real/Pulumi.yaml").touch()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setattr("carbide_infra.paths.__file__", str(tmp_path / "link/package/paths.py"))
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
