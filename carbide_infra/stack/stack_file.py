"""A stack's configuration file, read without Pulumi: set-up needs no passphrase."""

from pathlib import Path
from typing import Any

import yaml

from carbide_infra.errors import SetupError

PROJECT = "carbide-infra"
DEV_STACK = "dev"
"""The development stack: it is updated unasked, with a passphrase that its checkout makes."""

# For what does not depend on where images go: a new stack may not say it yet.
ANY_REGISTRY = {"registryServer": "local", "registryRepository": "carbide"}


def is_development(stack: str) -> bool:
    """Whether a stack, perhaps named with its organization and project, is the development stack."""
    return stack.rpartition("/")[2] == DEV_STACK


def read_stack_file(root: Path, stack: str) -> dict[str, Any]:
    """Give the plain config values of Pulumi.<stack>.yaml by key; empty when there is no such file.

    Raises:
        SetupError: the file is not a YAML mapping.
    """
    return {key: value for key, value in _entries(root, stack).items() if not _is_encrypted(value)}


def keys_in_stack_file(root: Path, stack: str) -> frozenset[str]:
    """Give the config keys of Pulumi.<stack>.yaml, those of encrypted values too.

    Raises:
        SetupError: as for `read_stack_file`.
    """
    return frozenset(_entries(root, stack))


def _entries(root: Path, stack: str) -> dict[str, Any]:
    file = root / f"Pulumi.{stack}.yaml"
    try:
        # As Pulumi does: every scalar is text, so 1.30 stays another version than 1.3.
        content = yaml.load(file.read_text(encoding="utf-8"), yaml.BaseLoader) or {}  # noqa: S506 - builds no objects
        entries = dict(content.get("config") or {})
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        message = f"{file} cannot be read as a stack's configuration: {error}"
        raise SetupError(message) from error
    prefix = f"{PROJECT}:"
    return {str(key).removeprefix(prefix): value for key, value in entries.items() if str(key).startswith(prefix)}


def _is_encrypted(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"secure"}
