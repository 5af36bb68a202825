"""A credential store that does not work, and the copy of Docker's configuration that does without."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.registry import docker_config
from carbide_infra.registry.credentials import Credentials, docker_credentials
from carbide_infra.registry.docker_config import broken_store, without_store
from tests.support.fake_programs import FakeProgram

LOGIN = {"auth": base64.b64encode(b"me:mine").decode()}
CONFIG = {"credsStore": "corp", "auths": {"a.test": LOGIN, "b.test": {}, "c.test": None}, "currentContext": "fleet"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(json.dumps(CONFIG))
    return {"DOCKER_CONFIG": str(tmp_path / "docker"), "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}


@pytest.fixture
def store(tmp_path: Path) -> FakeProgram:
    return FakeProgram(tmp_path / "bin", "docker-credential-corp")


def test_a_store_that_lists_its_logins_works(environment: dict[str, str], store: FakeProgram) -> None:
    store.answer("list", {"https://index.docker.io/v1/": "me"})
    assert broken_store(environment) is None
    assert store.calls == ["list"]


@pytest.mark.parametrize(
    ("output", "error", "code", "problem"),
    [
        ("not a list", "", 0, "does not answer with a list of logins"),
        ("[]", "", 0, "does not answer with a list of logins"),
        ("", "", 0, "does not answer with a list of logins"),
        ("", "usage: get\nno list here", 1, "fails to list its logins (no list here)"),
        ("locked", "", 1, "fails to list its logins (locked)"),
        ("", "", 7, "fails to list its logins (exit code 7)"),
    ],
)
def test_a_broken_store_is_named_with_its_file(
    output: str, error: str, code: int, problem: str, environment: dict[str, str], store: FakeProgram
) -> None:
    store.answer("list", output, error=error, code=code)
    file = Path(environment["DOCKER_CONFIG"]) / "config.json"
    assert str(broken_store(environment)) == f"docker-credential-corp, the credsStore of {file}, {problem}"


def test_what_a_store_says_may_be_no_text(environment: dict[str, str], store: FakeProgram) -> None:
    store.answer("list", does="printf 'locked \\377\\n'; exit 1")
    assert str(broken_store(environment)).endswith("fails to list its logins (locked \ufffd)")


def test_a_store_has_nobody_to_ask(
    environment: dict[str, str], store: FakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.answer("list", {})
    given, run = list[object](), subprocess.run

    def noted(command: list[str], **options: Any) -> Any:  # noqa: ANN401 - those of subprocess.run
        given.append(options.get("stdin"))
        return run(command, **options)

    monkeypatch.setattr("subprocess.run", noted)
    assert broken_store(environment) is None
    assert given == [subprocess.DEVNULL]


def test_a_store_that_is_not_installed_or_hangs_is_broken(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert str(broken_store(environment)).endswith(" is not on PATH")
    monkeypatch.setattr(docker_config, "_STORE_SECONDS", 0.05)
    FakeProgram(tmp_path / "bin", "docker-credential-corp").answer("list", does="exec sleep 9")
    assert str(broken_store(environment)).endswith(" does not answer in 0.05 s")
    (tmp_path / "bin/docker-credential-corp").chmod(0o644)
    assert broken_store(environment) is not None


@pytest.mark.parametrize("content", ['{"credsStore": ""}', '{"credsStore": null}', '{"credHelpers": {"x": "y"}}', "[]"])
def test_without_a_store_nothing_is_broken(content: str, environment: dict[str, str]) -> None:
    (Path(environment["DOCKER_CONFIG"]) / "config.json").write_text(content)
    assert broken_store(environment) is None


def test_a_broken_store_spoils_only_what_needs_it(environment: dict[str, str]) -> None:
    assert docker_credentials("a.test", environment) == Credentials("me", "mine")
    assert docker_credentials("anonymous.test", environment) is None


def test_the_copy_has_all_but_the_store(environment: dict[str, str], tmp_path: Path) -> None:
    user, copy = tmp_path / "docker", tmp_path / "copy"
    (user / "contexts").mkdir()
    (user / "config.json").write_text(json.dumps(CONFIG | {"credHelpers": {"d.test": "one"}}))
    for _ in range(2):
        changed = without_store(environment | {"HOME": "/h"}, copy)
    assert changed == {
        **environment,
        "HOME": "/h",
        "DOCKER_CONFIG": str(copy),
        "BUILDX_CONFIG": str(user / "buildx"),
    }
    assert json.loads((copy / "config.json").read_text()) == {
        "auths": {"a.test": LOGIN},
        "credHelpers": {"d.test": "one"},
        "currentContext": "fleet",
    }
    assert (copy / "contexts").resolve() == user / "contexts"
    assert (copy.stat().st_mode & 0o777, (copy / "config.json").stat().st_mode & 0o777) == (0o700, 0o600)


def test_the_copy_follows_what_stands_beside_the_configuration(environment: dict[str, str], tmp_path: Path) -> None:
    user, copy = tmp_path / "docker", tmp_path / "copy"
    copy.mkdir(mode=0o755)
    for name in ("contexts", "cli-plugins", "gone"):
        (user / name).mkdir()
    (tmp_path / "other").mkdir()
    without_store(environment, copy)
    (user / "gone").rmdir()
    (copy / "contexts").unlink()
    (copy / "contexts").symlink_to(tmp_path / "other")
    without_store(environment, copy)
    links = {path.name: path.readlink() for path in copy.iterdir() if path.is_symlink()}
    assert links == {name: user / name for name in ("contexts", "cli-plugins")}
    assert copy.stat().st_mode & 0o777 == 0o700, "whoever made it"


def test_a_copy_of_no_configuration_has_nothing_beside_it(tmp_path: Path) -> None:
    without_store({"DOCKER_CONFIG": str(tmp_path / "none")}, tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["config.json"]


def test_builders_that_are_kept_elsewhere_stay_there(environment: dict[str, str], tmp_path: Path) -> None:
    assert without_store(environment | {"BUILDX_CONFIG": "/b"}, tmp_path / "copy")["BUILDX_CONFIG"] == "/b"


@pytest.mark.parametrize("key", ["auths", "credHelpers"])
@pytest.mark.parametrize("value", [None, [], "text", {"a.test": "text"}])
def test_a_map_that_is_none_holds_nothing(key: str, value: object, environment: dict[str, str], tmp_path: Path) -> None:
    (Path(environment["DOCKER_CONFIG"]) / "config.json").write_text(json.dumps({key: value}))
    if key == "auths" or not isinstance(value, dict):
        assert docker_credentials("a.test", environment) is None
    without_store(environment, tmp_path / "copy")
