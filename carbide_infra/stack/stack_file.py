"""A stack's configuration file, read without Pulumi: set-up needs no passphrase."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from carbide_infra.errors import SetupError
from carbide_infra.settings import TEXT_KEYS, ConfigError

PROJECT = "carbide-infra"
"""This repository's own project."""

_KINDS = {
    f"tag:yaml.org,2002:{name}": kind
    for name, kind in (("int", "a number"), ("float", "a number"), ("bool", "true or false"), ("timestamp", "a date"))
}
_NUMBER = re.compile(r"[-+]?(\.?\d[\d_]*(\.\d*)?([eE][-+]?\d+)?|0[xob][0-9a-fA-F_]+)")
DEV_STACK = "dev"
"""The development stack: it is updated unasked, with a passphrase that its checkout makes."""

# For what does not depend on where images go: a new stack may not say it yet.
ANY_REGISTRY = {"registryServer": "local", "registryRepository": "carbide"}


def is_development(stack: str) -> bool:
    """Whether a stack, perhaps named with its organization and project, is the development stack."""
    return stack.rpartition("/")[2] == DEV_STACK


def project_name(root: Path) -> str:
    """The name of the project in a folder, which its configuration's keys begin with; of none, this repository's."""
    try:
        name = yaml.safe_load((root / "Pulumi.yaml").read_text(encoding="utf-8"))["name"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, RecursionError):
        return PROJECT
    return str(name)


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
        text = file.read_text(encoding="utf-8")
        prefix = f"{project_name(root)}:"
        # What is one scalar is text, and what is written in a map or list is as Pulumi hands it over.
        entries = _config(yaml.load(text, yaml.BaseLoader), prefix)  # noqa: S506 - builds no objects
        typed = _config(yaml.safe_load(text), "")
        entries = {key: typed[key] if isinstance(value, dict | list) else value for key, value in entries.items()}
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, _OtherShapeError, TypeError, ValueError, RecursionError) as error:
        message = f"{file}{_problem(error)}"
        raise SetupError(message) from error
    return {str(key).removeprefix(prefix): value for key, value in entries.items() if str(key).startswith(prefix)}


class _OtherShapeError(Exception):
    """The file is YAML, and something else than a stack's configuration."""


def _config(content: Any, prefix: str) -> dict[Any, Any]:  # noqa: ANN401 - what YAML has
    if not isinstance(content, dict | None):
        what = f" is {_shape(content)}, not a map; a good beginning: config:"
        raise _OtherShapeError(what)
    config = (content or {}).get("config") or {}
    if not isinstance(config, dict):
        what = f": config is {_shape(config)}, not a map; a good value below it: {prefix}source: .."
        raise _OtherShapeError(what)
    return config


def _shape(value: object) -> str:
    return "a list" if isinstance(value, list) else "text"


def _problem(error: Exception) -> str:
    """What is wrong with a file, as it follows its name in a sentence."""
    if isinstance(error, _OtherShapeError):
        return str(error)
    if isinstance(error, UnicodeDecodeError):
        return f" is not a text in UTF-8 (byte {error.start})"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f":{error.problem_mark.line + 1} cannot be read as YAML: {error.problem}"
    return f" cannot be read as a stack's configuration: {' '.join(str(error).split())}"


def require_quoted(root: Path, stack: str) -> None:
    """Refuse what Pulumi would read as a number: of `version: 1.40` it hands over 1.4.

    Raises:
        ConfigError: a line for each such value.
    """
    try:
        text = (root / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
        document = yaml.compose(text, yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return  # Others say what is wrong with the file.
    found = list(_unquoted(document))
    # A preview has nothing of the kind, and reading the project's own file would be most of what this takes.
    project = project_name(root) if found else PROJECT
    problems = [
        f'{key} = {written}: is {kind} to YAML, not text; write it in quotes: "{written}"'
        for namespace, key, written, kind in found
        if namespace == project
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def _unquoted(document: yaml.Node | None) -> Iterator[tuple[str, str, str, str]]:
    """Project, key, value as it is written, and kind of each text that is none to YAML."""
    for section, values in _pairs(document):
        for name, value in _pairs(values) if section == "config" else ():
            namespace, _, key = name.rpartition(":")
            if not isinstance(value, yaml.ScalarNode) or value.style or key not in TEXT_KEYS:
                continue
            if kind := _kind(value):
                yield namespace, key, value.value, kind


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((key.value, value) for key, value in node.value if isinstance(key, yaml.ScalarNode))


def _kind(value: yaml.ScalarNode) -> str | None:
    """What a scalar without quotes is to a reader of YAML 1.1 or 1.2, if not text."""
    if value.tag in _KINDS:
        return _KINDS[value.tag]
    # Such as 1e3, which PyYAML takes for a text and Pulumi does not.
    return "a number" if _NUMBER.fullmatch(value.value) else None


def _is_encrypted(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"secure"}
