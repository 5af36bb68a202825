"""Baselines: a stack's state without its secrets, which a preview can start from where no credentials are."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

# By this key and value the engine marks a secret in a state.
_SIGNATURE = ("4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270")
# What ties a stack's file to the passphrase or key of its secrets.
_ENCRYPTION = frozenset({"encryptionsalt", "encryptedkey", "secretsprovider"})


def without_secrets(exported: Mapping[str, Any]) -> dict[str, Any]:
    """A state in which every secret has its shape and no content; nothing in it was encrypted.

    A ciphertext would do, too, but whoever has it can try passphrases for ever.

    Args:
        exported: what `pulumi stack export --show-secrets` prints.
    """
    deployment = {name: value for name, value in exported["deployment"].items() if name != "secrets_providers"}
    return {"version": exported["version"], "deployment": _open(deployment)}


def without_encryption(stack_file: str) -> str:
    """A Pulumi.<stack>.yaml that any passphrase opens: what was encrypted in it is gone."""
    content = {name: value for name, value in _mapping(stack_file).items() if name not in _ENCRYPTION}
    config = content.get("config") or {}
    content["config"] = {key: value for key, value in config.items() if not _is_encrypted(value)}
    return yaml.safe_dump(content, allow_unicode=True)


def _mapping(text: str) -> dict[str, Any]:
    # Every scalar is text, as the engine reads it: 1.30 stays another version than 1.3.
    return dict(yaml.load(text, yaml.BaseLoader) or {})  # noqa: S506 - builds no objects


def _is_encrypted(value: object) -> bool:
    if isinstance(value, dict):
        return set(value) == {"secure"} or any(_is_encrypted(item) for item in value.values())
    return isinstance(value, list) and any(_is_encrypted(item) for item in value)


def _open(value: object) -> object:
    match value:
        case dict() if value.get(_SIGNATURE[0]) == _SIGNATURE[1]:
            return _emptied(json.loads(value["plaintext"]))
        case dict():
            return {name: _open(item) for name, item in value.items()}
        case list():
            return [_open(item) for item in value]
    return value


def _emptied(value: object) -> object:
    match value:
        case dict():
            return {name: _emptied(item) for name, item in value.items()}
        case list():
            return [_emptied(item) for item in value]
    return ""
