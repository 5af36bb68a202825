"""The contract as JSON Schema, for consumers that are not Python; `make schema` writes it anew."""

import json
from pathlib import Path

from carbide_infra.outputs.contract import SCHEMA_VERSION, StackOutputs

SCHEMA_FILE = Path(__file__).with_name("schema.json")


def schema_text() -> str:
    """What the file holds."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **StackOutputs.model_json_schema(),
        "title": f"Outputs of a carbide-infra stack, version {SCHEMA_VERSION}",
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
