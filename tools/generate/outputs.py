"""The contract of the outputs as JSON Schema, for consumers that are not Python."""

import json
from collections.abc import Mapping
from pathlib import Path

from carbide_infra.outputs.contract import SCHEMA_VERSION, StackOutputs


def json_schema(project: Path) -> Mapping[Path, str]:
    """The file beside the models."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **StackOutputs.model_json_schema(),
        "title": f"Outputs of a carbide-infra stack, version {SCHEMA_VERSION}",
    }
    return {project / "carbide_infra/outputs/schema.json": json.dumps(schema, indent=2) + "\n"}
