"""What is wrong with a catalogue, in its own terms: file, line, image, key, value, and a good one."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from carbide_infra.errors import UserError

Key = tuple[str | int, ...]
"""A path of keys, such as ("images", "carbide-rest-api", "files", 0, "mode")."""

NOT_SET = "is not set"
UNKNOWN_KEY = "is an unknown key"
_OF_A_KEY = "[key]"
_NO_RUN = (
    "a command in the final stage would need an emulator for other platforms; "
    "make a base image of your own, and name it as base"
)
_HINTS = {
    "port": "ports are named: write ports: {http: 8080}",
    "versionSymbol": "write symbols: {./common/pkg/version.Version: version}",
    "buildTimeSymbol": "write symbols: {./common/pkg/version.BuildTime: buildTime}",
    "binary": "write binaries: [{package: ./cmd/server, path: /usr/local/bin/server}]",
    "env": "write environment",
    "cgo": "binaries are built without cgo; one that needs it takes a base and builder made for it, and a Dockerfile",
    "run": _NO_RUN,
    "RUN": _NO_RUN,
    "<<": "maps are not merged by YAML; what images share stands in defaults",
}


class CatalogueError(UserError):
    """A catalogue, or a stack's overrides of it, that cannot be built; each line is one problem."""

    def __init__(self, problems: Iterable["Problem"]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        where: file and line, such as docker/production/services.yaml:12; empty for a stack's configuration.
        key: path of the key, such as `carbide-rest-api: ports.http`.
        value: as it is written; None where that says nothing.
        text: what is wrong with it, and a good value.
    """

    where: str
    key: str
    value: str | None
    text: str

    def __str__(self) -> str:
        """One line, as it is shown."""
        location = f"{self.where}: " if self.where else ""
        value = "" if self.value is None else f" = {self.value}"
        key = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in self.key)
        return f"{location}{key}{value}: {self.text}" if self.key else f"{location}{self.text}"


def path(key: Key) -> str:
    """A path of keys as people write it: `files[0].mode`."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def shown(value: object) -> str:
    """A value as YAML could have it, in one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if text.isprintable() and text else json.dumps(text, ensure_ascii=False)


def explained(
    error: ValidationError, model: type[BaseModel], written: Mapping[Key, str] | None = None
) -> Iterator[tuple[Key, str | None, str]]:
    """Key, value and sentence for each of Pydantic's errors, without its own words.

    Args:
        error: what was found.
        model: what was validated.
        written: scalars as their author wrote them, by key.
    """
    found = error.errors()
    for item in found:
        key: Key = tuple(part for part in item["loc"] if part != _OF_A_KEY)
        value = shown((written or {}).get(key) or item["input"])
        if item["type"] == "string_type" and isinstance(item["input"], bool | int | float | date):
            remedy = f'write it in quotes: "{value}"' if _fits(value, model, key) else _good_value(model, key)
            yield key, value, f"is {_kind_of(item['input'])}, not text; {remedy}"
        elif not _follows_from_another(item, found):
            says_nothing = item["type"] == "missing" or _OF_A_KEY in item["loc"]
            yield key, None if says_nothing else value, _sentence(item["type"], item, key, model)


def _follows_from_another(item: ErrorDetails, found: Sequence[ErrorDetails]) -> bool:
    """A list of bad items only is empty to Pydantic, too."""
    loc = item["loc"]
    return item["type"] == "too_short" and any(other["loc"][: len(loc)] == loc != other["loc"] for other in found)


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or the known names."""
    names = list(known)
    close = [each for each in names if each.lower() == name.lower()] or get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"


def _sentence(kind: str, item: Mapping[str, Any], key: Key, model: type[BaseModel]) -> str:
    if kind == "value_error":
        return str(item["ctx"]["error"])
    if kind == "extra_forbidden":
        name = str(key[-1])
        if key[:-1] == ("defaults",) and name in _known_keys(model, ("images", name)):
            return f"{UNKNOWN_KEY} of defaults; each image says its own"
        return f"{UNKNOWN_KEY}; {_HINTS.get(name) or nearest(name, _known_keys(model, key[:-1]))}"
    problem, good = plain_problem(item), _good_value(model, key)
    return f"{problem}; {good}" if good else problem


def _good_value(model: type[BaseModel], key: Key) -> str:
    example = _example(model, key)
    return f"a good value: {example}" if example else ""


def _fits(text: str, model: type[BaseModel], key: Key) -> bool:
    """Whether a number would be a good value if it were a text."""
    field = _field_at(model, key)
    if field is None:
        return True
    # Pydantic keeps the grammar of a field beside its type, unless None is one of its values.
    kind: Any = Annotated[(field.annotation, *field.metadata, None)]
    try:
        TypeAdapter(kind).validate_python(text)
    except ValidationError:
        return False
    return True


def plain_problem(item: Mapping[str, Any]) -> str:
    """What is wrong, by one of Pydantic's errors, without its own words."""
    kind = item["type"]
    value, context = item["input"], item.get("ctx", {})
    if kind == "missing":
        return NOT_SET
    if kind in {"too_short", "string_too_short", "missing_keyword_only_argument"}:
        return "is empty"
    if kind == "literal_error":
        return f"is not one of {context['expected'].replace(' or ', ', ').replace(chr(39), '')}"
    if kind in {"greater_than_equal", "less_than_equal"}:
        return f"is out of range: {'at least' if 'ge' in context else 'at most'} {context.get('ge', context.get('le'))}"
    return f"is {_kind_of(value)}, not {_WANTED.get(kind, 'what belongs here')}"


_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
}


def _kind_of(value: object) -> str:
    kinds: Sequence[tuple[type, str]] = (
        (bool, "true or false"),
        (int, "a number"),
        (float, "a number"),
        (str, "text"),
        (dict, "a map"),
        (list, "a list"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "empty" if value is None else "a date")


def _known_keys(model: type[BaseModel], key: Key) -> list[str]:
    found = _model_at(model, key)
    return [field.alias or name for name, field in found.model_fields.items()] if found else []


def _example(model: type[BaseModel], key: Key) -> str:
    """A good value for the innermost field on the way that has one."""
    for length in range(len(key), 0, -1):
        field = _field_at(model, key[:length])
        if field is not None and field.examples:
            return shown(field.examples[0])
    return ""


def _field_at(model: type[BaseModel], key: Key) -> FieldInfo | None:
    holder = _model_at(model, key[:-1])
    if holder is None:
        return None
    return next((field for name, field in holder.model_fields.items() if (field.alias or name) == key[-1]), None)


def _model_at(model: type[BaseModel], key: Key) -> type[BaseModel] | None:
    """The model that a path leads to: through fields, maps by key, and lists by index."""
    place: Any = model
    for part in key:
        place = _bare(place)
        if isinstance(place, type) and issubclass(place, BaseModel):
            field = next((f for name, f in place.model_fields.items() if (f.alias or name) == part), None)
            place = field.annotation if field else None
        else:
            arguments = get_args(place)
            place = arguments[1 if get_origin(place) is dict else 0] if arguments else None
    place = _bare(place)
    return place if isinstance(place, type) and issubclass(place, BaseModel) else None


def _bare(annotation: Any) -> Any:  # noqa: ANN401
    """A type without what is said about it, and without None."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in {Union, UnionType}:
            choices = [choice for choice in get_args(annotation) if choice is not type(None)]
            annotation = next((c for c in choices if get_origin(c) is not Literal), choices[0])
        else:
            return annotation
