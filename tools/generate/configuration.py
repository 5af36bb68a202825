"""The keys of a stack's configuration, from Settings: for the Pulumi CLI, and for people."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from carbide_infra.settings import Settings
from tools.generate.regions import NONE, MarkersError, between_markers, prose, table

_CONFIG = re.compile(r"^config:\n(?:[ #].*\n|\n)*", re.MULTILINE)


def pulumi_yaml(project: Path) -> Mapping[Path, str]:
    """Pulumi.yaml with its `config` anew; the rest stays as it is."""
    file = project / "Pulumi.yaml"
    text = file.read_text(encoding="utf-8")
    found = _CONFIG.search(text)
    if found is None:
        message = f"{file}: has no line `config:`"
        raise MarkersError(message)
    config = "".join(f"{line}\n" for line in _declarations())
    return {file: f"{text[: found.start()]}config:\n{config}{text[found.end() :]}"}


def documentation(project: Path) -> Mapping[Path, str]:
    """The page on configuration with its table anew."""
    file = project / "docs/configuration.md"
    rows = ((f"`{key}`", _shown(field), prose(str(field.description))) for key, field in _fields())
    text = table(("Key", "Default", "Meaning"), rows)
    return {file: between_markers(file.read_text(encoding="utf-8"), "configuration", text)}


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    return ((str(field.alias), field) for field in Settings.model_fields.values())


def _declarations() -> Iterator[str]:
    """Lines below `config:`."""
    yield "  # Written by `make generate` from carbide_infra/settings.py."
    schema = Settings.model_json_schema(by_alias=True)["properties"]
    for key, field in _fields():
        kind = _kind(schema[key])
        yield f"  {key}:"
        yield f"    type: {kind}"
        if kind == "array":
            yield from ("    items:", f"      type: {_kind(schema[key]['items'])}")
        yield f"    description: {_quoted(str(field.description))}"
        yield from _default(field)


def _kind(schema: Mapping[str, Any]) -> str:
    """The type as Pulumi names it; it has no optional ones."""
    options = schema.get("anyOf", [schema])
    return next(str(option["type"]) for option in options if option["type"] != "null")


def _default(field: FieldInfo) -> Iterator[str]:
    if field.is_required():
        return
    default = field.get_default(call_default_factory=True)
    if isinstance(default, tuple) and default:
        yield "    default:"
        yield from (f"      - {item}" for item in default)
    else:
        # Pulumi wants a default of each key that may be absent; Settings takes an empty text for none.
        yield f"    default: {_quoted('' if default is None else default)}"


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shown(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    items = default if isinstance(default, tuple) else (default,) if default else ()
    return ", ".join(f"`{item}`" for item in items) or NONE
