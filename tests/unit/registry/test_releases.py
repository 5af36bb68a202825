"""Releases: which digests get a version, and when none does; a real repository, a registry of the tests."""

import base64
import json
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from carbide_infra.cli import release as command
from carbide_infra.cli.app import app
from carbide_infra.endpoint import Endpoint, write_endpoint
from carbide_infra.errors import UserError
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.credentials import Credentials
from carbide_infra.registry.errors import Unreachable
from carbide_infra.registry.releases import Released, ReleaseError, Wanted, images_of, releases_in, tagged
from carbide_infra.registry.transport import Transport
from carbide_infra.stack.pulumi_stack import PulumiStack
from tests.support.catalogue import CATALOGUE, FOLDER
from tests.support.registry_server import INDEX, LOGIN, FakeRegistry, Fault, digest_of, encoded
from tests.unit.images.test_tags import Repository


class Stack(PulumiStack):
    """A stack whose CLI is never asked."""

    own: Mapping[str, Any] = {}
    server = ""
    updated_to = ""

    def resources(self) -> list[dict[str, Any]]:
        return []

    def outputs(self) -> dict[str, Any]:
        return {"images": {"carbide-rest-api": {"tags": ["1.4.0-key", "1.4.0", self.updated_to]}}}

    def values(self) -> dict[str, Any]:
        values = {"registryServer": self.server, "registryRepository": "org/team", "registryUsername": "$oauthtoken"}
        values |= {"registryPassword": "s3cr3t", "source": str(self.project)}
        values |= {"catalogue": str(FOLDER / "services.yaml"), **self.own}
        return {key: value for key, value in values.items() if value is not None}


class World:
    """A released repository, and the registry that its images may be in."""

    def __init__(self, folder: Path, registry: FakeRegistry, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "tree").mkdir()
        self.repository = Repository(folder / "tree")
        self.repository.commit("go.mod", "module example.com/x\n")
        self.repository.git("tag", "v1.4.0")
        self.registry = registry
        registry.login = LOGIN
        self.prefix = f"{registry.server}/org/team"
        self.opened: list[str] = []
        environment = {"SSL_CERT_FILE": str(bundle), "HOME": str(folder)}
        self.stack = Stack("prod", Path("pulumi"), self.repository.root, environment)
        for name in ("CARBIDE_REF", "CARBIDE_REGISTRY_PASSWORD"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(Stack, "own", {})
        monkeypatch.setattr(Stack, "updated_to", "")
        monkeypatch.setattr(command, "own_tags", lambda *_: {})
        monkeypatch.setattr(Stack, "server", registry.server)
        monkeypatch.setattr(command, "open_stack", self.open)

    def open(self, name: str) -> Stack:
        self.opened.append(name)
        return self.stack

    def push(self, tag: str, images: Mapping[str, str]) -> None:
        for image, digest in images.items():
            assert self.registry.put_manifest(f"org/team/{image}", INDEX, CONTENTS[digest], tag) == digest

    def digests(self, tag: str) -> dict[str, str]:
        found = {image: self.registry.manifests.get((f"org/team/{image}", tag)) for image in CATALOGUE}
        return {image: digest_of(entry[1]) for image, entry in found.items() if entry}

    @property
    def writes(self) -> list[str]:
        """The manifests that were put."""
        return [asked for asked in self.registry.asked if asked.startswith("PUT")]

    def release(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["release", "--stack", "prod", *arguments])


def contents(build: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """An index for each image, and its digest."""
    made = {image: {"schemaVersion": 2, "manifests": [], "build": f"{image} {build}"} for image in CATALOGUE}
    return {image: (digest_of(encoded(content)), content) for image, content in made.items()}


CONTENTS = {digest: content for build in ("built", "later") for digest, content in contents(build).values()}
BUILT = {image: digest for image, (digest, _) in contents("built").items()}
LATER = {image: digest for image, (digest, _) in contents("later").items()}


@pytest.fixture
def world(
    tmp_path: Path, registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> World:
    return World(tmp_path, registry, tls[1], monkeypatch)


def test_the_commit_s_digests_get_the_version(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.push(world.repository.sha, BUILT)
    world.push("1.4.0", LATER)
    monkeypatch.setenv("CARBIDE_REF", "refs/tags/v1.4.0")
    done = world.release()
    assert done.exit_code == 0, done.stderr
    assert world.digests("1.4.0") == BUILT, "also where main has moved on since"
    assert f"| `{LATER['carbide-rest-db']}` |" in done.stdout, "what the tag was"
    assert "s3cr3t" not in done.output


def test_a_second_run_writes_nothing(world: World) -> None:
    world.push(world.repository.sha, BUILT)
    world.release("--tag", "v1.4.0")
    world.registry.requests.clear()
    done = world.release("--tag", "v1.4.0", "--json")
    assert world.writes == []
    assert json.loads(done.stdout) == [
        {"image": image, "reference": f"{world.prefix}/{image}:1.4.0", "digest": digest, "before": digest}
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
    world.registry.login = ("somebody", "else")
    done = world.release("--tag", "v1.4.0", "--wait", "60")
    assert done.exit_code == 2
    assert "registryPassword" in done.stderr
    assert world.digests("1.4.0") == {}


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
    assert f"--tag '{tag}': is not a release tag; a good value: v1.4.0" in done.stderr


def test_a_tag_of_another_version_is_refused(world: World) -> None:
    world.repository.git("tag", "v2.0.0")
    done = world.release("--tag", "v2.0.0")
    assert done.exit_code == 2
    assert "the tree's version is 1.4.0" in done.stderr


# ---- What the registry is asked.


# ---- A commit that no update ran for.


@pytest.mark.parametrize("tagged_by_commit", [[], ["carbide-rest-db"]])
def test_a_commit_that_was_skipped_is_found_by_the_images_own_tags(
    world: World, monkeypatch: pytest.MonkeyPatch, tagged_by_commit: list[str]
) -> None:
    """Row 13: GitHub's queue left it out, and a later update has built the same images."""
    monkeypatch.setattr(command, "own_tags", lambda *_: dict.fromkeys(BUILT, "1.4.0-abcdefabcdef"))
    world.push(
        "1.4.0-abcdefabcdef", {image: digest for image, digest in BUILT.items() if image not in tagged_by_commit}
    )
    world.push(world.repository.sha, {image: BUILT[image] for image in tagged_by_commit})
    done = world.release("--tag", "v1.4.0", "--wait", "60")
    assert done.exit_code == 0, done.stderr
    assert world.digests("1.4.0") == BUILT


def test_a_commit_that_was_skipped_for_good_is_told_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 13: nobody waits 90 minutes for what will not come."""
    clock = Clock(monkeypatch)
    monkeypatch.setattr(Stack, "updated_to", later := "c" * 40)
    done = world.release("--tag", "v1.4.0", "--wait", "90")
    assert (done.exit_code, clock.slept) == (2, [])
    assert f"was never built from it, and none will be: an update has run for commit {later} since" in done.stderr


def test_a_commit_whose_update_is_still_to_come_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    before = world.repository.git("rev-parse", "HEAD~1")
    monkeypatch.setattr(Stack, "updated_to", before)
    done = world.release("--tag", "v1.4.0", "--wait", "1")
    assert (done.exit_code, clock.slept) == (2, [20.0] * 3)
    assert "or let that update run first" in done.stderr


def test_a_machine_that_cannot_tell_the_own_tags_says_so_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def fail(*_: object) -> dict[str, str]:
        message = "go is not installed"
        raise UserError(message)

    monkeypatch.setattr(command, "own_tags", fail)
    done = world.release("--tag", "v1.4.0", "--wait", "1")
    assert len(clock.slept) == 3
    assert done.stderr.count("looked for by the commit alone: go is not installed") == 1


# ---- Only main is released.


def test_a_tag_that_is_not_on_main_is_refused(world: World) -> None:
    """Row 12: whoever may push a tag would publish what nobody has reviewed."""
    world.repository.git("checkout", "--quiet", "-b", "mine")
    world.push(world.repository.commit("go.mod", "module example.com/y\n"), BUILT)
    world.repository.git("tag", "--force", "v1.4.0")
    done = world.release("--tag", "v1.4.0")
    assert (done.exit_code, world.writes) == (2, [])
    assert f"its commit {world.repository.sha} is not on main; only what was merged is released" in done.stderr
    world.repository.git("checkout", "--quiet", "main")
    world.repository.git("merge", "--quiet", "--no-ff", "--message", "Merge", "mine")
    world.repository.git("checkout", "--quiet", "v1.4.0")
    assert world.release("--tag", "v1.4.0").exit_code == 0


def test_what_was_pushed_is_main_and_not_a_branch_of_this_clone(world: World) -> None:
    sha = world.repository.sha
    world.push(sha, BUILT)
    world.repository.git("update-ref", "refs/remotes/origin/main", "HEAD~1")
    done = world.release("--tag", "v1.4.0")
    assert done.exit_code == 2
    assert f"its commit {sha} is not on origin/main" in done.stderr
    world.repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
    assert world.release("--tag", "v1.4.0").exit_code == 0


def test_a_clone_without_main_is_no_place_to_release_from(world: World) -> None:
    world.push(world.repository.sha, BUILT)
    world.repository.git("branch", "--move", "other")
    done = world.release("--tag", "v1.4.0")
    assert done.exit_code == 2
    assert "there is no main branch here to look at; git fetch origin main" in done.stderr


def test_a_stack_may_name_another_branch_that_is_released(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stack, "own", {"mainBranch": "develop"})
    world.push(world.repository.sha, BUILT)
    done = world.release("--tag", "v1.4.0")
    assert done.exit_code == 2
    assert "there is no develop branch here to look at; git fetch origin develop" in done.stderr
    world.repository.git("branch", "develop")
    assert world.release("--tag", "v1.4.0").exit_code == 0


# ---- A released version never moves again.


def test_a_moved_git_tag_moves_no_released_version(world: World) -> None:
    """Row 11: v1.4.0 was released, and then put on another commit."""
    world.push(world.repository.sha, BUILT)
    world.release("--tag", "v1.4.0")
    world.push(world.repository.commit("go.mod", "module example.com/y\n"), LATER)
    world.repository.git("tag", "--force", "v1.4.0")
    world.registry.requests.clear()
    done = world.release("--tag", "v1.4.0")
    assert (done.exit_code, done.stdout, world.writes) == (2, "", [])
    api = "carbide-rest-api"
    assert f"{api}: 1.4.0 was released as {BUILT[api]}, and this commit's image is {LATER[api]}" in done.stderr
    assert "a released version never moves" in done.stderr
    assert world.digests("1.4.0") == BUILT


def test_a_release_puts_a_moved_tag_back(world: World) -> None:
    world.push(world.repository.sha, BUILT)
    world.release("--tag", "v1.4.0")
    world.push("1.4.0", LATER)
    assert world.release("--tag", "v1.4.0").exit_code == 0
    assert world.digests("1.4.0") == BUILT


def test_no_image_is_tagged_where_another_was_released_otherwise(world: World) -> None:
    world.push(world.repository.sha, BUILT)
    world.push("released-1.4.0", {"carbide-site-agent": LATER["carbide-site-agent"]})
    assert world.release("--tag", "v1.4.0").exit_code == 2
    assert world.digests("1.4.0") == {}


class Racing(RegistryClient):
    """A registry in which somebody else moves a tag, right after we have."""

    def __init__(self, client: RegistryClient, world: World, moved: str) -> None:
        super().__init__(client.server, Credentials(*LOGIN), Transport(world.stack.environment))
        self.world, self.moved = world, moved

    def tag(self, repository: str, tag: str, digest: str) -> None:
        super().tag(repository, tag, digest)
        if tag == self.moved:
            self.world.push(tag, {repository.rpartition("/")[2]: LATER[repository.rpartition("/")[2]]})
            self.moved = ""


@pytest.mark.parametrize(
    ("moved", "told", "left"),
    [
        ("1.4.0", "1.4.0 was moved while it was released, and is back at", BUILT),
        ("released-1.4.0", "1.4.0 was released as", BUILT),
    ],
)
def test_who_moves_a_tag_during_a_release_is_noticed(
    world: World, moved: str, told: str, left: Mapping[str, str]
) -> None:
    name = "carbide-rest-api"
    world.push("built", BUILT)
    client = Racing(RegistryClient(world.registry.server, None, Transport({})), world, moved)
    with pytest.raises(ReleaseError, match=told):
        tagged({name: BUILT[name]}, {name: f"org/team/{name}"}, "1.4.0", client)
    assert world.digests("1.4.0") == {name: left[name]}


def test_each_tag_is_looked_up_and_written_once(world: World) -> None:
    sha = world.repository.sha
    world.push(sha, BUILT)
    done = world.release("--tag", "v1.4.0")
    assert (done.exit_code, world.opened) == (0, ["prod"]), done.stderr
    asked = [request for request in world.registry.requests if "Authorization" in request.headers]
    looked_up = [request.path for request in asked if request.method == "HEAD"]
    twice = ("released-1.4.0", "1.4.0")
    assert sorted(looked_up) == sorted(
        f"/v2/org/team/{image}/manifests/{tag}" for image in BUILT for tag in (sha, *twice, *twice)
    )
    assert sorted(set(world.writes)) == sorted(
        f"PUT /v2/org/team/{image}/manifests/{tag}" for image in BUILT for tag in twice
    )


@pytest.mark.parametrize("username", ["me", None])
def test_without_a_login_docker_s_own_counts(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, username: str | None
) -> None:
    monkeypatch.setattr(Stack, "own", {"registryUsername": username, "registryPassword": None})
    world.push(world.repository.sha, BUILT)
    (tmp_path / ".docker").mkdir()
    auth = base64.b64encode(":".join(LOGIN).encode()).decode()
    (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {world.registry.server: {"auth": auth}}}))
    assert world.release("--tag", "v1.4.0").exit_code == 0
    assert world.digests("1.4.0") == BUILT


def test_the_local_registry_is_the_one_of_this_checkout(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stack, "own", {"registryServer": "local"})
    world.push(world.repository.sha, BUILT)
    (world.repository.root / ".git/info").mkdir(exist_ok=True)
    (world.repository.root / ".git/info/exclude").write_text(".local\n")
    done = world.release("--tag", "v1.4.0")
    assert done.exit_code == 2
    assert "registryServer = 'local': no local registry was set up in this checkout; run make local-up" in done.stderr
    write_endpoint(world.repository.root, Endpoint(world.registry.server, "builder", "ca.pem"))
    assert world.release("--tag", "v1.4.0").exit_code == 0
    assert world.digests("1.4.0") == BUILT


def test_only_the_stack_s_images_are_released(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stack, "own", {"services": '["carbide-rest-db"]'})
    world.push(world.repository.sha, BUILT)
    done = world.release("--tag", "v1.4.0", "--json")
    assert [item["image"] for item in json.loads(done.stdout)] == ["carbide-rest-db"]
    assert set(world.digests("1.4.0")) == {"carbide-rest-db"}


def test_a_tag_that_is_not_taken_is_told(world: World) -> None:
    world.push(world.repository.sha, BUILT)
    world.push("1.4.0", LATER)
    answer = encoded({"errors": [{"code": "DENIED", "message": "read only"}]})
    path = "/v2/org/team/carbide-rest-api/manifests/1.4.0"
    world.registry.faults[path] = Fault(403, 9, body=answer, method="PUT")
    done = world.release("--tag", "v1.4.0")
    assert done.exit_code == 2
    assert "org/team/carbide-rest-api:1.4.0 (403): read only" in done.stderr
    assert done.stdout == ""


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


def test_a_shallow_clone_is_not_released(world: World) -> None:
    world.push(world.repository.sha, BUILT)
    (world.repository.root / ".git/shallow").write_text(f"{world.repository.sha}\n")
    done = world.release("--tag", "v1.4.0")
    assert done.exit_code == 2
    assert "the source is a shallow clone; git fetch --unshallow" in done.stderr
    assert world.digests("1.4.0") == {}


def test_a_tag_that_does_not_exist_is_not_released(world: World) -> None:
    world.repository.git("tag", "--delete", "v1.4.0")
    world.push(world.repository.sha, BUILT)
    assert world.release("--tag", "v1.4.0").exit_code == 2
    assert world.digests("1.4.0") == {}


def test_the_table_says_what_each_tag_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    services = ["carbide-rest-api", "carbide-rest-db", "carbide-rest-ipam"]
    monkeypatch.setattr(Stack, "own", {"services": json.dumps(services)})
    sha = world.repository.sha
    world.push(sha, BUILT)
    world.push("1.4.0", {services[1]: BUILT[services[1]], services[2]: LATER[services[2]]})
    was = ["new", "there already", f"`{LATER[services[2]]}`"]
    rows = [
        f"| {image} | `{world.prefix}/{image}:1.4.0` | `{BUILT[image]}` | {before} |"
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


class Answers(RegistryClient):
    """A registry that has the images of "late" from a certain look-up on."""

    def __init__(self, wanted: int) -> None:
        super().__init__("vm:5443", None, Transport({}))
        self.looked_up: list[str] = []
        self.wanted = wanted

    def digest_of(self, repository: str, reference: str) -> str | None:
        name = f"{repository}:{reference}"
        self.looked_up.append(name)
        is_there = "late" not in name or self.looked_up.count(name) > self.wanted
        return f"sha256:{name}" if is_there else None


WANTED = Wanted("c0", {"early": "r/early", "late": "r/late"}, own_tags=dict, passed=lambda: None)


def test_own_tags_are_not_asked_for_where_the_commit_s_are_enough() -> None:
    """They are of a plan, which takes seconds."""
    wanted = Wanted("c0", {"early": "r/early"}, own_tags=lambda: pytest.fail("planned"), passed=lambda: None)
    assert images_of(wanted, Answers(0), 0.0, lambda _: None) == {"early": "sha256:r/early:c0"}


@pytest.mark.parametrize(("seconds", "wanted", "sleeps"), [(0.0, 0, 0), (60.0, 2, 2), (60.0, 3, 3), (20.0, 1, 1)])
def test_images_are_waited_for(monkeypatch: pytest.MonkeyPatch, seconds: float, wanted: int, sleeps: int) -> None:
    clock, told, registry = Clock(monkeypatch), list[str](), Answers(wanted)
    found = images_of(WANTED, registry, seconds, told.append)
    assert found == {"early": "sha256:r/early:c0", "late": "sha256:r/late:c0"}
    assert (clock.slept, told) == ([20.0] * sleeps, ["Waiting for late of c0…"] * sleeps)


@pytest.mark.parametrize(("seconds", "sleeps"), [(0.0, 0), (19.9, 0), (20.0, 1), (60.0, 3)])
def test_images_are_not_waited_for_beyond_the_time(
    monkeypatch: pytest.MonkeyPatch, seconds: float, sleeps: int
) -> None:
    clock, registry = Clock(monkeypatch), Answers(99)
    with pytest.raises(ReleaseError, match="commit c0: late was never built from it, there is no tag c0"):
        images_of(WANTED, registry, seconds, lambda _: None)
    assert clock.slept == [20.0] * sleeps


@pytest.mark.parametrize(("arguments", "sleeps"), [((), 0), (("--wait", "0"), 0), (("--wait", "20"), 60)])
def test_the_wait_is_in_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sleeps: int
) -> None:
    monkeypatch.setattr(Stack, "own", {"services": '["carbide-rest-db"]'})
    clock = Clock(monkeypatch)
    done = world.release("--tag", "v1.4.0", *arguments)
    assert (done.exit_code, clock.slept) == (2, [20.0] * sleeps)
    assert done.stderr.count("Waiting for carbide-rest-db of") == sleeps
    assert world.release("--tag", "v1.4.0", "--wait", "-1").exit_code == 2
    assert len(clock.slept) == sleeps


def test_a_digest_may_be_there_already(world: World) -> None:
    name = "carbide-rest-api"
    world.push("1", {name: BUILT[name]})
    client = RegistryClient(world.registry.server, Credentials(*LOGIN), Transport(world.stack.environment))
    (released,) = tagged({name: BUILT[name]}, {name: f"org/team/{name}"}, "1", client)
    assert released == Released(name, f"{world.prefix}/{name}:1", BUILT[name], BUILT[name])


# ---- What was released before.


@pytest.fixture
def released(world: World) -> RegistryClient:
    """A registry in which the API was released twice, and its tag 1.6.0 was not."""
    for tag, build in (("released-1.4.0", BUILT), ("released-1.5.0", LATER), ("1.6.0", LATER)):
        world.push(tag, {API: build[API]})
    return RegistryClient(world.registry.server, Credentials(*LOGIN), Transport(world.stack.environment))


API = "carbide-rest-api"


def test_a_registry_s_list_of_tags_tells_all_releases(released: RegistryClient) -> None:
    found = releases_in(released, f"org/team/{API}", ["1.6.0"])
    assert found == {"1.4.0": BUILT[API], "1.5.0": LATER[API]}


def test_where_no_tags_are_listed_only_the_versions_that_are_asked_for_are_told(
    world: World, released: RegistryClient
) -> None:
    world.registry.faults[f"/v2/org/team/{API}/tags/list"] = Fault(405, 9)
    assert releases_in(released, f"org/team/{API}", ["1.5.0", "1.6.0"]) == {"1.5.0": LATER[API]}


def test_a_registry_that_cannot_be_reached_is_no_registry_without_releases(
    world: World, released: RegistryClient
) -> None:
    world.registry.faults[f"/v2/org/team/{API}/tags/list"] = Fault(0, 9)
    with pytest.raises(Unreachable):
        releases_in(released, f"org/team/{API}", ["1.5.0"])
