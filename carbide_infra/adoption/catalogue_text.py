"""Writes a catalogue with a comment behind each value that says where it is from."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from carbide_infra.adoption.told import Adopted, Said
from carbide_infra.catalogue.language import SCHEMA_VERSION
from carbide_infra.errors import shown

_ORDER = (
    *("title", "description", "dockerfile", "context", "target", "args", "secrets", "package", "module"),
    *("binaries", "tags", "ldflags", "gcflags", "symbols", "version", "tagPrefix"),
    *("base", "builder", "goVersion", "platforms"),
    *("kind", "entrypoint", "command", "ports", "health", "user", "workdir", "environment", "files", "folders"),
    *("provides", "labels", "stopSignal"),
)
# Said of every image, so that what most say may stand once above all.
_BY_MOST = ("ldflags", "base", "builder", "user", "workdir", "provides", "goVersion", "health")
_BY_ALL = ("tags", "gcflags", "platforms", "stopSignal", "environment")
_BY_KEY = ("symbols", "labels")
_WIDTH = 118
_PLAIN = re.compile(r"[A-Za-z0-9_./{}@+$-][A-Za-z0-9_./:{}@+$=-]*")


def catalogue_text(images: Sequence[Adopted]) -> str:
    """The whole file."""
    shared = _shared([image for image in images if not image.is_kept])
    lines = [f"schemaVersion: {SCHEMA_VERSION}", ""]
    if shared:
        lines += ["defaults:", *_map(shared, "  "), ""]
    lines.append("images:")
    for image in images:
        lines += [*entry_lines(image, shared), ""]
    return "\n".join(lines[:-1]) + "\n"


def entry_lines(image: Adopted, shared: Mapping[str, Said] | None = None) -> list[str]:
    """One image, without what stands above all; with all that is known where nobody knows what stands there."""
    own = image.entry if image.is_kept or shared is None else dict(_without(image.entry, shared))
    heading = [f"  {scalar(image.name)}:"]
    kept = [f"    # kept as it is: {shown(str(image.unsayable[0]))}"] if image.unsayable else []
    return [*heading, *kept, *_map(own, "    ")]


def _without(entry: Mapping[str, Said], shared: Mapping[str, Said]) -> Iterator[tuple[str, Said]]:
    for key, said in entry.items():
        above = shared.get(key)
        if above is None:
            # What nobody has needs no word.
            if key != "health" or said.value is not None:
                yield key, said
        elif key in _BY_KEY:
            # Those of the defaults are about images with one package.
            known = above.value if key != "symbols" or "package" in entry else {}
            rest = {name: value for name, value in said.value.items() if name not in known}
            if rest:
                yield key, Said(rest, said.where)
        elif data(said) != data(above):
            yield key, _whole(said, above) if key == "user" else said


def _whole(user: Said, above: Said) -> Said:
    """A user that takes nothing of the one in the defaults, with which it is merged."""
    own, other = user.value, above.value
    if isinstance(own, Mapping) and isinstance(other, Mapping) and "name" in own and "gid" in other:
        return Said({"gid": own.get("gid", own["uid"]), **own}, user.where)
    return user


def _shared(images: Sequence[Adopted]) -> dict[str, Said]:
    """What stands once for all images that are made anew."""
    if len(images) < 2:  # noqa: PLR2004
        return {}
    found: dict[str, Said] = {}
    for key in (*_BY_MOST, *_BY_ALL):
        told = [image.entry[key] for image in images if key in image.entry]
        texts = [json.dumps(data(said)) for said in told]
        most = max(texts, key=texts.count, default="null")
        needed = len(images) if key in _BY_ALL else len(images) // 2 + 1
        if len(told) == len(images) and texts.count(most) >= needed and (most != "null" or key == "workdir"):
            said = told[texts.index(most)]
            found[key] = Said(said.value, f"{said.where}, as in {texts.count(most)} of {len(images)}")
    versions = [image.entry["version"] for image in images if "version" in image.entry]
    is_of_one = any("tagPrefix" in image.entry for image in images)
    if versions and not is_of_one and all(data(version) == data(versions[0]) for version in versions):
        found["version"] = versions[0]
    for key in _BY_KEY:
        common = _common(key, images)
        if common:
            found[key] = Said(common, next(iter(common.values())).where)
    return found


def _common(key: str, images: Sequence[Adopted]) -> dict[str, Said]:
    """What all images agree on, key by key; symbols of the defaults are those of images with one package."""
    about = [image for image in images if key != "symbols" or "package" in image.entry]
    maps = [image.entry[key].value if key in image.entry else {} for image in about]
    if len(maps) < 2:  # noqa: PLR2004
        return {}
    first, *others = maps
    return {
        name: said for name, said in first.items() if all(name in o and data(o[name]) == data(said) for o in others)
    }


def data(value: Any) -> Any:  # noqa: ANN401 - what YAML has
    """A value without its comments."""
    if isinstance(value, Said):
        return data(value.value)
    if isinstance(value, Mapping):
        return {key: data(each) for key, each in value.items()}
    return [data(each) for each in value] if isinstance(value, list | tuple) else value


def entry_data(image: Adopted) -> dict[str, Any]:
    """An entry as YAML would be read."""
    return {key: data(said) for key, said in image.entry.items()}


# ---- Lines.


def _map(said: Mapping[str, Said], indent: str) -> Iterator[str]:
    for key in sorted(said, key=_ORDER.index):
        yield from _key(key, said[key], indent)


def _key(key: str, said: Said, indent: str) -> Iterator[str]:
    """In one line where it is short enough and from one place."""
    value = said.value
    places = sorted(_places(said))
    inline = f"{indent}{key}: {flow(data(said))}"
    is_list = isinstance(value, list) and value and isinstance(value[0], Said)
    if len(inline) <= _WIDTH and not (is_list and len(value) > 1) and (len(places) < 2 or len(inline) < _WIDTH // 2):  # noqa: PLR2004
        yield _commented(inline, said.where)
    elif is_list:
        yield f"{indent}{key}:"
        for item in value:
            yield _commented(f"{indent}  - {flow(data(item))}", item.where)
    elif isinstance(value, Mapping):
        yield f"{indent}{key}:"
        for name, each in value.items():
            where = each.where if isinstance(each, Said) else said.where
            yield _commented(f"{indent}  {scalar(name)}: {flow(data(each))}", where)
    else:
        yield _commented(inline, said.where)


def _places(said: Said) -> set[str]:
    inner = said.value.values() if isinstance(said.value, Mapping) else ()
    return {said.where, *(each.where for each in inner if isinstance(each, Said))} - {""}


def _commented(line: str, where: str) -> str:
    return f"{line}  # {shown(where)}" if where else line


def flow(value: Any) -> str:  # noqa: ANN401 - what YAML has
    """A value in one line, as PyYAML writes it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def scalar(value: Any) -> str:  # noqa: ANN401 - what YAML has
    """A scalar that YAML reads as what it is, on one line, also inside of brackets."""
    if not isinstance(value, str):
        return "null" if value is None else json.dumps(value)
    if _PLAIN.fullmatch(value) and not set(value) & set("{}") and yaml.safe_load(value) == value:
        return value
    # YAML takes JSON's quotes.
    return json.dumps(value, ensure_ascii=not value.isprintable())
