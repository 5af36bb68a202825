"""Releases: which digests get a version, and when none does; a real repository, a registry of files."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from carbide_infra.cli import release as command
from carbide_infra.cli.app import app
from carbide_infra.cli.outcome import progress
from carbide_infra.cli.stacks import StackCli
from carbide_infra.endpoint import Endpoint, write_endpoint
from carbide_infra.registry.docker_login import docker_login
from carbide_infra.registry.releases import Registry, Released, ReleaseError, images_of, tagged
from carbide_infra.services import CATALOGUE
from devenv import builder, toolchain
from tests.unit.images.test_tags import Repository

# A registry of files: the tag's name as a path, the digest as content. It takes no other command than these two.
BUILDX = """#!/bin/sh
echo "$*" >> {folder}/calls
env > {folder}/environment
[ -z "$DOCKER_CONFIG" ] || cat "$DOCKER_CONFIG/config.json" > {folder}/login
file() {{ echo "{folder}/$(echo "$1" | tr ':/' '__')"; }}
case "$#:$*" in
"5:imagetools inspect --format {{{{.Manifest.Digest}}}} "*)
    cat "$(file "$5")" 2>/dev/null || {{ echo "ERROR: $5: {refusal}" >&2; exit 1; }} ;;
"5:imagetools create --tag ${{5%@*}}:"*"@sha256:"*)
    echo "${{5##*@}}" > "$(file "$4")" && {writes} || {{ echo "ERROR: {refusal}" >&2; exit 1; }} ;;
*) echo "ERROR: no such command: $*" >&2; exit 64 ;;
esac
"""


class Stack(StackCli):
    """A stack whose CLI is never asked."""

    values: Mapping[str, Any] = {}

    def config(self) -> dict[str, Any]:
        values = {"registryServer": "nvcr.io", "registryRepository": "org/team", "registryUsername": "$oauthtoken"}
        values |= {"registryPassword": "s3cr3t", "source": str(self.folder), **self.values}
        return {f"carbide-infra:{key}": {"value": value} for key, value in values.items() if value is not None}


class World:
    """A released repository, and the registry that its images may be in."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "tree").mkdir()
        self.repository = Repository(folder / "tree")
        self.repository.commit("go.mod", "module example.com/x\n")
        self.repository.git("tag", "v1.4.0")
        self.registry = folder / "registry"
        self.registry.mkdir()
        self.buildx = folder / "buildx"
        self.refuse("not found")
        self.prefix = "nvcr.io/org/team"
        self.opened: list[str] = []
        self.stack = Stack("prod", Path("pulumi"), self.repository.root, {"PATH": "/usr/bin:/bin", "OWN": "a b"})
        for name in ("CARBIDE_REF", "CARBIDE_REGISTRY_PASSWORD"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("OF_THE_TESTS_OWN", "1")
        monkeypatch.setattr(Stack, "values", {})
        monkeypatch.setattr(command, "open_stack", self.open)
        monkeypatch.setattr(command, "_buildx", lambda: self.buildx)

    def open(self, name: str) -> Stack:
        self.opened.append(name)
        return self.stack

    def refuse(self, words: str, *, writes: bool = True) -> None:
        self.buildx.write_text(BUILDX.format(folder=self.registry, refusal=words, writes=str(writes).lower()))
        self.buildx.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """The command lines of buildx."""
        return (self.registry / "calls").read_text().splitlines()

    @property
    def environment(self) -> dict[str, str]:
        """The variables of buildx, those of its shell left out."""
        lines = (line.partition("=") for line in (self.registry / "environment").read_text().splitlines())
        return {name: value for name, _, value in lines if name not in {"PWD", "_", "SHLVL", "OLDPWD"}}

    def push(self, tag: str, images: Mapping[str, str]) -> None:
        for image, digest in images.items():
            self._file(image, tag).write_text(f"{digest}\n")

    def digests(self, tag: str) -> dict[str, str]:
        return {
            image: self._file(image, tag).read_text().strip() for image in CATALOGUE if self._file(image, tag).exists()
        }

    def _file(self, image: str, tag: str) -> Path:
        return self.registry / f"{self.prefix}/{image}:{tag}".replace("/", "_").replace(":", "_")

    def release(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["release", "--stack", "prod", *arguments])


BUILT = {image: f"sha256:{number:064}" for number, image in enumerate(CATALOGUE)}
LATER = {image: f"sha256:{number + 100:064}" for number, image in enumerate(CATALOGUE)}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_the_commit_s_digests_get_the_version(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.push(world.repository.sha, BUILT)
    world.push("1.4.0", LATER)
    monkeypatch.setenv("CARBIDE_REF", "refs/tags/v1.4.0")
    done = world.release()
    assert done.exit_code == 0, done.stderr
    assert world.digests("1.4.0") == BUILT, "also where main has moved on since"
    assert f"| `sha256:{100:064}` |" in done.stdout, "what the tag was"
    assert "s3cr3t" not in done.output


def test_a_second_run_writes_nothing(world: World) -> None:
    world.push(world.repository.sha, BUILT)
    world.release("--tag", "v1.4.0")
    (world.registry / "calls").unlink()
    done = world.release("--tag", "v1.4.0", "--json")
    assert not any("create" in call for call in world.calls)
    assert json.loads(done.stdout) == [
        {"image": image, "reference": f"nvcr.io/org/team/{image}:1.4.0", "digest": digest, "before": digest}
        for image, digest in BUILT.items()
    ]


def test_nothing_is_tagged_where_an_image_is_missing(world: World) -> None:
    world.push(world.repository.sha, {image: digest for image, digest in BUILT.items() if image != "carbide-rest-db"})
    done = world.release("--tag", "v1.4.0")
    assert done.exit_code == 2
    assert "carbide-rest-db was never built from it" in done.stderr
    assert world.digests("1.4.0") == {}


def test_it_waits_for_an_update_that_still_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: world.push(world.repository.sha, BUILT))
    assert world.release("--tag", "v1.4.0", "--wait", "1").exit_code == 0
    assert world.digests("1.4.0") == BUILT


def test_a_registry_that_refuses_is_not_waited_for(world: World) -> None:
    world.refuse("401 Unauthorized")
    done = world.release("--tag", "v1.4.0", "--wait", "60")
    assert done.exit_code == 2
    assert "401 Unauthorized" in done.stderr


def test_only_the_tag_s_own_commit_is_released(world: World) -> None:
    world.repository.commit("README", "more")
    world.push(world.repository.sha, BUILT)
    done = world.release("--tag", "v1.4.0")
    assert done.exit_code == 2
    assert "git checkout v1.4.0" in done.stderr
    assert world.digests("1.4.0") == {}


@pytest.mark.parametrize("tag", ["", "1.4.0", "nightly", "refs/heads/main"])
def test_what_is_no_release_tag_is_refused(world: World, tag: str) -> None:
    done = world.release("--tag", tag)
    assert done.exit_code == 2
    assert "a good value: v1.4.0" in done.stderr


def test_a_tag_of_another_version_is_refused(world: World) -> None:
    world.repository.git("tag", "v2.0.0")
    done = world.release("--tag", "v2.0.0")
    assert done.exit_code == 2
    assert "the tree's version is 1.4.0" in done.stderr


# ---- What buildx is given.


@pytest.mark.parametrize("server", ["nvcr.io", "registry.example:5000"])
def test_buildx_is_called_as_it_wants_to_be(world: World, monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    monkeypatch.setattr(Stack, "values", {"registryServer": server})
    world.prefix = f"{server}/org/team"
    sha = world.repository.sha
    world.push(sha, BUILT)
    done = world.release("--tag", "v1.4.0")
    assert (done.exit_code, world.opened) == (0, ["prod"]), done.stderr
    inspected = [f"imagetools inspect --format {{{{.Manifest.Digest}}}} {world.prefix}/{image}" for image in BUILT]
    created = [f"imagetools create --tag {world.prefix}/{i}:1.4.0 {world.prefix}/{i}@{d}" for i, d in BUILT.items()]
    assert sorted(world.calls[:7]) == sorted(f"{call}:{sha}" for call in inspected)
    assert world.calls[7:] == [
        line for call, more in zip(inspected, created, strict=True) for line in (f"{call}:1.4.0", more)
    ]
    auth = base64.b64encode(b"$oauthtoken:s3cr3t").decode()
    assert json.loads((world.registry / "login").read_text()) == {"auths": {server: {"auth": auth}}}
    folder = Path(world.environment["DOCKER_CONFIG"])
    assert world.environment == {"PATH": "/usr/bin:/bin", "OWN": "a b", "DOCKER_CONFIG": str(folder)}
    assert not folder.exists(), "the login goes with the command"


@pytest.mark.parametrize("username", ["me", None])
def test_without_a_login_docker_s_own_counts(
    world: World, monkeypatch: pytest.MonkeyPatch, username: str | None
) -> None:
    monkeypatch.setattr(Stack, "values", {"registryUsername": username, "registryPassword": None})
    world.push(world.repository.sha, BUILT)
    assert world.release("--tag", "v1.4.0").exit_code == 0
    assert world.environment == world.stack.environment


def test_the_local_registry_is_the_one_of_this_checkout(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stack, "values", {"registryServer": "local"})
    world.push(world.repository.sha, BUILT)
    (world.repository.root / ".git/info").mkdir(exist_ok=True)
    (world.repository.root / ".git/info/exclude").write_text(".local\n")
    done = world.release("--tag", "v1.4.0")
    assert done.exit_code == 2
    assert "registryServer = 'local': no local registry was set up in this checkout; run make local-up" in done.stderr
    write_endpoint(world.repository.root, Endpoint("vm:5443", "builder", "ca.pem", ()))
    world.prefix = "vm:5443/org/team"
    world.push(world.repository.sha, BUILT)
    assert world.release("--tag", "v1.4.0").exit_code == 0
    assert world.digests("1.4.0") == BUILT


def test_only_the_stack_s_images_are_released(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stack, "values", {"services": '["carbide-rest-db"]'})
    world.push(world.repository.sha, BUILT)
    done = world.release("--tag", "v1.4.0", "--json")
    assert [item["image"] for item in json.loads(done.stdout)] == ["carbide-rest-db"]
    assert set(world.digests("1.4.0")) == {"carbide-rest-db"}


def test_a_tag_that_is_not_taken_is_told(world: World) -> None:
    world.push(world.repository.sha, BUILT)
    world.refuse("denied: read only", writes=False)
    world.push("1.4.0", LATER)
    done = world.release("--tag", "v1.4.0")
    assert done.exit_code == 2
    assert "nvcr.io/org/team/carbide-rest-api:1.4.0 could not be written: ERROR: denied: read only" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("has_docker", [True, False])
def test_buildx_is_the_one_that_make_uses(monkeypatch: pytest.MonkeyPatch, *, has_docker: bool) -> None:
    asked: list[tuple[object, bool]] = []

    def ensure_tools(report: object, *, embedded: bool) -> SimpleNamespace:
        asked.append((report, embedded))
        return SimpleNamespace(buildx=Path("/tools/buildx"))

    monkeypatch.setattr(builder, "docker_answers", lambda: has_docker)
    monkeypatch.setattr(toolchain, "ensure_tools", ensure_tools)
    assert command._buildx() == Path("/tools/buildx")
    assert asked == [(progress, not has_docker)]


# ---- What is released, and what is said of it.


def test_the_tag_may_be_given_or_come_from_ci(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.push(world.repository.sha, BUILT)
    monkeypatch.setenv("CARBIDE_REF", "refs/tags/v9.9.9")
    assert world.release("--tag", "v1.4.0").exit_code == 0
    done = world.release()
    assert done.exit_code == 2
    assert "v9.9.9" in done.stderr


def test_a_changed_tree_is_not_released(world: World) -> None:
    world.push(world.repository.sha, BUILT)
    (world.repository.root / "go.mod").write_text("module example.com/y\n")
    done = world.release("--tag", "v1.4.0")
    assert done.exit_code == 2
    assert "--tag v1.4.0: is not what is checked out here; git checkout v1.4.0" in done.stderr
    assert world.digests("1.4.0") == {}


def test_a_tag_that_does_not_exist_is_not_released(world: World) -> None:
    world.repository.git("tag", "--delete", "v1.4.0")
    world.push(world.repository.sha, BUILT)
    assert world.release("--tag", "v1.4.0").exit_code == 2
    assert world.digests("1.4.0") == {}


def test_the_table_says_what_each_tag_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    services = ["carbide-rest-api", "carbide-rest-db", "carbide-rest-ipam"]
    monkeypatch.setattr(Stack, "values", {"services": json.dumps(services)})
    sha = world.repository.sha
    world.push(sha, BUILT)
    world.push("1.4.0", {services[1]: BUILT[services[1]], services[2]: LATER[services[2]]})
    was = ["new", "there already", f"`{LATER[services[2]]}`"]
    rows = [
        f"| {image} | `nvcr.io/org/team/{image}:1.4.0` | `{BUILT[image]}` | {before} |"
        for image, before in zip(services, was, strict=True)
    ]
    head = [f"Released 1.4.0 from commit `{sha}`", "", "| Image | Reference | Digest | Tag was |", "|---|---|---|---|"]
    assert world.release("--tag", "v1.4.0").stdout.splitlines() == head + rows


# ---- Waiting, on a clock of the tests.


class Clock:
    """Time passes while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Answers(Registry):
    """A registry that has the images of "late" from a certain look-up on."""

    looked_up: list[str]
    wanted: int = 0

    def digest(self, reference: str) -> str | None:
        self.looked_up.append(reference)
        is_there = "late" not in reference or self.looked_up.count(reference) > self.wanted
        return f"sha256:{reference}" if is_there else None


def answers(wanted: int) -> Answers:
    registry = Answers(Path("buildx"), {})
    object.__setattr__(registry, "looked_up", [])
    object.__setattr__(registry, "wanted", wanted)
    return registry


REPOSITORIES = {"early": "r/early", "late": "r/late"}


@pytest.mark.parametrize(("seconds", "wanted", "sleeps"), [(0.0, 0, 0), (60.0, 2, 2), (60.0, 3, 3), (20.0, 1, 1)])
def test_images_are_waited_for(monkeypatch: pytest.MonkeyPatch, seconds: float, wanted: int, sleeps: int) -> None:
    clock, told, registry = Clock(monkeypatch), list[str](), answers(wanted)
    found = images_of("c0", REPOSITORIES, registry, seconds, told.append)
    assert found == {"early": "sha256:r/early:c0", "late": "sha256:r/late:c0"}
    assert (clock.slept, told) == ([20.0] * sleeps, ["Waiting for late of c0…"] * sleeps)


@pytest.mark.parametrize(("seconds", "sleeps"), [(0.0, 0), (19.9, 0), (20.0, 1), (60.0, 3)])
def test_images_are_not_waited_for_beyond_the_time(
    monkeypatch: pytest.MonkeyPatch, seconds: float, sleeps: int
) -> None:
    clock, registry = Clock(monkeypatch), answers(99)
    with pytest.raises(ReleaseError, match="commit c0: late was never built from it, there is no tag c0"):
        images_of("c0", REPOSITORIES, registry, seconds, lambda _: None)
    assert clock.slept == [20.0] * sleeps


@pytest.mark.parametrize(("arguments", "sleeps"), [((), 0), (("--wait", "0"), 0), (("--wait", "1"), 3)])
def test_the_wait_is_in_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sleeps: int
) -> None:
    monkeypatch.setattr(Stack, "values", {"services": '["carbide-rest-db"]'})
    clock = Clock(monkeypatch)
    done = world.release("--tag", "v1.4.0", *arguments)
    assert (done.exit_code, clock.slept) == (2, [20.0] * sleeps)
    assert done.stderr.count("Waiting for carbide-rest-db of") == sleeps
    assert world.release("--tag", "v1.4.0", "--wait", "-1").exit_code == 2
    assert len(clock.slept) == sleeps


def test_a_digest_may_be_there_already() -> None:
    registry = answers(99)
    (released,) = tagged({"early": "sha256:vm:5443/early:1"}, {"early": "vm:5443/early"}, "1", registry)
    digest = "sha256:vm:5443/early:1"
    assert released == Released("early", "vm:5443/early:1", digest, digest)


# ---- The login.


def test_a_login_is_readable_by_its_owner_only_and_gone_in_the_end() -> None:
    config = {"registryServer": "vm:5443", "registryUsername": "me", "registryPassword": "p:w", "other": "x"}
    given = {"PATH": "/bin", "DOCKER_CONFIG": "/other"}
    with docker_login(given, config) as environment:
        file = Path(environment["DOCKER_CONFIG"], "config.json")
        assert environment == {"PATH": "/bin", "DOCKER_CONFIG": str(file.parent)}
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        auth = base64.b64encode(b"me:p:w").decode()
        assert json.loads(file.read_text()) == {"auths": {"vm:5443": {"auth": auth}}}
    assert not file.parent.exists()
    assert given == {"PATH": "/bin", "DOCKER_CONFIG": "/other"}


@pytest.mark.parametrize("config", [{}, {"registryUsername": "me"}, {"registryPassword": "x"}])
def test_half_a_login_is_none(config: dict[str, str]) -> None:
    given = {"PATH": "/bin", "DOCKER_CONFIG": "/other"}
    with docker_login(given, {"registryServer": "vm", **config}) as environment:
        assert environment == given
        assert environment is not given
