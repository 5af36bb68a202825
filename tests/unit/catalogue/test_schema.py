"""The JSON Schema that editors complete a catalogue by."""

import json

from carbide_infra.catalogue import schema
from carbide_infra.catalogue.language import Entry


def test_the_committed_schema_is_that_of_the_models() -> None:
    assert schema.FILE.read_text() == schema.schema()


def test_it_names_every_key_with_what_it_means() -> None:
    found = json.loads(schema.schema())
    keys = found["$defs"]["Entry"]["properties"]
    assert keys.keys() == {field.alias for field in Entry.model_fields.values()}
    assert all(key["description"] for key in keys.values())


def test_it_refuses_unknown_keys_and_knows_the_choices() -> None:
    found = json.loads(schema.schema())
    assert found["additionalProperties"] is False
    assert found["required"] == ["images"]
    entry = found["$defs"]["Entry"]
    assert entry["additionalProperties"] is False
    assert entry["properties"]["kind"]["enum"] == ["service", "job"]
    assert {"const": "root"} in found["$defs"]["UserKeys"]["anyOf"]


def test_a_default_is_told_only_where_there_is_one() -> None:
    entry = json.loads(schema.schema())["$defs"]
    assert entry["HealthKeys"]["properties"]["interval"]["default"] == "30s"
    assert "default" not in entry["Entry"]["properties"]["base"]
    assert "default" not in entry["Entry"]["properties"]["workdir"]
    assert "default" not in entry["Entry"]["properties"]["platforms"]


def test_titles_that_repeat_a_key_are_left_out() -> None:
    found = json.loads(schema.schema())
    assert found["title"] == "Catalogue of container images"
    assert "title" not in found["$defs"]["Entry"]["properties"]["base"]
    assert found["$defs"]["Entry"]["properties"]["title"]["description"]
