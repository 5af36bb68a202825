"""The registry's password, and the Docker configuration that programs know it from."""

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.registry.credentials import Credentials, docker_credentials
from devenv.registry_login import Login, ensure_login, htpasswd_file, password_file, with_login, without_login
from tests.support.fake_programs import FakeProgram

SERVER = "vm:5443"


@pytest.fixture
def registry(tmp_path: Path) -> FakeProgram:
    program = FakeProgram(tmp_path / "bin", "registry")
    program.answer("htpasswd carbide", does="printf 'carbide:hash-of-'; cat")
    return program


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """The user's own configuration, with a login, a store for all others, and a context."""
    folder = tmp_path / "docker"
    (folder / "contexts").mkdir(parents=True)
    mine = {"auth": base64.b64encode(b"me:mine").decode()}
    config = {"auths": {"nvcr.io": mine}, "credsStore": "corp", "credHelpers": {"gcr.io": "gcloud"}, "detachKeys": "x"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def config_of(environment: dict[str, str]) -> dict[str, object]:
    return dict(json.loads((Path(environment["DOCKER_CONFIG"]) / "config.json").read_text()))


def test_each_checkout_has_a_random_password_that_nobody_else_reads(tmp_path: Path, registry: FakeProgram) -> None:
    logins = {ensure_login(tmp_path / name, registry.path).password for name in ("a", "b")}
    assert len(logins) == 2
    assert all(len(password) >= 40 for password in logins)
    assert ensure_login(tmp_path / "a", registry.path).password in logins, "it stays"
    for file in (password_file(tmp_path / "a"), htpasswd_file(tmp_path / "a")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_password_is_in_no_command_line_and_in_no_text_of_the_login(tmp_path: Path, registry: FakeProgram) -> None:
    login = ensure_login(tmp_path, registry.path)
    assert registry.calls == ["htpasswd carbide"]
    assert htpasswd_file(tmp_path).read_text() == f"carbide:hash-of-{login.password}"
    assert login.password not in repr(login)


@pytest.mark.parametrize("lost", [password_file, htpasswd_file])
def test_a_deleted_password_is_changed(tmp_path: Path, registry: FakeProgram, lost: object) -> None:
    first = ensure_login(tmp_path, registry.path)
    (password_file if lost is password_file else htpasswd_file)(tmp_path).unlink()
    assert ensure_login(tmp_path, registry.path) != first


def test_a_registry_that_makes_no_login_is_one_sentence(tmp_path: Path, registry: FakeProgram) -> None:
    registry.answer("htpasswd", error="no entropy", code=1)
    with pytest.raises(SetupError, match="The local registry's login could not be made: no entropy"):
        ensure_login(tmp_path, registry.path)
    assert not password_file(tmp_path).exists()


def test_programs_know_the_login_beside_the_users_own(tmp_path: Path, registry: FakeProgram, docker: Path) -> None:
    login = ensure_login(tmp_path, registry.path)
    environment = with_login({"DOCKER_CONFIG": str(docker), "PATH": "/nowhere"}, tmp_path, SERVER)
    assert docker_credentials(SERVER, {**environment, "PATH": os.environ["PATH"]}) == Credentials(
        "carbide", login.password
    )
    config = config_of(environment)
    assert set(config["auths"]) == {"nvcr.io", SERVER}  # type: ignore[call-overload]
    assert config["credHelpers"] == {"gcr.io": "gcloud", SERVER: ""}
    assert (config["credsStore"], config["detachKeys"]) == ("corp", "x")
    folder = Path(environment["DOCKER_CONFIG"])
    assert (folder / "contexts").samefile(docker / "contexts")
    assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
    assert "vm" not in (docker / "config.json").read_text(), "the user's own stays as it is"


def test_a_shell_that_has_it_already_gets_the_users_own_again(
    tmp_path: Path, registry: FakeProgram, docker: Path
) -> None:
    ensure_login(tmp_path, registry.path)
    for users in ({"DOCKER_CONFIG": str(docker)}, {"HOME": str(tmp_path)}):
        first = with_login(users, tmp_path, SERVER)
        assert with_login(first, tmp_path, SERVER) == first
        assert without_login(first, tmp_path) == users


def test_without_a_registry_nothing_is_changed(tmp_path: Path) -> None:
    assert with_login({"HOME": "/me"}, tmp_path, SERVER) == {"HOME": "/me"}


def test_a_login_is_not_printed() -> None:
    assert "s3cr3t" not in str(Login("s3cr3t"))
