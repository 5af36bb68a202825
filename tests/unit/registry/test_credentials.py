"""Where a login comes from: the stack, Docker's configuration, its credential helpers."""

import base64
import json
import os
from pathlib import Path

import pytest

from carbide_infra.registry import credentials
from carbide_infra.registry.credentials import Credentials, docker_credentials
from carbide_infra.registry.errors import RegistryError
from tests.support.registry_server import encoded

HUB_KEY = "https://index.docker.io/v1/"
# Notes how it is called, and answers from a file of the server's name.
HELPER = """#!/bin/sh
server=$(cat)
{ for word in "$0" "$@"; do echo "$word"; done; echo "<$server"; env | sort; } > "$NOTES/call"
cat "$NOTES/answer-$(echo "$server" | tr ':/' '__')" 2>/dev/null
"""


def auth(login: str) -> dict[str, str]:
    return {"auth": base64.b64encode(login.encode()).decode()}


def docker_config(folder: Path, content: object) -> dict[str, str]:
    (folder / "config.json").write_bytes(encoded(content))
    return {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}{os.pathsep}{os.defpath}", "NOTES": str(folder)}


def helper(folder: Path, name: str, **answers: object) -> Path:
    program = folder / f"docker-credential-{name}"
    program.write_text(HELPER)
    program.chmod(0o755)
    for server, answer in answers.items():
        (folder / f"answer-{server}").write_text(answer if isinstance(answer, str) else json.dumps(answer))
    return program


# ---- The file's.


@pytest.mark.parametrize("content", [{}, [], {"auths": {}}, {"auths": {"nvcr.io": {}}}, {"auths": {"nvcr.io": None}}])
def test_a_configuration_without_a_login(tmp_path: Path, content: object) -> None:
    assert docker_credentials("nvcr.io", docker_config(tmp_path, content)) is None


def test_no_configuration_is_no_login(tmp_path: Path) -> None:
    assert docker_credentials("nvcr.io", {"DOCKER_CONFIG": str(tmp_path / "none")}) is None


def test_dockers_configuration_is_where_docker_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("named", "home/.docker", "other/.docker"):
        (tmp_path / folder).mkdir(parents=True)
        docker_config(tmp_path / folder, {"auths": {"nvcr.io": auth(f"{folder}:x")}})
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "other")
    named, home = {"DOCKER_CONFIG": str(tmp_path / "named")}, {"HOME": str(tmp_path / "home")}
    for environment, folder in ((named | home, "named"), (home, "home/.docker"), ({}, "other/.docker")):
        assert docker_credentials("nvcr.io", environment) == Credentials(folder, "x")
        assert docker_credentials("nvcr.io", environment | {"HTTP_PROXY": ""}) == Credentials(folder, "x")


@pytest.mark.parametrize(
    ("entry", "login"),
    [
        (auth("me:my:word"), Credentials("me", "my:word")),
        (auth("me:wordX\0\0"), Credentials("me", "wordX")),
        ({"username": "me", "password": "word"}, Credentials("me", "word")),
        ({**auth("me:word"), "username": "you", "password": "other"}, Credentials("me", "word")),
        ({**auth("me:"), "identitytoken": "token"}, Credentials("me", "", "token")),
        ({"identitytoken": "token"}, Credentials("", "", "token")),
        ({"password": "word"}, None),
        ({"auth": ""}, None),
        (auth(":word"), None),
    ],
)
def test_an_entry_of_the_file(tmp_path: Path, entry: dict[str, str], login: Credentials | None) -> None:
    assert docker_credentials("nvcr.io", docker_config(tmp_path, {"auths": {"nvcr.io": entry}})) == login


@pytest.mark.parametrize("server", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_has_a_key_of_its_own(tmp_path: Path, server: str) -> None:
    environment = docker_config(tmp_path, {"auths": {HUB_KEY: auth("me:mine"), server: auth("you:yours")}})
    assert docker_credentials(server, environment) == Credentials("me", "mine")
    assert docker_credentials("nvcr.io", environment) is None
    environment = docker_config(tmp_path, {"auths": {server: auth("you:yours")}})
    assert docker_credentials(server, environment) == Credentials("you", "yours")


def test_a_key_may_be_an_address(tmp_path: Path) -> None:
    environment = docker_config(tmp_path, {"auths": {"https://vm:5443": auth("me:mine"), "vm": auth("you:yours")}})
    assert docker_credentials("vm:5443", environment) == Credentials("me", "mine")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", r"config\.json: cannot be read as Docker's configuration .*; repair it, or run docker login again"),
        ('{"auths": {"nvcr.io": {"auth": "?"}}}', r"config\.json: the entry of nvcr\.io is not a login"),
        ('{"auths": {"nvcr.io": {"auth": "/w=="}}}', r"config\.json: the entry of nvcr\.io is not a login"),
        ('{"auths": {"nvcr.io": {"auth": "bWU6 bWluZQ=="}}}', r"config\.json: the entry of nvcr\.io is not a login"),
        ('{"auths": {"nvcr.io": {"auth": 1}}}', r"config\.json: the entry of nvcr\.io is not a login"),
        ('{"credHelpers": {"nvcr.io": "missing"}}', r"nvcr\.io: docker-credential-missing, .* does not run"),
    ],
)
def test_a_broken_docker_configuration_is_named(tmp_path: Path, content: str, named: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(RegistryError, match=named):
        docker_credentials("nvcr.io", {"DOCKER_CONFIG": str(tmp_path), "PATH": os.defpath})


def test_an_unreadable_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(RegistryError, match=r"config\.json: cannot be read"):
        docker_credentials("nvcr.io", {"DOCKER_CONFIG": str(tmp_path)})


# ---- Helpers.


@pytest.mark.parametrize("username", ["me", "<token>"])
def test_a_helper_is_asked_as_docker_asks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, username: str) -> None:
    monkeypatch.setenv("OF_THE_TESTS_OWN", "1")
    environment = docker_config(tmp_path, {"credsStore": "test"}) | {"HELPER_VARIABLE": "a b"}
    program = helper(tmp_path, "test", vm_5443={"Username": username, "Secret": "hidden"})
    wanted = Credentials("me", "hidden") if username == "me" else Credentials("", identity_token="hidden")  # noqa: S106
    assert docker_credentials("vm:5443", environment) == wanted
    assert "hidden" not in repr(wanted)
    assert (Credentials("me").password, Credentials("me").identity_token) == ("", "")
    script, *words, server, rest = (tmp_path / "call").read_text().split("\n", 3)
    assert (script, words, server) == (str(program), ["get"], "<vm:5443")
    variables = dict(line.partition("=")[::2] for line in rest.splitlines())
    assert {name: variables.get(name) for name in environment} == environment
    assert "OF_THE_TESTS_OWN" not in variables


def test_a_helper_of_one_server_comes_before_the_store(tmp_path: Path) -> None:
    environment = docker_config(tmp_path, {"credsStore": "all", "credHelpers": {"nvcr.io": "one"}})
    helper(tmp_path, "one", **{"nvcr.io": {"Username": "one", "Secret": "s"}})
    assert docker_credentials("nvcr.io", environment) == Credentials("one", "s")
    helper(tmp_path, "all", **{"other.io": {"Username": "all", "Secret": "s"}})
    assert docker_credentials("other.io", environment) == Credentials("all", "s")
    assert (tmp_path / "call").read_text().startswith(f"{tmp_path}/docker-credential-all\nget\n<other.io\n")


def test_a_helper_knows_docker_hub_by_its_key(tmp_path: Path) -> None:
    environment = docker_config(tmp_path, {"credsStore": "test"})
    helper(tmp_path, "test", **{HUB_KEY.replace("/", "_").replace(":", "_"): {"Username": "me", "Secret": "s"}})
    assert docker_credentials("docker.io", environment) == Credentials("me", "s")


def test_where_the_helper_has_nothing_the_file_counts(tmp_path: Path) -> None:
    environment = docker_config(tmp_path, {"credsStore": "test", "auths": {"nvcr.io": auth("me:mine")}})
    helper(tmp_path, "test")
    assert docker_credentials("nvcr.io", environment) == Credentials("me", "mine")
    assert docker_credentials("other.io", environment) is None


@pytest.mark.parametrize("answer", ["", "no json", "[]", '{"Username": "me"}', '{"Secret": "s"}'])
def test_a_helper_that_gives_no_login_is_named(tmp_path: Path, answer: str) -> None:
    environment = docker_config(tmp_path, {"credHelpers": {"nvcr.io": "test"}})
    helper(tmp_path, "test", **{"nvcr.io": answer})
    with pytest.raises(RegistryError, match=r"nvcr\.io: docker-credential-test gives no login; run docker login nvcr"):
        docker_credentials("nvcr.io", environment)


def test_a_store_that_lists_its_logins_and_gives_none_is_named(tmp_path: Path) -> None:
    environment = docker_config(tmp_path, {"credsStore": "test"})
    helper(tmp_path, "test").write_text('#!/bin/sh\ncase $1 in list) echo "{}" ;; esac\n')
    with pytest.raises(RegistryError, match=r"nvcr\.io: docker-credential-test gives no login"):
        docker_credentials("nvcr.io", environment)


def test_a_helper_that_asks_somebody_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_HELPER_SECONDS", 0.05)
    environment = docker_config(tmp_path, {"credHelpers": {"nvcr.io": "test"}})
    helper(tmp_path, "test").write_text("#!/bin/sh\nexec sleep 9\n")
    with pytest.raises(RegistryError, match=r"docker-credential-test, .* does not run .*timed out"):
        docker_credentials("nvcr.io", environment)


def test_what_a_helper_tells_stays_off_the_screen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    environment = docker_config(tmp_path, {"credsStore": "test"})
    helper(tmp_path, "test").write_text("#!/bin/sh\necho secret; echo secret >&2; exit 1\n")
    assert docker_credentials("nvcr.io", environment) is None
    assert capfd.readouterr() == ("", "")
