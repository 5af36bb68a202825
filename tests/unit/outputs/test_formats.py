"""The images as other tools' files, read back as those tools read them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from carbide_infra.outputs import StackOutputs, formats
from tests.support.catalogue import CATALOGUE
from tests.support.outputs import exported, exported_by_version_1

OUTPUTS = StackOutputs.of(exported())
API = "carbide-rest-api"


@pytest.mark.parametrize(
    "write", [formats.env, formats.helm_values, formats.kustomize, formats.compose, formats.as_json]
)
def test_outputs_of_version_1_give_files_of_the_same_images(write: Callable[[StackOutputs], str]) -> None:
    old = StackOutputs.of(exported_by_version_1())
    if write is formats.as_json:
        assert StackOutputs.of(json.loads(write(old))) == old
    else:
        assert write(old) == write(OUTPUTS)


def sourced(text: str, folder: Path) -> dict[str, str]:
    """The variables that a shell has after it has read the lines."""
    file = folder / "images.env"
    file.write_text(text, encoding="utf-8")
    script = f"set -eu; set -a; . {file}; env -0"
    done = subprocess.run(["bash", "-c", script], env={}, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)


def test_a_shell_gets_a_variable_for_each_image(tmp_path: Path) -> None:
    found = sourced(formats.env(OUTPUTS), tmp_path)
    assert found["CARBIDE_REST_API_IMAGE"] == OUTPUTS.images[API].ref
    assert {name for name in found if name.endswith("_IMAGE")} == {
        f"{name.upper().replace('-', '_')}_IMAGE" for name in CATALOGUE
    }


def test_a_shell_runs_nothing_that_a_reference_may_hold(tmp_path: Path) -> None:
    found: dict[str, Any] = exported()
    hostile = "registry/$(touch hacked)'\"`id` x"
    found["images"][API]["ref"] = hostile
    assert sourced(formats.env(StackOutputs.of(found)), tmp_path)["CARBIDE_REST_API_IMAGE"] == hostile


def test_helm_gets_values_for_a_subchart_of_each_image() -> None:
    values = yaml.safe_load(formats.helm_values(OUTPUTS))
    assert set(values) == set(CATALOGUE)
    api = OUTPUTS.images[API]
    expected = {"repository": api.repository, "tag": "1.4.0-8b1c6d050d4a", "digest": api.digest}
    assert values[API] == {"image": expected}


def test_kustomize_gets_a_component_that_names_images() -> None:
    component = yaml.safe_load(formats.kustomize(OUTPUTS))
    assert (component["apiVersion"], component["kind"]) == ("kustomize.config.k8s.io/v1alpha1", "Component")
    api = OUTPUTS.images[API]
    assert {"name": API, "newName": api.repository, "digest": api.digest} in component["images"]
    assert [entry["name"] for entry in component["images"]] == list(OUTPUTS.images)


def test_compose_gets_an_override_of_each_service() -> None:
    override = yaml.safe_load(formats.compose(OUTPUTS))
    assert override == {"services": {name: {"image": image.ref} for name, image in OUTPUTS.images.items()}}


def test_json_is_the_contract() -> None:
    assert json.loads(formats.as_json(OUTPUTS)) == exported()


def renamed(name: str) -> StackOutputs:
    """Outputs of a single image with this name."""
    found: dict[str, Any] = exported()
    image = found["images"][API] | {"repository": f"registry.test/{name}"}
    return StackOutputs.of(found | {"images": {name: image}})


def test_a_variable_is_one_for_any_shell() -> None:
    assert formats.env(renamed("größe.2")).startswith("GR__E_2_IMAGE=")


def test_files_are_for_readers_too() -> None:
    outputs = renamed("größe")
    (image,) = outputs.images.values()
    assert formats.as_json(outputs).startswith('{\n  "schemaVersion": 2,\n  "images": {\n    "größe": {\n      "ref": ')
    assert formats.as_json(outputs).endswith("}\n")
    assert formats.helm_values(outputs) == (
        "größe:\n"
        "  image:\n"
        "    repository: registry.test/größe\n"
        "    tag: 1.4.0-8b1c6d050d4a\n"
        f"    digest: {image.digest}\n"
    )


@pytest.mark.parametrize("form", [formats.env, formats.helm_values, formats.kustomize, formats.compose])
def test_a_moved_tag_changes_no_file(form: Any) -> None:  # noqa: ANN401 - one of the writers
    moved: dict[str, Any] = exported()
    for image in moved["images"].values():
        image["tags"] = [image["tags"][0], "9.9.9", "latest"]
    assert form(StackOutputs.of(moved)) == form(OUTPUTS)
