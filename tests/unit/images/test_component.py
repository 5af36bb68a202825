"""What the engine is sent for each image: its build, its tags, and how they hang together."""

import csv
import hashlib
from typing import Any, get_args

import pulumi
import pytest

from carbide_infra.catalogue.values import Platform
from carbide_infra.images.component import BuildTarget, ServiceImage, stack_output
from carbide_infra.images.plan import ImagePlan
from tests.support.catalogue import FOLDER
from tests.support.outputs import digest_of
from tests.support.recording_engine import COMPONENT, IMAGE, INDEX, RecordingEngine, Registration, secret
from tests.unit.images.test_plan import plan

API, OTHER = "carbide-rest-api", "carbide-rest-ipam"
SECRETS = {"gitcreds": "machine x", "goenv": "GOPROXY=y\n", "extra_ca": ""}
OCI = "org.opencontainers.image."
LABELS = {
    f"{OCI}title": "carbide-rest-api",
    f"{OCI}description": "REST API server of Carbide",
    f"{OCI}vendor": "NVIDIA",
    f"{OCI}licenses": "Apache-2.0",
    f"{OCI}base.name": "alpine:latest",
    f"{OCI}source": "https://github.com/NVIDIA/carbide-rest",
    f"{OCI}version": "1.4.0",
}
EXPORT = (
    'type=registry,oci-mediatypes=true,"annotation-index.org.opencontainers.image.base.name=alpine:latest",'
    '"annotation-index.org.opencontainers.image.description=REST API server of Carbide",'
    '"annotation-index.org.opencontainers.image.licenses=Apache-2.0",'
    '"annotation-index.org.opencontainers.image.source=https://github.com/NVIDIA/carbide-rest",'
    '"annotation-index.org.opencontainers.image.title=carbide-rest-api",'
    '"annotation-index.org.opencontainers.image.vendor=NVIDIA",'
    '"annotation-index.org.opencontainers.image.version=1.4.0"'
)
LOGIN = {"address": "nvcr.io", "username": "$oauthtoken", "password": secret("key")}


def target(**changes: Any) -> BuildTarget:  # noqa: ANN401 - any field of BuildTarget
    values: dict[str, Any] = {
        "server": "nvcr.io",
        "username": "$oauthtoken",
        "password": "key",
        "builder": None,
        "secrets": SECRETS,
        "cache_from": (),
        "cache_to": (),
    }
    return BuildTarget(**(values | changes))


def resources(engine: RecordingEngine, *plans: ImagePlan, preview: bool = False, **changes: Any) -> RecordingEngine:  # noqa: ANN401
    """Make what `__main__` makes of plans; the changes are of the target."""

    def program() -> None:
        images = {made.image.name: ServiceImage(made, target(**changes)) for made in plans}
        pulumi.export("images", stack_output(images))

    engine.run(program, preview=preview)
    return engine


def up(made: ImagePlan, *, preview: bool = False, **changes: Any) -> RecordingEngine:  # noqa: ANN401
    return resources(RecordingEngine(), made, preview=preview, **changes)


def image_of(engine: RecordingEngine) -> Registration:
    (image,) = engine.of(IMAGE).values()
    return image


def test_the_state_names_each_input_file_and_the_dockerfile() -> None:
    (component,) = up(plan()).of(COMPONENT).values()
    dockerfile = FOLDER / "Dockerfile.carbide-rest-api"
    assert component.inputs == {
        "inputs": f"0644 {'0' * 64} 7 go.mod",
        "dockerfile": hashlib.sha256(dockerfile.read_bytes()).hexdigest(),
    }


def test_every_platform_of_the_settings_is_one_of_the_providers() -> None:
    image = image_of(up(plan({"platforms": list(get_args(Platform))})))
    assert image.inputs["platforms"] == sorted(get_args(Platform))


def test_an_image_is_told_the_plan_and_nothing_else() -> None:
    made = plan()
    image = image_of(up(made))
    assert image.name == API
    assert image.inputs == {
        "tags": [made.tag],
        "context": {"location": ".local/contexts/prod/carbide-rest-api"},
        "dockerfile": {"location": "docker/production/Dockerfile.carbide-rest-api"},
        "platforms": ["linux/amd64", "linux/arm64"],
        "buildArgs": made.build_args,
        "labels": made.labels,
        "buildOnPreview": False,
        "network": "default",
        "exports": [{"raw": EXPORT}],
        "push": False,
        "builder": {},
        "registries": [LOGIN],
        "secrets": secret(SECRETS),
        "ignoreSecretsInDiffCalculation": ["extra_ca", "gitcreds", "goenv"],
        "cacheFrom": [],
        "cacheTo": [],
    }


def test_the_caller_s_options_are_the_component_s() -> None:
    engine = RecordingEngine()
    engine.run(lambda: ServiceImage(plan(), target(), pulumi.ResourceOptions(protect=True)))
    assert engine.of(COMPONENT)[API].options == {"protect": True}


def test_an_image_belongs_to_its_component_and_outlives_it_in_the_registry() -> None:
    engine = up(plan())
    assert [(resource.kind, resource.name) for resource in engine.registered[:2]] == [(COMPONENT, API), (IMAGE, API)]
    image = image_of(engine)
    assert image.parent == API
    assert image.options.keys() == {"retainOnDelete", "additionalSecretOutputs", "customTimeouts"}
    assert image.options["additionalSecretOutputs"] == ["secrets"]


def test_every_alias_points_at_the_digest_and_is_pushed() -> None:
    made = plan()
    tags = {"version": "1.4.0", "revision": "f" * 40, "latest": "latest"}
    indexes = up(made).of(INDEX)
    assert {name: index.inputs for name, index in indexes.items()} == {
        f"{API}-{kind}": {
            "tag": f"{made.repository}:{tag}",
            "sources": [f"{made.repository}@{digest_of(API)}"],
            "push": True,
            "registry": LOGIN,
        }
        for kind, tag in tags.items()
    }


def test_an_alias_waits_for_its_image_and_outlives_it_in_the_registry() -> None:
    indexes = up(plan()).of(INDEX).values()
    assert [index.parent for index in indexes] == [API] * 3
    assert [index.dependencies for index in indexes] == [[API]] * 3
    assert [index.options for index in indexes] == [{"retainOnDelete": True}] * 3


def test_no_build_waits_for_ever() -> None:
    deadline = image_of(up(plan())).options["customTimeouts"]
    assert (deadline.create, deadline.update) == ("1h", "1h")


def test_a_preview_promises_the_tags_before_there_is_a_digest() -> None:
    engine = up(plan(), preview=True)
    assert len(engine.of(INDEX)) == 3
    assert engine.exported == {"images": pulumi.runtime.rpc.UNKNOWN}


def test_output_is_the_contract() -> None:
    made = plan()
    engine = up(made)
    output = {
        "ref": f"{made.repository}@{digest_of(API)}",
        "digest": digest_of(API),
        "repository": made.repository,
        "tags": list(made.tags),
        "platforms": ["linux/amd64", "linux/arm64"],
        "version": "1.4.0",
        "revision": "c" * 40,
        "goVersion": "1.25",
        "builderImage": "golang:1.25",
        "runtimeImage": "alpine:latest",
        "kind": "service",
        "ports": {"http": 8388},
        "port": 8388,
        "user": "1000:1000",
        "userName": "appuser",
        "userId": 1000,
        "groupId": 1000,
        "entrypoint": ["/app/api"],
        "command": [],
        "environment": {},
        "binaries": [{"path": "/app/api", "package": "./api/cmd/api"}],
        "health": ["/app/api", "health"],
        "healthCheck": {
            "command": ["/app/api", "health"],
            "interval": "30s",
            "timeout": "5s",
            "startPeriod": "10s",
            "retries": 3,
        },
        "labels": LABELS,
        "sizeBudget": 30_000_000,
    }
    assert engine.exported == {"images": {API: output}}
    assert engine.outputs[API] == {"image": output}


def output_of(made: ImagePlan) -> dict[str, Any]:
    engine = up(made)
    assert engine.exported is not None
    output: dict[str, Any] = engine.exported["images"][made.image.name]
    return output


def test_a_job_has_no_port() -> None:
    output = output_of(plan(image="carbide-rest-db"))
    assert (output["kind"], output["ports"], output["port"]) == ("job", {}, None)


def test_command_environment_and_user_are_those_of_the_image() -> None:
    keys = {"command": ["serve", "--all"], "environment": {"MODE": "quiet"}, "user": {"base": "u1"}, "folders": []}
    output = output_of(plan({"serviceOverrides": {API: keys}}))
    assert (output["command"], output["environment"]) == (["serve", "--all"], {"MODE": "quiet"})
    assert (output["user"], output["userName"], output["userId"]) == ("u1", "u1", None)
    numbered = output_of(plan({"serviceOverrides": {API: {"user": {"base": "65532"}, "folders": []}}}))
    assert (numbered["user"], numbered["userName"]) == ("65532", None)


def test_an_annotation_may_hold_quotes_and_commas() -> None:
    made = plan({"serviceOverrides": {API: {"labels": {f"{OCI}vendor": 'Us, "the" few'}}}})
    (export,) = image_of(up(made)).inputs["exports"]
    (row,) = csv.reader([export["raw"]])
    assert f'annotation-index.{OCI}vendor=Us, "the" few' in row


def test_an_anonymous_registry_gets_no_credentials() -> None:
    engine = up(plan(), username=None, password=None)
    assert image_of(engine).inputs["registries"] == []
    assert all("registry" not in index.inputs for index in engine.of(INDEX).values())


def test_a_preview_without_a_password_names_the_user_alone() -> None:
    image = image_of(up(plan(), password=None, preview=True))
    assert image.inputs["registries"] == [{"address": "nvcr.io", "username": "$oauthtoken"}]


def test_builder_and_caches_reach_the_engine() -> None:
    image = image_of(up(plan(), builder="fleet", cache_from=["type=registry,ref=r"], cache_to=["type=inline"]))
    assert image.inputs["builder"] == {"name": "fleet"}
    assert image.inputs["cacheFrom"] == [{"raw": "type=registry,ref=r"}]
    assert image.inputs["cacheTo"] == [{"raw": "type=inline"}]


def test_an_agent_is_offered_to_builds_that_are_to_have_one() -> None:
    assert image_of(up(plan(), ssh=True)).inputs["ssh"] == [{"id": "default"}]
    assert "ssh" not in image_of(up(plan())).inputs


def test_an_overridden_health_command_travels_inline() -> None:
    image = image_of(up(plan({"serviceOverrides": {API: {"health": {"command": ["true"]}}}})))
    assert 'CMD ["true"]' in image.inputs["dockerfile"]["inline"]
    assert "location" not in image.inputs["dockerfile"]


# ---- Failures.


def failed(*failing: str) -> tuple[RecordingEngine, str]:
    """What the engine was sent for two images, and what the program ended with."""
    engine = RecordingEngine(failing)
    with pytest.raises(pulumi.RunError) as caught:
        resources(engine, plan(), plan(image=OTHER))
    return engine, str(caught.value)


def test_a_failure_stops_no_other_image_and_exports_nothing() -> None:
    engine, message = failed(API)
    assert message == f"{API} failed; what is finished stays, and the stack's outputs are as before"
    assert {f"{OTHER}-{kind}" for kind in ("version", "revision", "latest")} <= engine.of(INDEX).keys()
    assert engine.outputs[OTHER]["image"]["digest"] == digest_of(OTHER)
    assert engine.exported is None


def test_no_tag_of_a_failed_image_moves() -> None:
    engine, _ = failed(API)
    assert all(name.startswith(OTHER) for name in engine.of(INDEX))


@pytest.mark.parametrize("kind", ["version", "revision", "latest"])
def test_a_tag_that_cannot_move_takes_nothing_but_itself_from_the_outputs(kind: str) -> None:
    engine = RecordingEngine([f"{API}-{kind}"])
    made = plan()
    resources(engine, made, plan(image=OTHER))
    kept = {"version": "1.4.0", "revision": "f" * 40, "latest": "latest"}
    del kept[kind]
    assert engine.exported is not None
    exported = engine.exported["images"]
    assert exported[API] == engine.outputs[API]["image"]
    assert exported[API]["tags"] == [made.tags[0], *kept.values()]
    assert exported[API]["digest"] == digest_of(API)
    assert len(exported[OTHER]["tags"]) == 4


def test_all_that_failed_is_named_in_order() -> None:
    _, message = failed(OTHER, API)
    assert message.startswith(f"{API}, {OTHER} failed; ")
