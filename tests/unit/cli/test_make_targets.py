"""What stands behind the make targets: what a user is told, and what Pulumi and buildx are asked."""

import base64
import json
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from carbide_infra.cli.app import app
from carbide_infra.endpoint import Endpoint, write_endpoint
from carbide_infra.stack.event_log import has_changes, new_event_log
from devenv import cli, ready
from devenv.bases import BaseImages
from devenv.toolchain import Tools
from tests.support.catalogue import CATALOGUE, FOLDER
from tests.support.fake_programs import FakeProgram
from tests.support.outputs import exported
from tests.support.registry_server import LOGIN, FakeRegistry, Fault

OLD, DIGEST = (f"sha256:{digit * 64}" for digit in "0a")
# As the Makefile has it.
STARTS = {
    "up": ("--start",),
    "preview": ("--start", "--if-new"),
    "refresh": ("--start", "--if-local"),
    "pin-bases": ("--start", "--unpinned"),
    "check-bases": (),
    "images": (),
}
LOCAL = {"registryServer": "local", "registryRepository": "carbide"}


class Checkout:
    """A checkout whose Pulumi, buildx and local registry are the tests' own."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.pulumi, self.buildx = FakeProgram(root / "bin", "pulumi"), FakeProgram(root / "bin", "buildx")
        self.stand_ins: dict[str, str] = {}
        self.started: list[BaseImages] = []
        self.plugins_in: list[Path] = []
        nothing = root / "bin" / "nothing"
        tools = Tools(root / "bin", self.pulumi.path, self.buildx.path, *(nothing for _ in range(3)))
        (root / "Pulumi.yaml").write_text("name: carbide-infra\nruntime: python\n")
        (root / "devenv").mkdir()
        self.catalogue = root / "docker/production/services.yaml"
        self.catalogue.parent.mkdir(parents=True)
        written = (FOLDER / "services.yaml").read_text()
        # Without its bases, which the program has by itself.
        self.catalogue.write_text(re.sub(r"^  (base|builder): .*\n", "", written, flags=re.MULTILINE))
        (root / "source").mkdir()
        (root / "bin/carbide-infra").touch(mode=0o755)
        self.configure()
        self.environment: dict[str, str] | None = None
        monkeypatch.chdir(root)
        monkeypatch.setattr(cli, "required_tools", lambda _: tools)
        monkeypatch.setattr(ready, "required_tools", lambda _: tools)
        monkeypatch.setattr(ready, "ensure_tools", lambda *_, **__: tools)
        monkeypatch.setattr(ready, "docker_answers", lambda: False)
        monkeypatch.setattr(ready, "install_plugin", lambda _, home: self.plugins_in.append(home))
        monkeypatch.setattr(ready, "local_up", self._start)
        monkeypatch.setattr(os, "execve", self._become)

    def configure(self, stack: str = "dev", **values: object) -> None:
        values = LOCAL | {"source": "source"} | values
        content = {"config": {f"carbide-infra:{key}": value for key, value in values.items()}}
        (self.root / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump(content))

    def run(self, command: str, *arguments: str, code: int = 0) -> Result:
        """What `make` runs: the kit, and the command that it becomes."""
        self.environment = None
        if command in {"env", "start"}:
            done = CliRunner().invoke(cli.app, [command, *arguments])
        else:
            done = CliRunner().invoke(cli.app, ["run", *STARTS[command], "--", "carbide-infra", command, *arguments])
        if self.environment is not None:
            done = CliRunner().invoke(app, [command, *arguments], env=self.environment)
        assert done.exit_code == code, done.output
        return done

    def _become(self, program: Path, command: Sequence[str], environment: dict[str, str]) -> None:
        assert (program, command[0]) == (self.root / "bin/carbide-infra", "carbide-infra")
        self.environment = environment

    def _start(self, root: Path, _tools: Tools, bases: BaseImages, _report: object, _trust: object) -> Endpoint:
        assert root == self.root
        self.started.append(bases)
        endpoint = Endpoint("vm:5443", "carbide-local", "/ca.pem", self.stand_ins)
        write_endpoint(root, endpoint)
        return endpoint


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    for name in list(os.environ):
        if name.startswith(("PULUMI_", "CARBIDE_", "BUILDX_", "STACK")):
            monkeypatch.delenv(name)
    return Checkout(tmp_path, monkeypatch)


# ---- Base images.


def pin_asked(checkout: Checkout) -> dict[str, str]:
    """Key and value of each `pulumi config set`."""
    asked = [call.split() for call in checkout.pulumi.calls]
    assert all(call[:2] == ["config", "set"] for call in asked)
    assert all(call[4:] == ["--stack", "dev", "--non-interactive"] for call in asked)
    return {call[2]: call[3] for call in asked}


class Images:
    """Docker Hub's images, by their short names."""

    def __init__(self, hub: FakeRegistry) -> None:
        self.hub = hub
        self.digests: dict[str, str] = {}

    def put(self, *names: str) -> None:
        for name in names:
            repository, _, tag = name.partition(":")
            self.digests[name] = self.hub.put_image(
                f"library/{repository}", {"linux/amd64": {}}, tag, layer=name.encode()
            )

    def pinned(self, name: str) -> str:
        return f"{name}@{self.digests[name]}"

    @property
    def asked(self) -> set[str]:
        """The tags that were asked for."""
        paths = [request.path.removeprefix("/v2/library/") for request in self.hub.requests]
        return {path.replace("/manifests/", ":") for path in paths if "sha256:" not in path}


@pytest.fixture
def images(checkout: Checkout, hub: FakeRegistry, tls: tuple[object, Path], monkeypatch: pytest.MonkeyPatch) -> Images:
    """Docker Hub, which has the images of the catalogue's defaults."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    monkeypatch.setenv("DOCKER_CONFIG", str(checkout.root))
    made = Images(hub)
    made.put("golang:1.25", "alpine:latest")
    return made


def test_pin_bases_gives_each_key_the_digest_of_its_own_image(checkout: Checkout, images: Images) -> None:
    told = checkout.run("pin-bases").stderr
    golang, alpine = images.pinned("golang:1.25"), images.pinned("alpine:latest")
    assert pin_asked(checkout) == {"builderImage": golang, "runtimeImage": alpine}
    assert f"builderImage golang:1.25: not pinned → {images.digests['golang:1.25']}" in told
    assert f"runtimeImage alpine:latest: not pinned → {images.digests['alpine:latest']}" in told
    assert checkout.buildx.calls == []


def refer(checkout: Checkout, reference: str) -> None:
    """Let an image of the catalogue have a base of its own."""
    text = checkout.catalogue.read_text()
    own = f"    package: ./api/cmd/api\n    base: '{reference}'  # its own\n"
    checkout.catalogue.write_text(text.replace("    package: ./api/cmd/api\n", own))


def test_pin_bases_covers_the_catalogue_and_keeps_its_layout(checkout: Checkout, images: Images) -> None:
    images.put("debian:13")
    refer(checkout, "debian:13")
    before = checkout.catalogue.read_text()
    done = checkout.run("pin-bases")
    assert checkout.catalogue.read_text() == before.replace("'debian:13'", f"'{images.pinned('debian:13')}'")
    assert "debian:13: not pinned → " in done.stderr
    assert "make generate writes the Dockerfiles anew" in done.stderr
    assert "make generate" not in checkout.run("pin-bases").stderr


@pytest.mark.parametrize("reference", ["scratch", f"example.com/x@sha256:{'1' * 64}", "debian:13"])
def test_pin_bases_leaves_what_has_no_tag_of_its_own_or_a_stand_in(
    checkout: Checkout, images: Images, reference: str
) -> None:
    images.put("debian:13")
    checkout.stand_ins = {"debian:13": OLD}
    refer(checkout, reference)
    before = checkout.catalogue.read_text()
    checkout.run("pin-bases")
    assert checkout.catalogue.read_text() == before


def test_check_bases_tells_a_pin_of_the_catalogue_that_has_moved(checkout: Checkout, images: Images) -> None:
    images.put("debian:13")
    refer(checkout, f"debian:13@{OLD}")
    done = checkout.run("check-bases", code=1)
    line = rf"^docker/production/services.yaml:\d+ debian:13: {OLD} → {images.digests['debian:13']}$"
    assert re.search(line, done.stdout, re.MULTILINE)


def test_pin_bases_brings_a_pinned_builder_to_the_go_version(checkout: Checkout, images: Images) -> None:
    images.put("golang:1.26", "alpine:3")
    checkout.configure(goVersion="1.26", builderImage=f"golang:1.25@{OLD}", runtimeImage=f"alpine:3@{OLD}")
    checkout.run("pin-bases")
    golang, alpine = images.pinned("golang:1.26"), images.pinned("alpine:3")
    assert pin_asked(checkout) == {"builderImage": golang, "runtimeImage": alpine}
    assert checkout.started == [BaseImages(("golang:1.26",), {"alpine:3": ("linux/amd64", "linux/arm64")})]


def test_pin_bases_takes_the_stand_in_of_an_image_and_asks_nobody_for_it(checkout: Checkout, images: Images) -> None:
    checkout.stand_ins = {"alpine:latest": OLD}
    checkout.run("pin-bases")
    assert images.asked == {"golang:1.25"}
    # A pin names the image, and not the place where it was found.
    assert pin_asked(checkout)["runtimeImage"] == f"alpine:latest@{OLD}"


def test_stand_ins_serve_the_local_registry_only(checkout: Checkout, images: Images) -> None:
    checkout.configure(registryServer="nvcr.io")
    checkout.stand_ins = {"alpine:latest": OLD, "golang:1.25": OLD}
    checkout.run("pin-bases")
    assert pin_asked(checkout)["runtimeImage"] == images.pinned("alpine:latest")


def test_pin_bases_logs_in_as_the_user_does(checkout: Checkout, images: Images) -> None:
    images.hub.login = LOGIN
    login = {"auth": base64.b64encode(":".join(LOGIN).encode()).decode()}
    (checkout.root / "config.json").write_text(json.dumps({"auths": {"https://index.docker.io/v1/": login}}))
    checkout.run("pin-bases")
    assert pin_asked(checkout)["builderImage"] == images.pinned("golang:1.25")


def test_pin_bases_logs_in_as_the_stack_does(checkout: Checkout, images: Images) -> None:
    images.hub.login = LOGIN
    checkout.configure(registryLogins={"secure": "v1:encrypted"})
    values = LOCAL | {"registryLogins": json.dumps({"docker.io": {"username": LOGIN[0], "password": LOGIN[1]}})}
    answer = {f"carbide-infra:{key}": {"value": value} for key, value in values.items()}
    checkout.pulumi.answer("config --json", answer)
    checkout.run("pin-bases")
    pinned = f"config set builderImage {images.pinned('golang:1.25')} --stack dev --non-interactive"
    assert pinned in checkout.pulumi.calls


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(404, 9), "builderImage = golang:1.25: docker.io has no such image; check repository and tag"),
        (Fault(403, 9), "builderImage = golang:1.25: docker.io refuses to show it to us "),
        (Fault(500, 9), "builderImage = golang:1.25: docker.io gives no answer (answers 500 to library/golang/"),
    ],
)
def test_a_digest_that_is_not_told_pins_nothing(
    checkout: Checkout, images: Images, monkeypatch: pytest.MonkeyPatch, fault: Fault, told: str
) -> None:
    monkeypatch.setattr("carbide_infra.registry.transport._FIRST_PAUSE", 0)
    images.hub.faults["/v2/library/golang/manifests/1.25"] = replace(fault)
    assert told in checkout.run("pin-bases", code=1).stderr
    assert checkout.pulumi.calls == []


def test_a_pinned_builder_of_another_go_version_starts_nothing(checkout: Checkout) -> None:
    checkout.configure(goVersion="1.26", builderImage=f"golang:1.25@{OLD}")
    for command in ("up", "preview", "refresh", "start"):
        shown = checkout.run(command, code=1).stderr
        assert f"builderImage = 'golang:1.25@{OLD}': is not the goVersion '1.26'" in shown
        assert "make pin-bases" in shown
    assert (checkout.started, checkout.pulumi.calls, checkout.buildx.calls) == ([], [], [])


@pytest.mark.parametrize("moved", [False, True])
def test_check_bases_tells_a_pin_that_has_moved(checkout: Checkout, images: Images, moved: bool) -> None:  # noqa: FBT001
    golang, alpine = images.digests["golang:1.25"], images.digests["alpine:latest"]
    pinned = OLD if moved else golang
    checkout.configure(builderImage=f"golang:1.25@{pinned}", runtimeImage=f"alpine:latest@{alpine}")
    # A stand-in would say nothing of the image that it stands in for.
    write_endpoint(
        checkout.root, Endpoint("vm:5443", "b", "/ca.pem", dict.fromkeys(("golang:1.25", "alpine:latest"), OLD))
    )
    done = checkout.run("check-bases", code=1 if moved else 0)
    change = f"{OLD} → {golang}" if moved else golang
    assert done.stdout.splitlines() == [f"builderImage golang:1.25: {change}", f"runtimeImage alpine:latest: {alpine}"]
    assert ("Base images have moved" in done.stderr) is moved
    assert "What is not pinned" not in done.stderr
    assert checkout.started == []


def test_check_bases_tells_what_is_not_pinned(checkout: Checkout, images: Images) -> None:
    checkout.configure(runtimeImage=images.pinned("alpine:latest"))
    done = checkout.run("check-bases")
    assert "What is not pinned may change with any build: make pin-bases STACK=dev" in done.stderr


def keep(checkout: Checkout, dockerfile: str, entry: str = "") -> None:
    """Let the catalogue have an image with a Dockerfile of its own."""
    (checkout.root / "source/Dockerfile.own").write_text(dockerfile)
    added = f"  own:\n    dockerfile: Dockerfile.own\n{entry}"
    checkout.catalogue.write_text(f"{checkout.catalogue.read_text().rstrip()}\n{added}")


KEPT = "ARG BASE=debian:13\nFROM busybox:1 AS a\nFROM {} AS b\nFROM $BASE\nCOPY --from=a /x /\nCOPY --from=b /x /\n"


def test_check_bases_tells_the_bases_of_an_image_s_own_dockerfile(checkout: Checkout, images: Images) -> None:
    images.put("debian:13", "busybox:1", "node:22")
    keep(checkout, KEPT.format(f"node:22@{OLD}"))
    done = checkout.run("check-bases", code=1)
    assert done.stdout.splitlines()[-3:] == [
        f"Dockerfile.own:1 debian:13: not pinned → {images.digests['debian:13']}",
        f"Dockerfile.own:2 busybox:1: not pinned → {images.digests['busybox:1']}",
        f"Dockerfile.own:3 node:22: {OLD} → {images.digests['node:22']}",
    ]


def test_pin_bases_writes_nothing_into_an_image_s_own_dockerfile(checkout: Checkout, images: Images) -> None:
    images.put("debian:13", "busybox:1", "node:22")
    text = KEPT.format(images.pinned("node:22"))
    keep(checkout, text)
    told = checkout.run("pin-bases").stderr
    assert f"Dockerfile.own:2 busybox:1: not pinned → {images.digests['busybox:1']}\n" in told
    assert "write the digests of Dockerfile.own:1, Dockerfile.own:2 there" in told
    assert (checkout.root / "source/Dockerfile.own").read_text() == text


def test_pin_bases_writes_a_base_that_the_catalogue_itself_gives_to_a_dockerfile(
    checkout: Checkout, images: Images
) -> None:
    images.put("debian:12", "busybox:1")
    keep(checkout, KEPT.format("scratch"), "    args: {OTHER: debian:12, BASE: debian:12}  # why\n")
    before = checkout.catalogue.read_text()
    assert re.search(
        r"^docker/production/services.yaml:\d+ debian:12: not", checkout.run("check-bases").stdout, re.MULTILINE
    )
    told = checkout.run("pin-bases").stderr
    pinned = images.pinned("debian:12")
    assert checkout.catalogue.read_text() == before.replace(" BASE: debian:12", f" BASE: {pinned}")
    assert "write the digests of Dockerfile.own:2 there" in told
    assert f"services.yaml:{len(before.splitlines())} debian:12: {images.digests['debian:12']}" in (
        checkout.run("check-bases").stdout
    )


def test_check_bases_has_no_answer_where_a_dockerfile_cannot_be_read(checkout: Checkout, images: Images) -> None:
    keep(checkout, "FROM\n")
    assert "Dockerfile.own" in checkout.run("check-bases", code=2).stderr
    assert images.asked == set()


def test_check_bases_asks_other_registries_without_docker_hub(
    checkout: Checkout, registry: FakeRegistry, tls: tuple[object, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    digest = registry.put_image("own", {"linux/amd64": {}}, "7")
    checkout.configure(builderImage=f"{registry.server}/own:7", runtimeImage=f"{registry.server}/own:7")
    assert f"builderImage {registry.server}/own:7: not pinned → {digest}" in checkout.run("check-bases").stdout


def test_check_bases_has_no_answer_where_nobody_knows(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carbide_infra.registry.transport._FIRST_PAUSE", 0)
    done = checkout.run("check-bases", code=2)
    assert "builderImage = golang:1.25: docker.io gives no answer (127.0.0.1:1: cannot be reached" in done.stderr
    assert "or name a mirror with CARBIDE_DOCKERHUB_MIRROR" in done.stderr
    assert done.stdout == ""


# ---- Updates, previews, refreshes.

SELECT = "stack select --create dev --non-interactive"
OUTPUTS = "stack output --json --stack dev --non-interactive"


def images_at(server: str, digest: str) -> dict[str, Any]:
    """The outputs of a stack with two images of one digest."""
    names = ("carbide-rest-api", "carbide-rest-db")
    images = {name: {**entry, "digest": digest} for name, entry in exported()["images"].items() if name in names}
    return {"images": {name: {**entry, "repository": f"{server}/team/{name}"} for name, entry in images.items()}}


@pytest.fixture
def stack(
    checkout: Checkout, registry: FakeRegistry, tls: tuple[object, Path], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """The resources of a stack with two whole images, whose aliases have moved."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    urn, resources = "urn:pulumi:dev::carbide-infra::{}::{}", list[dict[str, Any]]()
    digest = ""
    for name in ("carbide-rest-api", "carbide-rest-db"):
        repository = f"{registry.server}/team/{name}"
        digest = registry.put_image(f"team/{name}", {"linux/amd64": {}}, "1.4.0-key")
        image = urn.format("docker-build:index:Image", name)
        tags = [f"{repository}:1.4.0-key"]
        resources.append(
            {"urn": image, "type": "docker-build:index:Image", "outputs": {"tags": tags, "digest": digest}}
        )
        resources.append(
            {
                "urn": urn.format("docker-build:index:Index", f"{name}-version"),
                "type": "docker-build:index:Index",
                "inputs": {"sources": [f"{repository}@{digest}"], "tag": f"{repository}:1.4.0"},
                "outputs": {"tag": f"{repository}:1.4.0", "ref": f"{repository}:1.4.0@{OLD}"},
                "dependencies": [image],
            }
        )
    checkout.pulumi.answer("stack export", {"version": 3, "deployment": {"resources": resources}})
    checkout.pulumi.answer("stack output", images_at(registry.server, digest))
    return [resource["urn"] for resource in resources]


def forgotten(checkout: Checkout) -> list[str]:
    calls = [call for call in checkout.pulumi.calls if call.startswith("state ")]
    ending = "--target-dependents --yes --stack dev --non-interactive"
    assert all(call == f"state delete {call.split()[2]} {ending}" for call in calls)
    return [call.split()[2] for call in calls]


def test_refresh_forgets_what_is_damaged_once_and_nothing_that_is_whole(
    checkout: Checkout, registry: FakeRegistry, stack: list[str]
) -> None:
    del registry.manifests["team/carbide-rest-api", "1.4.0-key"]
    done = checkout.run("refresh")
    api, _, _, db_alias = stack
    assert forgotten(checkout) == [api, db_alias], "the alias of a forgotten image goes with it"
    assert checkout.pulumi.calls[:2] == [
        SELECT,
        "refresh --suppress-outputs --clear-pending-creates --yes --skip-preview --stack dev --non-interactive",
    ]
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert "carbide-rest-api:1.4.0-key points at nothing" in lines[0]
    assert f"carbide-rest-db:1.4.0 points at {OLD}" in lines[1]
    assert all(line.endswith("; make up STACK=dev repairs it") for line in lines)


def test_refresh_tells_of_a_released_version_that_moved(
    checkout: Checkout, registry: FakeRegistry, stack: list[str]
) -> None:
    assert stack
    registry.put_image("team/carbide-rest-api", {"linux/s390x": {}}, "released-1.3.0")
    (line,) = (line for line in checkout.run("refresh").stderr.splitlines() if "released" in line)
    assert "carbide-rest-api:1.3.0 points at nothing, and was released as sha256:" in line
    assert line.endswith("; carbide-infra release --stack dev at its git tag puts it back")


def test_a_refresh_that_fails_forgets_nothing(checkout: Checkout, stack: list[str]) -> None:
    checkout.pulumi.answer("refresh", "error: the registry does not answer\n", code=7)
    assert "the registry does not answer" in checkout.run("refresh", code=7).stdout
    assert stack
    assert forgotten(checkout) == []


def test_a_stack_without_images_has_no_drift(checkout: Checkout, stack: list[str]) -> None:
    checkout.pulumi.answer("stack output", {})
    checkout.run("refresh")
    assert stack
    assert forgotten(checkout) == []


def test_refresh_logs_in_as_the_stack_says(
    checkout: Checkout, registry: FakeRegistry, stack: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.login = ("me", "s3cr3t")
    checkout.configure(registryUsername="me")
    values = {"registryServer": registry.server, "registryRepository": "team", "registryUsername": "me"}
    anonymous = {key: {"value": value} for key, value in values.items()}
    config = anonymous | {"registryPassword": {"value": "s3cr3t", "secret": True}}
    checkout.pulumi.answer("config", {f"carbide-infra:{key}": value for key, value in config.items()})
    checkout.run("refresh")
    assert "config --json --show-secrets --stack dev --non-interactive" in checkout.pulumi.calls
    assert forgotten(checkout) == [stack[1], stack[3]]
    checkout.pulumi.answer("config", {f"carbide-infra:{key}": value for key, value in anonymous.items()})
    assert registry.server in checkout.run("refresh", code=1).stderr
    monkeypatch.setenv("CARBIDE_REGISTRY_PASSWORD", "s3cr3t")
    checkout.run("refresh")


def updates(checkout: Checkout, *events: Mapping[str, Any], code: int = 0) -> None:
    """Let an update end with this code, and leave these events in its log."""
    record = checkout.root / "events of the tests"
    record.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    copy = f"""while [ "$1" != --event-log ]; do shift; done; cp '{record}' "$2" """
    checkout.pulumi.answer("up --", code=code, does=copy)


URN = "urn:pulumi:dev::carbide-infra::carbide:image:ServiceImage$docker-build:index:Image::carbide-rest-api"
META = {"urn": URN, "type": "docker-build:index:Image", "op": "update"}
UP = "up --continue-on-error --suppress-outputs --event-log {log} --yes --skip-preview --stack dev --non-interactive"


@pytest.fixture
def built(checkout: Checkout) -> Iterator[Checkout]:
    checkout.pulumi.answer("stack output", images_at("127.0.0.1:1", DIGEST))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("carbide_infra.cli.up.image_sizes", lambda *_: {"carbide-rest-api": {"linux/amd64": 4_900_000}})
        yield checkout


def test_up_selects_updates_and_shows_the_table(built: Checkout, tmp_path: Path) -> None:
    updates(
        built,
        {"timestamp": 10, "resourcePreEvent": {"metadata": META}},
        {"timestamp": 17, "resOutputsEvent": {"metadata": META}},
        {"timestamp": 18, "summaryEvent": {"resourceChanges": {"update": 1}}},
    )
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    done = built.run("up", "--summary", str(summary))
    (log,) = (built.root / ".local/events").iterdir()
    assert built.pulumi.calls == [SELECT, UP.format(log=log), OUTPUTS]
    assert built.pulumi.folder == built.root
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("carbide-rest-api "))
    assert line.split()[1:3] == ["127.0.0.1:1/team/carbide-rest-api:1.4.0-8b1c6d050d4a", DIGEST]
    assert line.split()[-6:] == ["linux/arm64", "4.9", "?", "digest", "new", "7"]
    assert done.stderr.splitlines()[-1].startswith("1 image rebuilt, 1 new digest: deployments of carbide-rest-api ")
    assert summary.read_text().startswith("before\n1 image rebuilt")
    assert "| 7 |" in summary.read_text()
    assert "No changes" not in done.stderr


def test_up_without_changes_says_so(built: Checkout) -> None:
    updates(built, {"timestamp": 1, "summaryEvent": {"resourceChanges": {"same": 9}}})
    assert "No changes: every image is as this source tree and stack want it." in built.run("up").stderr


def test_up_gives_the_engine_this_checkouts_environment(built: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    built.run("up")
    given = built.pulumi.environment
    assert given["PULUMI_BACKEND_URL"] == f"file://{built.root}/.local/state"
    assert given["PULUMI_HOME"] == f"{built.root}/.local/pulumi-home"
    assert given["PULUMI_CONFIG_PASSPHRASE_FILE"] == f"{built.root}/.local/passphrase"
    assert given["AWS_PROFILE"] == "mine"
    assert built.plugins_in == [built.root / ".local/pulumi-home"]


def test_up_repeats_what_a_failed_image_printed_and_leaves_with_its_code(built: Checkout) -> None:
    updates(
        built,
        {"timestamp": 1, "diagnosticEvent": {"urn": URN, "message": "#13 0.1 main.go:1:1: undefined: x"}},
        {"timestamp": 2, "resOpFailedEvent": {"metadata": META}},
        code=255,
    )
    done = built.run("up", code=255)
    assert "carbide-rest-api failed:\n    main.go:1:1: undefined: x" in done.stderr
    assert "`make up STACK=dev` does the rest" in done.stderr
    assert "No changes" not in done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("carbide-rest-api "))
    assert line.split()[-1] == "failed"


def test_an_event_log_of_the_last_update_says_nothing_of_this_one(built: Checkout) -> None:
    updates(built, {"timestamp": 2, "resOpFailedEvent": {"metadata": META}})
    assert "failed" in built.run("up").output
    updates(built, {"timestamp": 2, "summaryEvent": {"resourceChanges": {"same": 1}}})
    assert "failed" not in built.run("up").output


@pytest.mark.parametrize("stack", ["dev", "other"])
def test_each_run_has_an_event_log_of_its_own(built: Checkout, stack: str) -> None:
    """A second run, of this or another stack, begins before the first has read what it did."""
    first = new_event_log(built.root / ".local", "dev")
    first.write_text(json.dumps({"summaryEvent": {"resourceChanges": {"update": 7}}}) + "\n")
    built.configure(stack)
    updates(built, {"summaryEvent": {"resourceChanges": {"same": 9}}})
    built.run("up", "--stack", stack)
    assert has_changes(first)


def test_only_the_latest_event_logs_are_kept(tmp_path: Path) -> None:
    made = []
    for second in range(20):
        made.append(new_event_log(tmp_path, "dev"))
        os.utime(made[-1], (second, second))
    assert set((tmp_path / "events").iterdir()) == set(made[-11:])


def test_an_update_that_never_began_shows_no_table_of_another(built: Checkout) -> None:
    """Somebody takes the lock in the moment before Pulumi asks for it: what it says is all."""
    built.pulumi.answer("up --", error="error: the stack is currently locked by 1 lock(s)\n", code=255)
    done = built.run("up", code=255)
    assert done.output == ""


def test_up_runs_in_the_checkout_and_may_write_the_engines_events(built: Checkout) -> None:
    """Pulumi has the option for its own Automation API only, which sets this variable."""
    note = built.root / "note"
    built.pulumi.answer("up --", does=f"(pwd; printenv PULUMI_DEBUG_COMMANDS) >'{note}'")
    built.run("up")
    assert note.read_text() == f"{built.root}\ntrue\n"


@pytest.mark.parametrize("command", ["up", "refresh"])
@pytest.mark.parametrize(("host", "released"), [(socket.gethostname(), True), ("elsewhere", False)])
def test_the_lock_of_a_killed_update_is_released(built: Checkout, command: str, host: str, *, released: bool) -> None:
    lock = built.root / ".local/state/.pulumi/locks/organization/carbide-infra/dev/1.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"hostname": host, "pid": 2**22 + 1}))
    built.pulumi.answer("stack export", {"version": 3, "deployment": None})
    built.pulumi.answer("stack output", {})
    built.pulumi.answer("cancel", does=f"rm '{lock}'")
    done = built.run(command, code=0 if released else 1)
    assert ("cancel --yes dev --non-interactive" in built.pulumi.calls) is released
    assert ("The last update was killed: releasing its lock" in done.stderr) is released


def test_the_lock_of_an_update_that_runs_stays(built: Checkout) -> None:
    folder = built.root / ".local/state/.pulumi/locks/organization/carbide-infra/dev"
    folder.mkdir(parents=True)
    for pid in (2**22 + 1, os.getpid()):
        (folder / f"{pid}.json").write_text(json.dumps({"hostname": socket.gethostname(), "pid": pid}))
    built.run("up", code=1)
    assert built.pulumi.calls == [SELECT]


@pytest.mark.parametrize("command", ["up", "refresh"])
def test_a_lock_error_says_that_another_update_runs_since_when_and_nothing_else(
    built: Checkout, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    lock = built.root / ".local/state/.pulumi/locks/organization/carbide-infra/dev/1.json"
    lock.parent.mkdir(parents=True)
    held = {"hostname": "build-3", "pid": 17, "username": "ci", "timestamp": "2026-11-26T09:30:01.5Z"}
    lock.write_text(json.dumps(held))
    told = "another update runs since 09:30:01 on 26 November 2026 (process 17 of ci on build-3)"
    done = built.run(command, code=1)
    assert (done.stdout, done.stderr) == ("", f"error: stack dev: {told}\n")


def test_a_source_that_is_not_there_starts_nothing(checkout: Checkout) -> None:
    checkout.configure(source="nowhere")
    assert "source = 'nowhere': is not a folder" in checkout.run("up", code=1).stderr
    assert (checkout.started, checkout.pulumi.calls) == ([], [])


def test_preview_ends_as_the_engine_does(checkout: Checkout) -> None:
    checkout.pulumi.answer("preview", "error: source = '/x': is not a folder\n", code=3)
    assert "is not a folder" in checkout.run("preview", code=3).stdout
    assert checkout.pulumi.calls == [SELECT, "preview --stack dev --non-interactive"]


def test_images_are_json_or_a_sentence(checkout: Checkout) -> None:
    assert "stack dev: has no outputs yet" in checkout.run("images", "--stack", "dev", code=2).stderr
    checkout.pulumi.answer("stack output", exported())
    done = checkout.run("images", "--format", "images")
    assert (set(json.loads(done.stdout)), done.stderr) == (set(CATALOGUE), "")


def test_env_selects_the_development_stack_and_no_other(checkout: Checkout) -> None:
    assert f"export PULUMI_BACKEND_URL='file://{checkout.root}/.local/state'" in checkout.run("env").stdout
    assert checkout.pulumi.calls == [SELECT]
    checkout.configure("prod")
    assert "export PULUMI_HOME=" in checkout.run("env", "--stack", "prod").stdout
    assert checkout.pulumi.calls == [SELECT]


@pytest.mark.parametrize(
    "words",
    [
        "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end",
        "error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE",
    ],
)
def test_what_pulumi_refuses_is_told_in_its_words(checkout: Checkout, words: str) -> None:
    checkout.pulumi.answer("stack select", error=f"{words}\n", code=255)
    for command in ("up", "preview", "refresh"):
        assert words in checkout.run(command, code=1).stderr
    assert set(checkout.pulumi.calls) == {SELECT}
