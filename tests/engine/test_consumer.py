"""Another project's program reads the deployed stack's outputs, by the real engine and the same backend."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from carbide_infra.outputs import SCHEMA_VERSION, StackOutputs
from tests.engine.conftest import Deployed
from tests.engine.previews import PulumiFailed, Stack
from tests.support.catalogue import CATALOGUE

IMAGES = "organization/carbide-infra/dev"
PROGRAM = """
import os

import pulumi

from carbide_infra.outputs import ImageSet

images = ImageSet.from_stack(os.environ["CONSUMED_STACK"])
for name in os.environ["CONSUMED_IMAGES"].split():
    pulumi.export(f"{name}-ref", images[name].ref)
    pulumi.export(f"{name}-all", images[name].details.apply(lambda image: image.exported()))
pulumi.export("port", images["carbide-rest-api"].port)
pulumi.export("platforms", images["carbide-rest-api"].platforms)
"""


@pytest.fixture
def consumer(deployed: Deployed, tmp_path: Path) -> Iterator[Stack]:
    """A stack of another project, which has no provider."""
    (tmp_path / "Pulumi.yaml").write_text("name: consumer\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    stack = replace(Stack.of(deployed.checkout, tmp_path), root=tmp_path, name="test")
    stack = stack.given(CONSUMED_STACK=IMAGES, CONSUMED_IMAGES=" ".join(CATALOGUE))
    stack.pulumi("stack", "init", "--no-select", stack.name)
    yield stack
    stack.pulumi("stack", "rm", "--yes", "--force", stack.name)


def test_a_consumer_sees_what_the_stack_exports_and_fails_on_what_it_does_not(
    consumer: Stack, deployed: Deployed
) -> None:
    update = ("up", "--yes", "--skip-preview", "--stack", consumer.name)
    consumer.pulumi(*update)
    found = consumer.outputs()
    for name, image in deployed.images.items():
        assert found[f"{name}-ref"] == image["ref"]
        assert found[f"{name}-all"] == image
    assert found["port"] == deployed.images["carbide-rest-api"]["port"]
    assert found["platforms"] == deployed.images["carbide-rest-api"]["platforms"]

    consumer.pulumi(*update, "--expect-no-changes")

    with pytest.raises(PulumiFailed, match=rf"stack {IMAGES}: has no image 'carbide-rest-apii'; .*carbide-rest-api, "):
        consumer.given(CONSUMED_IMAGES="carbide-rest-apii").pulumi("preview", "--stack", consumer.name)
    with pytest.raises(PulumiFailed, match=r"stack organization/carbide-infra/none: cannot be read: unknown stack"):
        consumer.given(CONSUMED_STACK="organization/carbide-infra/none").pulumi("preview", "--stack", consumer.name)


def test_the_command_prints_what_the_stack_exports(deployed: Deployed) -> None:
    done = deployed.checkout.carbide("images", "--stack", "dev", "--json")
    assert StackOutputs.of(json.loads(done.stdout)).exported() == {
        "schemaVersion": SCHEMA_VERSION,
        "images": deployed.images,
    }
    assert done.stderr == ""
