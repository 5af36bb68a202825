"""Outputs that were saved as a file, or come through a pipe: what subcommands read without Pulumi."""

import json
import sys
from pathlib import Path
from typing import Any

from carbide_infra.errors import CommandError
from carbide_infra.outputs import SCHEMA_VERSION, StackOutputs
from carbide_infra.stack.deployed import understood

STDIN = "-"


def saved_outputs(source: str) -> StackOutputs:
    """Read what `pulumi stack output --json`, or `pulumi stack output images --json`, printed.

    Args:
        source: a file, or - for standard input.

    Raises:
        CommandError: it cannot be read, or is not the contract.
    """
    subject = "standard input" if source == STDIN else source
    try:
        text = sys.stdin.read() if source == STDIN else Path(source).read_text(encoding="utf-8")
        found = json.loads(text)
    except OSError as error:
        message = (
            f"{subject}: cannot be read: {error.strerror}; name a file with what `pulumi stack output --json` printed"
        )
        raise CommandError(message) from error
    except (ValueError, RecursionError) as error:
        message = f"{subject}: is not JSON ({error}); give what `pulumi stack output --json` printed"
        raise CommandError(message) from error
    if not isinstance(found, dict):
        message = f"{subject}: is not a JSON object; give what `pulumi stack output --json` printed"
        raise CommandError(message)
    return understood(_with_version(found), subject)


def _with_version(found: dict[str, Any]) -> dict[str, Any]:
    """The images alone say no version."""
    if found and all(isinstance(entry, dict) and "digest" in entry for entry in found.values()):
        return {"schemaVersion": SCHEMA_VERSION, "images": found}
    return found
