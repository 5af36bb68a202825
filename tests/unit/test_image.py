"""The inputs that the engine would receive, recorded by Pulumi's mocks."""

import hashlib
from typing import Any, get_args

import pulumi
import pytest

from carbide_infra.image import BuildTarget, ServiceImage, stack_output
from carbide_infra.local.paths import project_root
from carbide_infra.plan import ImagePlan
from carbide_infra.settings import Platform
from tests.unit.test_plan import plan

DIGEST = "sha256:" + "d" * 64
IMAGE, INDEX = "docker-build:index:Image", "docker-build:index:Index"
SECRETS = {"gitcreds": "machine x", "goenv": "GOPROXY=y\n", "extra_ca": ""}

# Pulumi's wire format of a secret: an object with this key, the value beside it.
SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"  # noqa: S105 - a constant of the protocol


def secret(value: object) -> dict[str, Any]:
    return {SECRET_SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": value}


class Recorder(pulumi.runtime.Mocks):
    def __init__(self) -> None:
        self.resources: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.resources.append(args)
        return args.name, {**args.inputs, "digest": DIGEST, "ref": "reference"}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        message = f"unexpected call of {args.token}"
        raise AssertionError(message)

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {resource.name: resource.inputs for resource in self.resources if resource.typ == kind}


@pytest.fixture
def recorder() -> Recorder:
    mocks = Recorder()
    pulumi.runtime.set_mocks(mocks, project="carbide-infra", stack="test", preview=False)
    return mocks


def target(**changes: Any) -> BuildTarget:  # noqa: ANN401 - any field of BuildTarget
    values: dict[str, Any] = {
        "server": "nvcr.io",
        "username": "$oauthtoken",
        "password": "key",
        "builder": None,
        "secrets": SECRETS,
        "cache_from": (),
        "cache_to": (),
        "go_version": "1.25",
    }
    return BuildTarget(**(values | changes))


def outputs_of(made: ImagePlan, destination: BuildTarget) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def program() -> Any:  # noqa: ANN401 - what pulumi.runtime.test waits for
        return stack_output({"image": ServiceImage(made, destination)}).apply(
            lambda images: found.update(images["image"])
        )

    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]
    return found


def test_the_state_names_each_input_file_and_the_dockerfile(recorder: Recorder) -> None:
    outputs_of(plan(), target())
    (record,) = recorder.of("carbide:image:ServiceImage").values()
    assert record["inputs"] == f"0644 {'0' * 64} 7 go.mod"
    dockerfile = project_root() / "docker/production/Dockerfile.carbide-rest-api"
    assert record["dockerfile"] == hashlib.sha256(dockerfile.read_bytes()).hexdigest()


def test_every_platform_of_the_settings_is_one_of_the_providers(recorder: Recorder) -> None:
    outputs_of(plan({"platforms": list(get_args(Platform))}), target())
    (inputs,) = recorder.of(IMAGE).values()
    assert inputs["platforms"] == sorted(get_args(Platform))


def test_an_image_is_told_the_plan(recorder: Recorder) -> None:
    made = plan()
    outputs_of(made, target())
    (inputs,) = recorder.of(IMAGE).values()
    assert inputs["tags"] == [made.tag]
    assert inputs["context"] == {"location": ".local/contexts/prod/carbide-rest-api"}
    assert inputs["dockerfile"] == {"location": "docker/production/Dockerfile.carbide-rest-api"}
    assert inputs["platforms"] == ["linux/amd64", "linux/arm64"]
    assert inputs["buildArgs"] == made.build_args
    assert inputs["labels"] == made.labels
    assert inputs["buildOnPreview"] is False
    assert inputs["exports"][0]["raw"] == "type=registry,oci-mediatypes=true"
    assert inputs["builder"] == {}


def test_secrets_are_mounted_and_no_part_of_the_diff(recorder: Recorder) -> None:
    outputs_of(plan(), target())
    (inputs,) = recorder.of(IMAGE).values()
    assert inputs["secrets"] == secret(SECRETS)
    assert inputs["ignoreSecretsInDiffCalculation"] == sorted(SECRETS)
    assert inputs["registries"] == secret([{"address": "nvcr.io", "username": "$oauthtoken", "password": "key"}])


def test_every_alias_points_at_the_digest(recorder: Recorder) -> None:
    made = plan()
    outputs_of(made, target())
    indexes = recorder.of(INDEX)
    assert {name.removeprefix("carbide-rest-api-"): entry["tag"] for name, entry in indexes.items()} == {
        "version": f"{made.repository}:1.4.0",
        "revision": f"{made.repository}:{'f' * 40}",
        "latest": f"{made.repository}:latest",
    }
    for entry in indexes.values():
        assert entry["sources"] == [f"{made.repository}@{DIGEST}"]
        assert entry["registry"]["value"]["username"] == "$oauthtoken"


def test_output_is_the_contract(recorder: Recorder) -> None:
    made = plan()
    assert outputs_of(made, target()) == {
        "ref": f"{made.repository}@{DIGEST}",
        "digest": DIGEST,
        "repository": made.repository,
        "tags": list(made.tags),
        "platforms": ["linux/amd64", "linux/arm64"],
        "version": "1.4.0",
        "revision": "c" * 40,
        "goVersion": "1.25",
        "builderImage": "golang:1.25",
        "runtimeImage": "alpine:latest",
        "port": 8388,
        "user": "1000:1000",
        "entrypoint": ["/app/api"],
        "health": ["/app/api", "health"],
        "sizeBudget": 30_000_000,
    }
    assert recorder.resources


def test_an_anonymous_registry_gets_no_credentials(recorder: Recorder) -> None:
    outputs_of(plan(), target(username=None, password=None))
    (inputs,) = recorder.of(IMAGE).values()
    assert not inputs.get("registries")
    assert all("registry" not in entry for entry in recorder.of(INDEX).values())


def test_builder_and_caches_reach_the_engine(recorder: Recorder) -> None:
    outputs_of(plan(), target(builder="fleet", cache_from=["type=registry,ref=r"], cache_to=["type=inline"]))
    (inputs,) = recorder.of(IMAGE).values()
    assert inputs["builder"] == {"name": "fleet"}
    assert inputs["cacheFrom"] == [{"raw": "type=registry,ref=r"}]
    assert inputs["cacheTo"] == [{"raw": "type=inline"}]


def test_an_overridden_health_command_travels_inline(recorder: Recorder) -> None:
    outputs_of(plan({"serviceOverrides": {"carbide-rest-api": {"health": ["true"]}}}), target())
    (inputs,) = recorder.of(IMAGE).values()
    assert 'CMD ["true"]' in inputs["dockerfile"]["inline"]
    assert "location" not in inputs["dockerfile"]
