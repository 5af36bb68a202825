"""Outputs that were saved as a file, or come through a pipe: what subcommands read without Pulumi."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carbide_infra.cli.outcome import CommandError
from carbide_infra.outputs import SCHEMA_VERSION, OutputsError, StackOutputs

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
    except ValueError as error:
        message = f"{subject}: is no JSON ({error}); give what `pulumi stack output --json` printed"
        raise CommandError(message) from error
    if not isinstance(found, dict):
        message = f"{subject}: is no JSON object; give what `pulumi stack output --json` printed"
        raise CommandError(message)
    return understood(_with_version(found), subject)


def understood(outputs: Mapping[str, Any], subject: str) -> StackOutputs:
    """Read outputs of whatever origin; `subject` names it in the error.

    Raises:
        CommandError: they are not the contract.
    """
    try:
        return StackOutputs.of(outputs)
    except OutputsError as error:
        message = f"{subject}: {error}"
        raise CommandError(message) from error


def _with_version(found: dict[str, Any]) -> dict[str, Any]:
    """The images alone say no version."""
    if found and all(isinstance(entry, dict) and "digest" in entry for entry in found.values()):
        return {"schemaVersion": SCHEMA_VERSION, "images": found}
    return found
