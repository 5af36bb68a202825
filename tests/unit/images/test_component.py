"""What the engine is sent for each image: its build, its tags, and how they hang together."""

import csv
import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pulumi
import pytest

from carbide_infra.catalogue.values import Platform
from carbide_infra.images import record
from carbide_infra.images.component import BuildTarget, ServiceImage, build_provider, description, stack_output
from carbide_infra.images.plan import ImagePlan
from carbide_infra.outputs import StackOutputs
from tests.support.catalogue import FOLDER
from tests.support.outputs import digest_of, exported_by_version_1
from tests.support.outputs import exported as exported_outputs
from tests.support.recording_engine import (
    COMPONENT,
    IMAGE,
    INDEX,
    PROVIDER,
    RECORD,
    RecordingEngine,
    Registration,
    secret,
)
from tests.unit.images.test_plan import OWN, SOURCE, kept, plan

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


def test_the_state_records_what_an_image_is_made_of_and_like() -> None:
    made = plan()
    engine = up(made)
    assert engine.of(COMPONENT)[API].inputs == {}
    record = engine.of(RECORD)[API].inputs["input"]
    assert record == {
        "key": made.key,
        "inputs": f"0644 {'0' * 64} 7 go.mod",
        "modules": "",
        "moduleFiles": "",
        "moduleTexts": "",
        "coarse": "",
        "dockerfile": hashlib.sha256((FOLDER / "Dockerfile.carbide-rest-api").read_bytes()).hexdigest(),
        "dockerfileLocation": "docker/production/Dockerfile.carbide-rest-api",
        "dockerfileText": "",
        "image": description(made),
    }
    assert (record["image"]["ports"], record["image"]["goVersion"]) == ({"http": 8388}, "1.25")


def test_a_newer_template_is_in_the_record_and_the_first_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state of before there was the field is left as it is."""
    made = plan()
    assert record.TEMPLATE not in made.record
    monkeypatch.setattr("carbide_infra.images.plan.TEMPLATE_VERSION", "0.3.0")
    assert record.template_of(made.record) == made.record[record.TEMPLATE] == "0.3.0"
    own = replace(made, image=made.image.model_copy(update={"template": "FROM a"}))
    assert record.template_of(own.record) == record.OWN_TEMPLATE


def test_a_record_is_written_once_its_image_is_there() -> None:
    engine = up(plan())
    assert (engine.of(RECORD)[API].parent, engine.of(RECORD)[API].dependencies) == (API, [API])
    assert up_failing(API).of(RECORD).keys() == {OTHER}


class SlowBuilds(RecordingEngine):
    """An engine whose builds take longer than all else."""

    def RegisterResource(self, request: Any) -> Any:  # noqa: ANN401, N802 - as its parent
        time.sleep(0.2 if request.type == IMAGE else 0)
        return super().RegisterResource(request)


def test_a_record_waits_for_its_image() -> None:
    engine = resources(SlowBuilds(), plan())
    assert [resource.kind for resource in engine.registered][:2] == [COMPONENT, IMAGE]


def test_a_preview_shows_the_record_before_there_is_an_image() -> None:
    assert up(plan(), preview=True).of(RECORD)[API].inputs == up(plan()).of(RECORD)[API].inputs


def test_every_platform_of_the_settings_is_one_of_the_providers() -> None:
    image = image_of(up(plan({"platforms": list(get_args(Platform))})))
    assert image.inputs["platforms"] == sorted(get_args(Platform))


def test_an_image_is_told_the_plan_and_nothing_else() -> None:
    made = plan()
    image = image_of(up(made))
    assert image.name == API
    assert image.inputs == {
        "tags": [made.tag],
        "context": {"location": f".local/contexts/carbide-rest-api/{made.key}"},
        "dockerfile": {
            "location": f".local/contexts/carbide-rest-api/{made.key}.dockerfile/Dockerfile.carbide-rest-api"
        },
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


def test_a_build_that_fails_is_asked_why(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, str | None]] = []
    monkeypatch.setattr("carbide_infra.images.component.told_failure", lambda *of: asked.append(of))
    made = plan()
    up(made, builder="fleet")
    assert asked == [(API, f".local/contexts/{API}/{made.key}", "fleet")]


@pytest.mark.parametrize(
    ("user", "name", "uid", "gid"),
    [
        ("65532:100", None, 65532, 100),
        ("65532", None, 65532, None),
        ("nobody:users", "nobody", None, None),
        ("", None, None, None),
    ],
)
def test_what_is_known_of_a_dockerfile_of_its_own_is_said(
    user: str, name: str | None, uid: int | None, gid: int | None
) -> None:
    said = description(kept(OWN.model_copy(update={"user": user})))
    assert (said["user"], said.get("userName"), said.get("userId"), said.get("groupId")) == (user, name, uid, gid)
    assert (said["goVersion"], said["builderImage"], said["dockerfile"]) == ("", "", OWN.path)


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
        "dockerfile": None,
    }
    assert engine.exported == {"images": {API: output}}
    assert engine.outputs[API] == {}


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


def test_bases_are_pulled_with_logins_of_their_own_and_tags_moved_without() -> None:
    logins = {"docker.io": ("me", "hub"), "a.test": ("me", "a"), "nvcr.io": ("other", "key")}
    engine = up(plan(), logins=logins)
    others = [
        {"address": name, "username": "me", "password": secret(logins[name][1])} for name in ("a.test", "docker.io")
    ]
    assert image_of(engine).inputs["registries"] == [LOGIN, *others]
    assert all(index.inputs["registry"] == LOGIN for index in engine.of(INDEX).values())
    anonymous = up(plan(), username=None, password=None, logins=logins)
    assert [entry["address"] for entry in image_of(anonymous).inputs["registries"]] == ["a.test", "docker.io"]
    assert not any("registry" in index.inputs for index in anonymous.of(INDEX).values())


def test_builder_and_caches_reach_the_engine() -> None:
    image = image_of(up(plan(), builder="fleet", cache_from=["type=registry,ref=r"], cache_to=["type=inline"]))
    assert image.inputs["builder"] == {"name": "fleet"}
    assert image.inputs["cacheFrom"] == [{"raw": "type=registry,ref=r"}]
    assert image.inputs["cacheTo"] == [{"raw": "type=inline"}]


def test_an_agent_is_offered_to_builds_that_are_to_have_one() -> None:
    assert image_of(up(plan(), ssh=True)).inputs["ssh"] == [{"id": "default"}]
    assert "ssh" not in image_of(up(plan())).inputs


def test_a_dockerfile_that_no_file_has_is_in_the_record() -> None:
    record = up(plan({"serviceOverrides": {API: {"health": {"command": ["true"]}}}})).of(RECORD)[API].inputs["input"]
    assert 'CMD ["true"]' in record["dockerfileText"]
    assert record["dockerfileLocation"] == ""


def test_the_provider_is_that_of_earlier_states_and_the_same_on_every_machine() -> None:
    """Which DOCKER_HOST there is, the plugin adds to the inputs; the state's stays."""
    engine = RecordingEngine()
    engine.run(build_provider)
    (provider,) = engine.of(PROVIDER).values()
    assert provider.options["ignoreChanges"] == ["host"]
    (alias,) = provider.options["aliases"]
    assert alias.spec.name == "default_0_0_22"


# ---- Failures, and updates of a part.


def both(engine: RecordingEngine, *plans: ImagePlan) -> RecordingEngine:
    return resources(engine, *(plans or (plan(), plan(image=OTHER))))


def up_failing(*failing: str, before: dict[str, Any] | None = None) -> RecordingEngine:
    """What the engine is sent for two images; `before` is what the last update exported."""
    answers = {"pulumi:pulumi:readStackOutputs": lambda _: {"outputs": before or {}}}
    return both(RecordingEngine(failing, answers))


def exported(engine: RecordingEngine) -> dict[str, Any]:
    assert engine.exported is not None
    images: dict[str, Any] = engine.exported["images"]
    return images


@pytest.mark.parametrize("before", [exported_outputs(), exported_by_version_1()])
def test_a_failed_image_stays_as_it_was_and_stops_no_other(before: dict[str, Any]) -> None:
    engine = up_failing(API, before=before)
    assert {f"{OTHER}-{kind}" for kind in ("version", "revision", "latest")} == engine.of(INDEX).keys()
    assert exported(engine)[API] == StackOutputs.of(before).image(API).exported()
    assert exported(engine)[OTHER]["digest"] == digest_of(OTHER)
    assert engine.asked == [("pulumi:pulumi:readStackOutputs", {"name": "organization/carbide-infra/test"}, "")]


def test_an_image_that_never_was_is_not_exported_when_it_fails() -> None:
    assert exported(up_failing(API)).keys() == {OTHER}
    assert exported(up_failing(API, OTHER)) == {}
    assert exported(up_failing(API, before={"schemaVersion": 99, "images": {}})).keys() == {OTHER}


def test_a_failed_tag_is_not_said_to_point_at_the_image() -> None:
    engine = up_failing(f"{API}-version")
    assert {f"{API}-revision", f"{API}-latest"} <= engine.of(INDEX).keys()
    assert exported(engine)[API]["tags"] == [plan().tags[0], *plan().tags[2:]]
    assert not engine.asked


OLD = plan(source=replace(SOURCE, version="1.3.0"))
OLD_DIGEST = digest_of("old")


def state_of(old: ImagePlan, *, record: dict[str, Any] | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """What the state holds of an image that an update leaves out."""
    name = old.image.name
    image = {"digest": OLD_DIGEST, "tags": [old.tag], "buildArgs": old.build_args, "platforms": ["linux/arm64"]}
    stash = {**old.record, "image": description(old)} if record is None else record
    aliases = {
        (INDEX, f"{name}-{alias.kind}"): {"ref": f"{old.repository}:{alias.tag}@{OLD_DIGEST}"} for alias in old.aliases
    }
    return {(IMAGE, name): image, (RECORD, name): {"input": stash}, **aliases}


def test_an_image_that_an_update_leaves_out_is_said_to_be_what_it_is() -> None:
    images = exported(both(RecordingEngine(left_out=state_of(OLD))))
    assert images[API] == output_of(OLD) | {"digest": OLD_DIGEST, "ref": f"{OLD.repository}@{OLD_DIGEST}"}
    assert images[API]["tags"] == [f"1.3.0-{OLD.key}", "1.3.0", "f" * 40, "latest"]
    assert images[OTHER]["version"] == "1.4.0"


def test_a_tag_that_an_update_leaves_out_points_where_it_did() -> None:
    tag = {(INDEX, f"{API}-version"): {"ref": f"{OLD.repository}:1.4.0@{OLD_DIGEST}"}}
    assert "1.4.0" not in exported(both(RecordingEngine(left_out=tag)))[API]["tags"]


def test_what_an_update_leaves_out_and_nobody_has_made_is_not_exported() -> None:
    nowhere: dict[tuple[str, str], dict[str, Any]] = {
        (kind, name): {}
        for kind, name in [(IMAGE, API), (RECORD, API), *((INDEX, f"{API}-{alias.kind}") for alias in plan().aliases)]
    }
    engine = RecordingEngine(answers={"pulumi:pulumi:readStackOutputs": lambda _: {"outputs": {}}}, left_out=nowhere)
    assert exported(both(engine)).keys() == {OTHER}


@pytest.mark.parametrize("record", [{}, {**OLD.record, "key": "0" * 12, "image": description(plan())}])
def test_a_record_of_another_build_tells_nothing_that_the_image_tells_itself(record: dict[str, Any]) -> None:
    old = replace(OLD, build_args={**OLD.build_args, "BUILDER_IMAGE": "golang:1.24", "RUNTIME_IMAGE": "alpine:3"})
    image = exported(both(RecordingEngine(left_out=state_of(old, record=record))))[API]
    assert (image["version"], image["platforms"]) == ("1.3.0", ["linux/arm64"])
    assert (image["builderImage"], image["runtimeImage"]) == ("golang:1.24", "alpine:3")
    assert image["port"] == 8388


def test_an_image_whose_record_alone_was_left_out_is_said_to_be_as_planned() -> None:
    old = {key: state for key, state in state_of(OLD).items() if key[0] == RECORD}
    assert exported(both(RecordingEngine(left_out=old)))[API] == output_of(plan())


# ---- Released while an update runs.


def standing(digest: str | None) -> Callable[[str, str], str | None]:
    """What a registry says that was asked for the version's tag, and for no other."""

    def released(repository: str, tag: str) -> str | None:
        assert (repository, tag) == (f"nvcr.io/org/team/{API}", "1.4.0")
        return digest

    return released


def test_an_update_looks_for_a_release_right_before_it_tags() -> None:
    """Row 11: what git said when the program began may be minutes old."""
    old = "sha256:" + "0" * 64
    engine = up(plan(), released=standing(old))
    tags = {name: resource.inputs["sources"] for name, resource in engine.of(INDEX).items()}
    built = f"nvcr.io/org/team/{API}@{digest_of(API)}"
    assert tags.pop(f"{API}-version") == [f"nvcr.io/org/team/{API}@{old}"], "the released version stays where it is"
    assert tags
    assert all(sources == [built] for sources in tags.values())
    (warning,) = engine.said("WARNING")
    assert f"{API}: 1.4.0 has been released as {old}: its tag stays there" in warning
    assert engine.exported
    assert "1.4.0" not in engine.exported["images"][API]["tags"]


@pytest.mark.parametrize("digest", [None, digest_of(API)])
def test_a_version_that_is_not_released_or_as_this_image_is_tagged(digest: str | None) -> None:
    engine = up(plan(), released=standing(digest))
    assert engine.of(INDEX)[f"{API}-version"].inputs["sources"] == [f"nvcr.io/org/team/{API}@{digest_of(API)}"]
    assert engine.said("WARNING") == []


def test_a_preview_asks_nobody_for_releases() -> None:
    def asked(_repository: str, _tag: str) -> None:
        pytest.fail("a preview waits for nobody")

    assert up(plan(), preview=True, released=asked).said("ERROR") == []
