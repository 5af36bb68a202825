"""The JSON Schema of catalogue files, which an editor completes and checks them by."""

import json
from pathlib import Path
from typing import Any

from carbide_infra.catalogue.language import Catalogue

FILE = Path(__file__).with_name("services.schema.json")
"""Where it is kept: a catalogue's first line names it."""


def schema() -> str:
    """The schema, as its file has it."""
    generated = Catalogue.model_json_schema(by_alias=True)
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_plain(generated),
        "title": "Catalogue of container images",
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _plain(part: Any) -> Any:  # noqa: ANN401
    """Without titles that repeat a key, and without the defaults that only mean "not said"."""
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {
        key: _plain(value)
        for key, value in part.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and value in (None, "", [], {}))
    }
