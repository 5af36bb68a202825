"""What a stack's state says of its images."""

from typing import Any

import pytest

from carbide_infra.errors import CommandError
from carbide_infra.stack.deployed import deployed_in
from tests.support.registry_server import FakeRegistry, digest_of
from tests.unit.verification.test_checks import IMAGE, output


def test_the_state_gives_outputs_labels_and_records(registry: FakeRegistry) -> None:
    promised = output(registry, digest_of(b"x"))
    urn = "urn:pulumi:dev::carbide-infra::carbide:image:ServiceImage"
    resources = [
        {
            "urn": "urn::stack",
            "type": "pulumi:pulumi:Stack",
            "outputs": {"schemaVersion": 1, "images": {IMAGE: promised.exported()}},
        },
        {"urn": f"{urn}::{IMAGE}", "type": "carbide:image:ServiceImage", "inputs": {"inputs": "", "dockerfile": "d"}},
        {
            "urn": f"{urn}$docker-build:index:Image::{IMAGE}",
            "type": "docker-build:index:Image",
            "inputs": {"labels": {"a": "b"}},
        },
    ]
    deployed = deployed_in(resources, "dev")
    assert deployed.images == {IMAGE: promised}
    assert (deployed.labels(IMAGE), deployed.records[IMAGE]["dockerfile"]) == ({"a": "b"}, "d")
    assert not deployed.wants_login
    with pytest.raises(CommandError, match=r"--image other: the stack has no such image; it has carbide-rest-api"):
        deployed.selected(["other"])


@pytest.mark.parametrize(("key", "known"), [("0" * 12, True), ("f" * 12, False)])
def test_a_record_counts_for_the_build_that_it_belongs_to(registry: FakeRegistry, key: str, known: bool) -> None:  # noqa: FBT001
    record = {"key": key, "inputs": "", "dockerfile": "d"}
    parent = "urn:pulumi:dev::carbide-infra::carbide:image:ServiceImage"
    resources: list[dict[str, Any]] = [
        {
            "urn": "urn::stack",
            "type": "pulumi:pulumi:Stack",
            "outputs": {"schemaVersion": 1, "images": {IMAGE: output(registry, digest_of(b"x")).exported()}},
        },
        {"urn": f"{parent}::{IMAGE}", "type": "carbide:image:ServiceImage"},
        {
            "urn": f"{parent}$docker-build:index:Image::{IMAGE}",
            "type": "docker-build:index:Image",
            "inputs": {"tags": [f"r.example/{IMAGE}:1.4.0-{'0' * 12}"]},
        },
        {
            "urn": f"{parent}$pulumi:index:Stash::{IMAGE}",
            "type": "pulumi:index:Stash",
            "inputs": {"input": record},
        },
    ]
    assert deployed_in(resources, "dev").records == ({IMAGE: record} if known else {})


def test_a_stack_without_images_says_what_to_run() -> None:
    with pytest.raises(CommandError, match="stack prod has no images yet; run make up STACK=prod"):
        deployed_in([], "prod")
