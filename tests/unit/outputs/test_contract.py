"""The contract: what it accepts, what it refuses in which words, and its JSON Schema."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from carbide_infra import outputs as package
from carbide_infra.outputs import SCHEMA_VERSION, ImageOutput, OutputsError, StackOutputs, contract
from carbide_infra.paths import project_root
from tests.support.outputs import VERSION_1, exported, exported_by_version_1
from tools.generate.outputs import json_schema

API = "carbide-rest-api"


def test_outputs_are_read_back_as_they_were_exported() -> None:
    assert StackOutputs.of(exported()).exported() == exported()


def test_outputs_of_version_1_become_those_of_this_version() -> None:
    found = StackOutputs.of(exported_by_version_1())
    assert found.schema_version == SCHEMA_VERSION
    api, job = found.image(API), found.image("carbide-rest-db")
    assert (api.kind, api.ports, api.port) == ("service", {"port": 8388}, 8388)
    assert (job.kind, job.ports, job.port) == ("job", {}, None)
    assert (api.user, api.user_id, api.group_id, api.user_name) == ("1000:1000", 1000, 1000, None)
    assert (api.command, api.environment, api.binaries, api.labels) == ([], {}, [], {})
    assert api.health == ["/app/api", "health"]
    assert api.health_check is not None
    assert api.health_check.exported() == {
        "command": ["/app/api", "health"],
        "interval": "30s",
        "timeout": "5s",
        "startPeriod": "10s",
        "retries": 3,
    }
    assert StackOutputs.of(found.exported()) == found


def test_what_version_1_says_stays_as_it_is() -> None:
    old = exported_by_version_1()
    for name, image in StackOutputs.of(old).exported()["images"].items():
        assert {key: image[key] for key in old["images"][name]} == old["images"][name]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("user", "nvs", {"userId": None, "groupId": None}),
        ("user", "1000", {"userId": None, "groupId": None}),
        ("health", [], {"healthCheck": None, "health": []}),
        ("port", None, {"ports": {}, "kind": "job"}),
    ],
)
def test_what_version_1_does_not_tell_is_not_made_up(key: str, value: object, said: dict[str, object]) -> None:
    old = exported_by_version_1()
    old["images"][API][key] = value
    image = StackOutputs.of(old).exported()["images"][API]
    assert {name: image[name] for name in said} == said


@pytest.mark.parametrize("images", [None, [], {API: None}, {API: {}}, {API: "x"}])
def test_malformed_outputs_of_version_1_are_refused(images: object) -> None:
    with pytest.raises(OutputsError, match=r"malformed outputs: images\S* is (not a map|missing); "):
        StackOutputs.of({"schemaVersion": 1, "images": images})


def test_version_1_needs_no_field_of_version_2() -> None:
    assert set(exported_by_version_1()["images"][API]) == VERSION_1
    required = {name for name, field in ImageOutput.model_fields.items() if field.is_required()}
    assert {"kind", "ports", "command", "environment", "binaries", "labels"} <= required


def test_a_job_has_no_port_whether_it_is_null_or_absent() -> None:
    found = exported()
    del found["images"]["carbide-rest-db"]["port"]
    assert StackOutputs.of(found).image("carbide-rest-db").port is None


def test_a_field_of_a_newer_stack_is_kept() -> None:
    found = exported()
    found["images"][API]["provenance"] = "slsa"
    assert StackOutputs.of(found).exported() == found


def test_other_outputs_of_the_stack_are_no_part_of_the_contract() -> None:
    assert StackOutputs.of(exported() | {"dashboard": "https://example.invalid"}).exported() == exported()


def _with(key: str, value: object) -> dict[str, Any]:
    found = exported()
    found["images"][API][key] = value
    return found


def _without(key: str) -> dict[str, Any]:
    found = exported()
    del found["images"][API][key]
    return found


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({}, r"has no outputs yet; update it with `pulumi up`"),
        ({"images": {}}, r"has no output schemaVersion.* name another"),
        ({"schemaVersion": "soon", "images": {}}, r"schemaVersion 'soon', which is not a version"),
        (
            exported() | {"schemaVersion": SCHEMA_VERSION + 1},
            r"schema version 3, .* reads 2 at most; .*pip install --upg",
        ),
        ({"schemaVersion": 1}, r"malformed outputs: images is missing; update it"),
        (_without("ref"), r"malformed outputs: images\.carbide-rest-api\.ref is missing; "),
        (_with("ports", {"http": "web"}), r"images\.carbide-rest-api\.ports\.http is not a whole number; "),
        (_with("kind", "other"), r"images\.carbide-rest-api\.kind is not what belongs there; "),
        (_with("version", 1), r"images\.carbide-rest-api\.version is not text; "),
        (_with("userId", 1.5), r"images\.carbide-rest-api\.userId is not "),
        (_with("port", []), r"images\.carbide-rest-api\.port is not a whole number; "),
        (_with("tags", {}), r"images\.carbide-rest-api\.tags is not a list; "),
        (_with("labels", []), r"images\.carbide-rest-api\.labels is not a map; "),
        (_with("binaries", ["/app"]), r"images\.carbide-rest-api\.binaries\.0 is not a map; "),
        (_with("digest", "sha256:short"), r"images\.carbide-rest-api\.digest is malformed; "),
    ],
)
def test_what_is_not_the_contract_is_refused_with_a_way_out(found: dict[str, Any], message: str) -> None:
    with pytest.raises(OutputsError, match=message):
        StackOutputs.of(found)


def test_a_newer_version_is_refused_before_its_fields_are_read() -> None:
    with pytest.raises(OutputsError, match="upgrade it"):
        StackOutputs.of({"schemaVersion": SCHEMA_VERSION + 1, "pictures": []})


def test_a_missing_image_is_answered_with_those_that_are_there() -> None:
    with pytest.raises(OutputsError, match=r"has no image 'carbide-rest-apii'; .*carbide-rest-api, carbide-rest-cert"):
        StackOutputs.of(exported()).image("carbide-rest-apii")


def test_the_schema_speaks_of_the_names_that_are_exported() -> None:
    schema = json.loads((project_root() / "carbide_infra/outputs/schema.json").read_text(encoding="utf-8"))
    image = schema["$defs"]["ImageOutput"]
    assert set(image["properties"]) == set(exported()["images"][API])
    assert all(entry["description"] for entry in image["properties"].values())
    assert image["additionalProperties"] is True
    assert schema["additionalProperties"] is True
    assert schema["properties"]["schemaVersion"]["const"] == SCHEMA_VERSION


def test_the_contract_costs_no_pulumi() -> None:
    script = "import sys; import carbide_infra.outputs; print({'pulumi', 'rich', 'typer'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_what_needs_pulumi_is_imported_for_those_who_ask_alone() -> None:
    assert package.ImageSet.__name__ == "ImageSet"
    assert not {"ImageSet", "ImageReference"} & vars(package).keys()


def test_outputs_can_be_made_under_the_names_of_their_fields() -> None:
    assert StackOutputs(schema_version=SCHEMA_VERSION, images={}).exported() == {
        "schemaVersion": SCHEMA_VERSION,
        "images": {},
    }


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'ImageSets'"):
        _ = package.ImageSets  # type: ignore[attr-defined]


def test_every_field_has_a_description() -> None:
    assert all(field.description for field in ImageOutput.model_fields.values())


def test_the_page_for_consumers_describes_every_field() -> None:
    page = (project_root() / "docs/deployment-owner.md").read_text(encoding="utf-8")
    for field in ImageOutput.model_fields.values():
        assert re.search(rf"^\| `{field.alias}` \| .* \| {re.escape(field.description or '')} \|$", page, re.MULTILINE)


@pytest.mark.parametrize("user", [None, "appuser", "1000", "1000:x"])
def test_a_user_of_version_1_without_numbers_has_none(user: str | None) -> None:
    outputs = exported_by_version_1()
    image = outputs["images"][API]
    if user is None:
        del image["user"]
    else:
        image["user"] = user
    upgraded = contract._upgraded_image(image)
    assert (upgraded["userId"], upgraded["groupId"]) == (None, None)


def test_what_is_exported_is_json() -> None:
    found = StackOutputs.of(exported())
    assert json.loads(json.dumps(found.exported())) == found.exported()
    assert type(found.image(API).exported()["platforms"]) is list


def test_the_committed_schema_is_that_of_the_models() -> None:
    for file, text in json_schema(project_root()).items():
        assert file.read_text() == text
