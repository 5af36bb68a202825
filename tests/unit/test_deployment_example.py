"""The example of a deployment: what its program asks of Docker, and what a new or re-tagged image changes of that."""

import hashlib
import json
import runpy
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pulumi
import pytest
import yaml
from carbide_deployment.database import START
from carbide_deployment.services import MIGRATION, SERVICES
from carbide_deployment.settings import Settings
from pulumi.runtime.rpc import UNKNOWN
from pydantic.alias_generators import to_camel

from carbide_infra.paths import project_root
from tests.support.catalogue import CATALOGUE, port_of
from tests.support.outputs import digest_of, exported, exported_by_version_1
from tests.support.recording_engine import secret

EXAMPLE = project_root() / "examples/deployment"
PROJECT = yaml.safe_load((EXAMPLE / "Pulumi.yaml").read_text(encoding="utf-8"))
STACK, PASSWORD = "organization/carbide-infra/dev", "correct horse"
OWN_STACK = f"organization/{PROJECT['name']}/dev"
IMAGE, CONTAINER = "docker:index/remoteImage:RemoteImage", "docker:index/container:Container"
API = "carbide-rest-api"

Recorded = Mapping[tuple[str, str], Mapping[str, Any]]


class Docker(pulumi.runtime.Mocks):
    """A Docker host, and the stack with the images."""

    def __init__(
        self, outputs: Mapping[str, Any], migration_ends_with: int | str = 0, before: Mapping[str, Any] | None = None
    ) -> None:
        self.outputs = outputs
        self.exit_code = migration_ends_with
        self.before = before or {}
        self.exports: dict[str, Any] = {}
        self.recorded: dict[tuple[str, str], Mapping[str, Any]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            outputs = self.before if args.name == OWN_STACK else self.outputs
            return args.name, {"name": args.name, "outputs": outputs, "secretOutputNames": []}
        assert (args.typ, args.name) not in self.recorded
        self.recorded[args.typ, args.name] = args.inputs
        found = {"name": f"{args.name}-4f3a2b1"} | args.inputs
        if args.typ == IMAGE:
            found["imageId"] = f"sha256:{hashlib.sha256(args.inputs['name'].encode()).hexdigest()}"
        if args.typ == CONTAINER:
            found |= {"exitCode": self.exit_code, "containerLogs": "applying 0003\nrelation exists\n"}
        return args.name, found

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        assert args.args["name"] == STACK
        return {"outputs": self.outputs}, []


def deploy(docker: Docker, **stack_config: object) -> dict[str, Any]:
    """Run the program with the configuration that the engine would hand over; gives what it exports."""
    defaults = {key: entry["default"] for key, entry in PROJECT["config"].items() if "default" in entry}
    config = {**defaults, "imagesStack": STACK, "databasePassword": PASSWORD, **stack_config}
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    pulumi.runtime.set_all_config({f"{PROJECT['name']}:{key}": value for key, value in text.items()})
    pulumi.runtime.set_mocks(
        docker, project=PROJECT["name"], stack="dev", preview=docker.exit_code == UNKNOWN, organization="organization"
    )

    def program() -> pulumi.Output[None]:
        with pytest.MonkeyPatch.context() as patched:
            asked: dict[str, Any] = {}
            patched.setattr(pulumi, "export", asked.__setitem__)
            runpy.run_path(str(EXAMPLE / "__main__.py"))
        return pulumi.Output.from_input(asked).apply(docker.exports.update)

    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]
    return docker.exports


def recorded(outputs: Mapping[str, Any]) -> Recorded:
    docker = Docker(outputs)
    deploy(docker)
    return docker.recorded


def containers(found: Recorded) -> dict[str, Mapping[str, Any]]:
    return {name: inputs for (typ, name), inputs in found.items() if typ == CONTAINER}


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


@pytest.fixture(scope="module")
def first() -> Recorded:
    return recorded(exported())


def test_every_image_of_the_catalogue_runs(first: Recorded) -> None:
    assert {MIGRATION, *(service.image for service in SERVICES)} == set(CATALOGUE)
    assert set(containers(first)) == {*CATALOGUE, "postgres"}


def test_outputs_of_version_1_run_alike(first: Recorded) -> None:
    assert recorded(exported_by_version_1()) == first


def test_a_second_run_asks_for_the_same(first: Recorded) -> None:
    assert recorded(exported()) == first


def test_a_re_tag_without_new_content_changes_nothing(first: Recorded) -> None:
    outputs = exported()
    for image in outputs["images"].values():
        image |= {"tags": [image["tags"][0], "2.0.0", "f" * 40], "version": "2.0.0", "revision": "d" * 40}
    assert recorded(outputs) == first


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_a_new_digest_replaces_one_container_and_touches_no_other(name: str, first: Recorded) -> None:
    second = recorded(exported(**{name.replace("-", "_"): digest_of("new")}))
    assert second.keys() == first.keys()
    changed = {key: differing(first[key], second[key]) for key in first if first[key] != second[key]}
    # Both properties are "ForceNew" in the provider: another value is another container.
    assert changed == {(IMAGE, name): {"name"}, (CONTAINER, name): {"image"}}


def test_a_pin_brings_one_container_back(first: Recorded) -> None:
    docker = Docker(exported(carbide_rest_api=digest_of("new")))
    deploy(docker, pins={API: exported()["images"][API]["digest"]})
    assert docker.recorded == first


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        (
            {"carbide-rest-apii": digest_of("x")},
            r"pins\.carbide-rest-apii: is not an image of this deployment; those are ",
        ),
        ({API: "1.4.0"}, r"pins\.carbide-rest-api = '1\.4\.0': is not a digest; a good value: sha256:"),
    ],
)
def test_a_pin_that_pins_nothing_is_an_error(pins: dict[str, str], message: str) -> None:
    with pytest.raises(pulumi.RunError, match=message):
        deploy(Docker(exported()), pins=pins)


def test_images_are_pulled_by_digest_and_stay_for_the_way_back(first: Recorded) -> None:
    for name, image in exported()["images"].items():
        assert first[IMAGE, name] == {"name": image["ref"], "keepLocally": True}


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_a_container_has_the_rights_it_needs_and_no_more(name: str, first: Recorded) -> None:
    inputs = containers(first)[name]
    assert inputs["user"] == "1000:1000"
    assert inputs["readOnly"] is True
    assert inputs["capabilities"] == {"drops": ["ALL"]}
    assert inputs["securityOpts"] == ["no-new-privileges:true"]
    assert set(inputs["tmpfs"]) == {"/tmp"}  # noqa: S108 - the container's own


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.image)
def test_an_update_waits_until_a_service_is_healthy(service: Any, first: Recorded) -> None:  # noqa: ANN401
    inputs = containers(first)[service.image]
    assert inputs["healthcheck"]["tests"] == ["CMD", CATALOGUE[service.image].binaries[0].path, "health"]
    assert inputs["wait"] is True
    assert inputs["restart"] == "unless-stopped"


def test_services_find_each_other_by_the_image_names(first: Recorded) -> None:
    for service in SERVICES:
        (network,) = containers(first)[service.image]["networksAdvanced"]
        assert network["aliases"] == [service.image]
    workflow = containers(first)["carbide-rest-workflow"]["envs"]
    assert workflow == [f"WORKFLOW_API_URL=http://{API}:{port_of(CATALOGUE[API])}"]


def test_certificates_are_mounted_read_only_where_they_are_read(first: Recorded) -> None:
    mounted = {name: inputs["volumes"] for name, inputs in containers(first).items() if inputs.get("volumes")}
    expected = {"volumeName": "carbide-certificates", "containerPath": "/var/secrets/temporal/certs", "readOnly": True}
    assert {name for name, volumes in mounted.items() if volumes == [expected]} == {
        "carbide-rest-workflow",
        "carbide-rest-cert-manager",
        "carbide-site-agent",
    }
    assert set(mounted) == {"carbide-rest-workflow", "carbide-rest-cert-manager", "carbide-site-agent", "postgres"}


def test_the_api_alone_listens_on_the_host(first: Recorded) -> None:
    ports = {name: inputs["ports"] for name, inputs in containers(first).items() if inputs.get("ports")}
    assert ports == {API: [{"internal": 8388, "external": 8388, "ip": "127.0.0.1"}]}


def test_the_database_keeps_its_data_and_its_password(first: Recorded) -> None:
    inputs = containers(first)["postgres"]
    assert inputs["volumes"] == [{"volumeName": "carbide-database-dev", "containerPath": "/var/lib/postgresql/data"}]
    assert inputs["wait"] is True
    assert inputs["entrypoints"] == ["sh", "-c", START]
    assert inputs["healthcheck"]["tests"][:2] == ["CMD", "pg_isready"]
    for name, prefix in (("postgres", "POSTGRES_PASSWORD="), (MIGRATION, "DB_PASSWORD="), (API, "DB_PASSWORD=")):
        variables = containers(first)[name]["envs"]
        assert f"{prefix}{PASSWORD}" in variables["value"]
        assert variables == secret(variables["value"])
    assert {name for name, entry in containers(first).items() if PASSWORD in str(entry)} == {"postgres", MIGRATION, API}


def test_the_migration_is_a_job_that_is_waited_for(first: Recorded) -> None:
    inputs = containers(first)[MIGRATION]
    assert (inputs["mustRun"], inputs["attach"], inputs["logs"], inputs["restart"]) == (False, True, True, "no")
    assert "rm" not in inputs
    assert "wait" not in inputs


def test_what_needs_the_database_comes_after_the_migration(first: Recorded) -> None:
    order = list(containers(first))
    assert order.index("postgres") < order.index(MIGRATION) < order.index(API)


def test_a_failed_migration_stops_what_needs_the_database() -> None:
    docker = Docker(exported(), migration_ends_with=1)
    with pytest.raises(
        pulumi.RunError, match=r"carbide-rest-db ended with exit code 1.*--replace(.|\n)*relation exists"
    ):
        deploy(docker)
    assert MIGRATION in containers(docker.recorded)
    assert API not in containers(docker.recorded)


def test_a_preview_does_not_wait_for_the_end_of_a_job_that_has_not_begun(first: Recorded) -> None:
    docker = Docker(exported(), migration_ends_with=UNKNOWN)
    deploy(docker)
    assert docker.recorded == first


def test_it_exports_what_runs_and_where() -> None:
    exports = deploy(Docker(exported()))
    assert exports["runs"] == {name: image["ref"] for name, image in exported()["images"].items()}
    assert exports["urls"] == {API: "http://127.0.0.1:8388"}


@pytest.mark.parametrize("ran", [f"vm:5443/carbide/{API}@sha256:{'0' * 64}", None])
def test_after_a_failed_migration_it_exports_what_still_runs(ran: str | None) -> None:
    docker = Docker(exported(), migration_ends_with=1, before={"runs": {API: ran}} if ran else {})
    with pytest.raises(pulumi.RunError):
        deploy(docker)
    refs = {name: image["ref"] for name, image in exported()["images"].items()}
    assert docker.exports["runs"] == {**refs, API: ran}


def test_the_configuration_is_the_one_that_is_described() -> None:
    assert set(PROJECT["config"]) == {to_camel(field.name) for field in fields(Settings)}
    example = yaml.safe_load((EXAMPLE / "Pulumi.dev.yaml").read_text(encoding="utf-8"))
    assert {key.split(":")[1] for key in example["config"]} <= set(PROJECT["config"])
