"""A builder of the machine's becomes current for this checkout alone."""

from pathlib import Path

from devenv.chosen_builder import users_buildx, with_choice_of_its_own


def test_the_users_own_current_builder_stays(tmp_path: Path) -> None:
    users = tmp_path / "docker/buildx"
    (users / "instances").mkdir(parents=True)
    (users / "instances/fleet").write_text("{}")
    (users / "current").write_text("mine")
    found = with_choice_of_its_own({"DOCKER_CONFIG": str(tmp_path / "docker")}, tmp_path / "checkout")
    folder = Path(found["BUILDX_CONFIG"])
    assert (folder / "instances/fleet").read_text() == "{}"
    assert not (folder / "current").exists()
    (folder / "current").write_text("fleet")
    again = with_choice_of_its_own(found, tmp_path / "checkout")
    assert again == found
    assert ((folder / "current").read_text(), (users / "current").read_text()) == ("fleet", "mine")
    assert users_buildx(found, tmp_path / "checkout") is None


def test_a_folder_that_the_user_has_chosen_is_found_again(tmp_path: Path) -> None:
    chosen = {"BUILDX_CONFIG": str(tmp_path / "mine")}
    (tmp_path / "mine/instances").mkdir(parents=True)
    found = with_choice_of_its_own(chosen, tmp_path / "checkout")
    assert (Path(found["BUILDX_CONFIG"]) / "instances").samefile(tmp_path / "mine/instances")
    assert users_buildx(found, tmp_path / "checkout") == chosen["BUILDX_CONFIG"]
    assert users_buildx(chosen, tmp_path / "checkout") == chosen["BUILDX_CONFIG"]
