"""`carbide-infra verify`: what it reads, with whose login, and what it prints."""

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from carbide_infra.cli import tables, verify
from carbide_infra.cli.options import NO_STACK
from carbide_infra.cli.verify import app
from carbide_infra.endpoint import Endpoint, write_endpoint
from carbide_infra.errors import SetupError
from carbide_infra.outputs import ImageOutput
from carbide_infra.registry.client import RegistryClient
from carbide_infra.stack.pulumi_stack import PulumiStack
from carbide_infra.verification import rebuild_environment
from carbide_infra.verification.build_record import BuildRecord, InputsMissing
from carbide_infra.verification.checks import Check
from carbide_infra.verification.rebuild import RebuildEnvironment
from tests.support.consoles import terminal
from tests.support.registry_server import LOGIN, FakeRegistry, encoded
from tests.unit.verification.test_checks import IMAGE, OCI, output, pushed

OTHER = "carbide-rest-db"
CHECKS = 34
Trust = tuple[ssl.SSLContext, Path]


@pytest.fixture(autouse=True)
def shell(tmp_path: Path, tls: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which nothing was set up: trust and login are those of the shell."""
    for name in ("STACK", "CARBIDE_REGISTRY_PASSWORD", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))


@pytest.fixture
def promised(registry: FakeRegistry) -> ImageOutput:
    """An image that is in the registry as it should be."""
    return output(registry, pushed(registry))


def run(*arguments: str) -> Any:  # noqa: ANN401 - the result of Typer's own copy of Click
    return CliRunner().invoke(app, [*arguments])


def saved(folder: Path, **outputs: ImageOutput) -> tuple[str, str]:
    """The arguments for outputs that were saved in a file."""
    file = folder / "outputs.json"
    images = {name.replace("_", "-"): item.exported() for name, item in outputs.items()}
    file.write_bytes(encoded({"schemaVersion": 2, "images": images}))
    return "--from", str(file)


def wrong(promised: ImageOutput) -> ImageOutput:
    return promised.model_copy(update={"user": "0:0"})


# ---- From a file.


def test_all_agree(promised: ImageOutput, tmp_path: Path) -> None:
    done = run(*saved(tmp_path, carbide_rest_api=promised))
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"1 image, {CHECKS} checks, all agree\n", "")


def test_deep_reads_the_layers(promised: ImageOutput, tmp_path: Path) -> None:
    """The layers of these images are no archives: only who reads them can know."""
    done = run(*saved(tmp_path, carbide_rest_api=promised), "--deep")
    assert done.exit_code == 1
    assert "linux/arm64 contents of layers" in " ".join(done.stdout.split())


def test_what_differs_is_a_table(promised: ImageOutput, tmp_path: Path) -> None:
    done = run(*saved(tmp_path, carbide_rest_api=wrong(promised), carbide_rest_db=promised))
    head, amd64, arm64, *rest, verdict = done.stdout.splitlines()
    assert (done.exit_code, verdict) == (1, f"2 images, {2 * CHECKS} checks, 4 differ")
    assert head.split() == ["Image", "What", "Expected", "Found"]
    assert amd64.split() == [IMAGE, "linux/amd64", "user", "0:0", "1000:1000"]
    assert arm64.split() == [IMAGE, "linux/arm64", "user", "0:0", "1000:1000"]
    assert [line.split()[0] for line in rest] == [OTHER, OTHER], "its title is another"
    assert f"{OCI}title" in rest[0]


def test_a_file_keeps_digests_whole(registry: FakeRegistry, promised: ImageOutput, tmp_path: Path) -> None:
    moved = registry.put_image(f"team/{IMAGE}", {"linux/s390x": {}}, "1.4.0")
    done = run(*saved(tmp_path, carbide_rest_api=promised))
    assert done.stdout.splitlines()[1].split() == [IMAGE, "tag", "1.4.0", promised.digest, moved]


@pytest.mark.parametrize("width", [44, 80, 140])
def test_a_terminal_has_a_width_of_its_own(
    width: int, promised: ImageOutput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "Console", terminal(width))
    other = promised.model_copy(update={"digest": f"sha256:{'0' * 64}"})
    lines = run(*saved(tmp_path, carbide_rest_api=other)).stdout.splitlines()
    assert len(lines) == (1 + 3 + 1 if width >= 80 else 3 * 3 + 1), "a line each, where there is room"
    assert all(len(line.rstrip()) <= width for line in lines[:-1])
    assert sum(line.count("0" * 11) for line in lines) == 3
    whole = run(*saved(tmp_path, carbide_rest_api=other), "--wide").stdout.splitlines()
    assert sum(line.count("0" * 64) for line in whole) == 3


def test_the_document(promised: ImageOutput, tmp_path: Path) -> None:
    done = run(*saved(tmp_path, carbide_rest_api=wrong(promised)), "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "images": {
            IMAGE: {
                "ref": promised.ref,
                "checks": CHECKS,
                "differences": [
                    {"what": f"linux/{name} user", "expected": "0:0", "found": "1000:1000"}
                    for name in ("amd64", "arm64")
                ],
            }
        },
        "notRebuilt": [],
        "agrees": False,
    }
    well = run(*saved(tmp_path, carbide_rest_api=promised), "--json")
    assert (well.exit_code, json.loads(well.stdout)["agrees"]) == (0, True)
    assert json.loads(well.stdout)["images"][IMAGE]["differences"] == []


def test_only_the_images_that_are_asked_for(promised: ImageOutput, tmp_path: Path) -> None:
    both = saved(tmp_path, carbide_rest_api=promised, carbide_rest_db=promised)
    assert run(*both, "--image", IMAGE).exit_code == 0
    assert run(*both, "--image", OTHER).exit_code == 1
    unknown = run(*both, "--image", IMAGE, "--image", "other")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "--image other: the stack has no such image" in unknown.stderr


def test_images_of_several_registries(promised: ImageOutput, tls: Trust, tmp_path: Path) -> None:
    with FakeRegistry().running(tls[0]) as second:
        other = output(second, pushed(second))
        done = run(*saved(tmp_path, carbide_rest_api=promised, carbide_rest_db=other), "--image", IMAGE)
        assert (done.exit_code, second.requests) == (0, [])
        done = run(*saved(tmp_path, carbide_rest_api=promised, carbide_rest_db=other))
        assert done.stdout.splitlines()[-1] == f"2 images, {2 * CHECKS} checks, 2 differ"
        assert second.requests


def test_a_registry_that_does_not_answer_is_no_answer(promised: ImageOutput, tmp_path: Path) -> None:
    nowhere = promised.model_copy(update={"repository": f"registry.invalid:1/team/{IMAGE}"})
    (tmp_path / "config.json").write_text("{")
    done = run(*saved(tmp_path, carbide_rest_api=nowhere))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path}/config.json: cannot be read")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), NO_STACK),
        (("--from", "x.json", "--rebuild"), "--rebuild --from: the recorded inputs are in the stack's state"),
        (("--from", "x.json", "--rebuild", "--stack", "prod"), "--rebuild --from: the recorded inputs"),
    ],
)
def test_arguments_that_do_not_go_together(arguments: tuple[str, ...], told: str) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


def test_a_checkouts_own_registry_is_trusted(
    promised: ImageOutput, tls: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    arguments = saved(tmp_path, carbide_rest_api=promised)
    assert "SSL_CERT_FILE = '/nowhere'" in run(*arguments).stderr
    write_endpoint(tmp_path, Endpoint("vm:5443", "carbide-local", str(tls[1])))
    assert run(*arguments).exit_code == 0

    def outside() -> Path:
        message = "no checkout"
        raise SetupError(message)

    monkeypatch.setattr(verify, "project_root", outside)
    assert "SSL_CERT_FILE = '/nowhere'" in run(*arguments).stderr
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    assert run(*arguments).exit_code == 0


# ---- From a stack.


@dataclass(frozen=True)
class Stack(PulumiStack):
    """A stack with two images, whose CLI is never asked."""

    images: Mapping[str, ImageOutput] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def values(self) -> dict[str, str]:
        self.asked.append("config")
        return dict(self.config)

    def resources(self) -> list[dict[str, Any]]:
        self.asked.append("resources")
        images = {name: item.exported() for name, item in self.images.items()}
        found: list[dict[str, Any]] = [
            {"urn": "s::s", "type": "pulumi:pulumi:Stack", "outputs": {"schemaVersion": 2, "images": images}}
        ]
        for name in self.images:
            record = {"inputs": f"0644 {'0' * 64} 1 {name}.go", "dockerfile": "d"}
            inputs = {"platforms": ["linux/amd64"], **self.inputs}
            found.append({"urn": f"u::{name}", "type": "carbide:image:ServiceImage", "inputs": record})
            found.append({"urn": f"u::{name}", "type": "docker-build:index:Image", "inputs": inputs})
        return found


def opened(monkeypatch: pytest.MonkeyPatch, tls: Trust, tmp_path: Path, **changes: Any) -> Stack:  # noqa: ANN401
    """A stack that is there to be opened, whose environment alone has what leads to the registry."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    environment = {"SSL_CERT_FILE": str(tls[1]), "DOCKER_CONFIG": str(tmp_path)}
    stack = Stack("prod", Path("pulumi"), tmp_path, environment, **changes)
    monkeypatch.setattr(verify, "open_stack", {"prod": stack}.__getitem__)
    return stack


@pytest.mark.parametrize("has_variable", [True, False])
def test_a_stack_is_read_with_its_own_login(
    registry: FakeRegistry,
    promised: ImageOutput,
    tls: Trust,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    has_variable: bool,
) -> None:
    registry.login = LOGIN
    values = {"registryServer": registry.server, "registryRepository": "team", "registryUsername": LOGIN[0]}
    if has_variable:
        monkeypatch.setenv("CARBIDE_REGISTRY_PASSWORD", LOGIN[1])
    else:
        values["registryPassword"] = LOGIN[1]
    inputs = {"registries": [{"address": registry.server}], "labels": {f"{OCI}source": "https://example.com"}}
    stack = opened(monkeypatch, tls, tmp_path, images={IMAGE: promised}, inputs=inputs, config=values)
    done = run("--stack", "prod")
    assert (done.exit_code, stack.asked) == (0, ["resources", "config"]), done.stderr
    assert done.stdout == f"1 image, {CHECKS + 2} checks, all agree\n", "the labels of the state are among them"


def test_secrets_of_a_stack_are_left_alone_where_no_login_is_needed(
    promised: ImageOutput, tls: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = opened(monkeypatch, tls, tmp_path, images={IMAGE: promised})
    assert run("--stack", "prod").exit_code == 0
    assert stack.asked == ["resources"]


def test_a_file_comes_before_the_stack(
    promised: ImageOutput, tls: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = opened(monkeypatch, tls, tmp_path, images={IMAGE: promised})
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))
    assert run("--stack", "prod", *saved(tmp_path, carbide_rest_api=promised)).exit_code == 0
    assert stack.asked == []


# ---- Built again.


class Rebuilds:
    """Notes what is built again, and says what came of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[BuildRecord, ImageOutput, RebuildEnvironment, str]] = []
        self.environments: list[tuple[PulumiStack, Mapping[str, str], bool]] = []
        self.found: dict[str, Sequence[Check]] = {}
        monkeypatch.setattr(rebuild_environment, "rebuild_environment", self.environment_of)
        monkeypatch.setattr(verify, "build_again", self.build_again)

    def environment_of(self, stack: PulumiStack, values: Mapping[str, str], *, cold: bool) -> RebuildEnvironment:
        self.environments.append((stack, values, cold))
        return RebuildEnvironment(Path("p"), Path("s"), Path("buildx"), stack.environment, {}, "run", cold)

    def build_again(
        self, record: BuildRecord, promised: ImageOutput, given: RebuildEnvironment, client: RegistryClient
    ) -> Sequence[Check]:
        self.calls.append((record, promised, given, client.server))
        if record.image not in self.found:
            message = f"{record.image}: the inputs are not at hand"
            raise InputsMissing(message)
        return self.found[record.image]


@pytest.fixture
def rebuilds(monkeypatch: pytest.MonkeyPatch) -> Rebuilds:
    return Rebuilds(monkeypatch)


def check(image: str, found: str = "a") -> list[Check]:
    return [Check(image, "built again: index", "a", found)]


@pytest.mark.parametrize("cold", [False, True])
def test_images_are_built_again_from_the_state(
    registry: FakeRegistry,
    promised: ImageOutput,
    tls: Trust,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rebuilds: Rebuilds,
    *,
    cold: bool,
) -> None:
    values = {"registryServer": "local", "registryRepository": "team", "registryUsername": "me"}
    recorded = promised.model_copy(update={"revision": "c" * 40})
    stack = opened(monkeypatch, tls, tmp_path, images={IMAGE: recorded}, config=values)
    rebuilds.found = {IMAGE: check(IMAGE)}
    done = run("--stack", "prod", "--rebuild", *(["--cold"] if cold else []))
    assert (done.exit_code, done.stderr) == (0, f"Building {IMAGE} again from its recorded inputs…\n")
    assert done.stdout == f"1 image, {CHECKS + 1} checks, all agree\n"
    assert rebuilds.environments == [(stack, values, cold)]
    ((record, output_, used, server),) = rebuilds.calls
    assert (record.image, record.revision, record.dockerfile, record.platforms) == (
        IMAGE, "c" * 40, "d", ("linux/amd64",),
    )  # fmt: skip
    assert [file.path for file in record.files] == [f"{IMAGE}.go"]
    assert (output_, used.cold, server) == (recorded, cold, registry.server)


def test_only_what_is_asked_for_is_built_again(
    promised: ImageOutput, tls: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebuilds: Rebuilds
) -> None:
    opened(monkeypatch, tls, tmp_path, images={OTHER: promised, IMAGE: promised})
    rebuilds.found = {IMAGE: check(IMAGE)}
    assert run("--stack", "prod", "--rebuild", "--image", IMAGE).exit_code == 0
    assert [record.image for record, *_ in rebuilds.calls] == [IMAGE]
    rebuilds.calls.clear()
    run("--stack", "prod")
    assert rebuilds.calls == []


def test_what_cannot_be_built_again_is_no_answer(
    promised: ImageOutput, tls: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebuilds: Rebuilds
) -> None:
    opened(monkeypatch, tls, tmp_path, images={IMAGE: promised})
    done = run("--stack", "prod", "--rebuild")
    assert done.exit_code == 2
    assert done.stdout == f"1 image, {CHECKS} checks, all agree\n"
    assert done.stderr.splitlines()[-1] == f"not built again: {IMAGE}: the inputs are not at hand"
    document = json.loads(run("--stack", "prod", "--rebuild", "--json").stdout)
    assert (document["notRebuilt"], document["agrees"]) == ([f"{IMAGE}: the inputs are not at hand"], True)
    assert len(rebuilds.calls) == 2


def test_a_difference_counts_more_than_what_is_missing(
    promised: ImageOutput, tls: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebuilds: Rebuilds
) -> None:
    same = promised.model_copy(update={"tags": ["1.4.0-key"]})
    opened(monkeypatch, tls, tmp_path, images={OTHER: same, IMAGE: same})
    rebuilds.found = {OTHER: check(OTHER, "b")}
    done = run("--stack", "prod", "--rebuild")
    assert done.exit_code == 1
    assert f"not built again: {IMAGE}" in done.stderr
    rows = [line.split()[0] for line in done.stdout.splitlines()[1:-1]]
    assert rows == [OTHER, OTHER, OTHER], "an image's rows stand together, in the order of the outputs"
