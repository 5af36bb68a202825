"""Reasons: what differs between an image's old and new inputs, as facts; `words` puts them into sentences."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from carbide_infra.images import record
from carbide_infra.names import BASE_DIGEST_LABEL, BASE_NAME_LABEL, STAND_IN_LABEL, VERSION_LABEL
from carbide_infra.report.preview import Records, Step

_GOLANG = re.compile(r"(?:^|/)golang:(\d+\.\d+[\w.]*)")
_HEALTHCHECK = re.compile(r"^HEALTHCHECK\b[^\n]*(?:\\\n[^\n]*)*?\bCMD\s+(\[[^\n]*\])", re.MULTILINE)
# Follow from other reasons, which name the cause.
_DERIVED_LABELS = (VERSION_LABEL, BASE_NAME_LABEL, BASE_DIGEST_LABEL)
_BASES = ("BUILDER_IMAGE", "RUNTIME_IMAGE")
_DERIVED_KEYS = frozenset({"context", "contextHash", "tags", "dockerfile", "buildArgs", "platforms", "labels"})
_ANNOTATION = "annotation-index."
_SHORT = 12
# What a preview has in the place of a value that only the update learns.
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class Restart(IntEnum):
    """Whether a deployment that takes the image by digest restarts; the larger answer wins."""

    NO = 0
    IF_LINKED = 1
    UNKNOWN = 2
    EXPECTED = 3
    CERTAIN = 4


@dataclass(frozen=True)
class Reason:
    """One cause beside changed files.

    Attributes:
        kind: which cause, for programs.
        name: which module, label, build argument, Dockerfile or property, where the kind has several.
        before: its old value; None where there was none, or nobody knows it.
        after: its new value; likewise.
        restart: what it does to the deployment.
    """

    kind: str
    name: str
    before: str | None
    after: str | None
    restart: Restart


def reasons_of(records: Records, image: Step, deployed: Mapping[str, Any]) -> tuple[Reason, ...]:
    """Everything but files that differs between the two sides of an image's update."""
    before, after = image.before or {}, image.after or {}
    found = [
        *_build_arguments(before.get("buildArgs") or {}, after.get("buildArgs") or {}),
        *_modules((records.before or {}).get(record.MODULES), (records.after or {}).get(record.MODULES)),
        *_dockerfile(_written(records.before, before), _written(records.after, after), deployed),
        *_lists("platforms", before, after, Restart.CERTAIN),
        *_labels(before, after),
        *_annotations(before, after),
        *_addresses(before, after),
        *_configuration(image.keys, before, after),
    ]
    return tuple(found)


def modules_in(record: object) -> dict[str, str]:
    """The version of each module that a record's lines name, such as "golang.org/x/net@v0.48.0 h1:…"."""
    named = (line.partition(" ")[0].rpartition("@") for line in str(record or "").splitlines())
    return {module: version for module, _, version in named if module}


def is_unknown(value: str) -> bool:
    """Whether only the update will tell."""
    return _UNKNOWN in value


def _modules(before: object, after: object) -> Iterator[Reason]:
    """Those that the image links: its binary names each with its version, so its bytes change for certain."""
    if before is None or after is None:
        # A record of before there were modules in it says nothing of them.
        return
    old, new = modules_in(before), modules_in(after)
    for module in sorted(old.keys() | new.keys()):
        if old.get(module) != new.get(module):
            yield Reason("module", module, old.get(module), new.get(module), Restart.CERTAIN)


def go_version(reference: str) -> str | None:
    """The Go version that a builder image's name tells."""
    match = _GOLANG.search(reference)
    return match and match[1]


def shortened(reference: str) -> str:
    """An image reference whose digest a person can compare at a glance."""
    return re.sub(rf"sha256:([0-9a-f]{{{_SHORT}}})[0-9a-f]+", r"sha256:\1…", reference)


def _build_arguments(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Reason]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before == after or name == "BUILDKIT_MULTI_PLATFORM" or (after is None and name in _NOW_IN_THE_DOCKERFILE):
            continue
        if name == "BUILDER_IMAGE":
            yield from _builder_image(before or "", after or "")
        elif name == "RUNTIME_IMAGE":
            yield _base("runtimeImage", before or "", after or "", Restart.CERTAIN)
        elif name != "SOURCE_DATE_EPOCH":
            kind = _ARGUMENTS.get(name)
            yield Reason(kind or "buildArgument", "" if kind else name, before, after, Restart.CERTAIN)
        elif old.get("VERSION") == new.get("VERSION"):
            yield Reason("epoch", "", _time(before), _time(after), Restart.CERTAIN)


def _time(epoch: str | None) -> str | None:
    """Seconds since 1970 as a person reads them; 0 stands for a history that is not there."""
    if not epoch or not epoch.isdecimal() or not int(epoch):
        return None
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(int(epoch)))


# Images of before there was a catalogue have them.
_NOW_IN_THE_DOCKERFILE = frozenset({"PACKAGE", "PORT", "VERSION_SYMBOL", "BUILD_TIME_SYMBOL"})
_ARGUMENTS = {"VERSION": "version", "REVISION": "revision"}


def _builder_image(before: str, after: str) -> Iterator[Reason]:
    old, new = go_version(before), go_version(after)
    if old != new and old and new:
        yield Reason("goVersion", "", old, new, Restart.CERTAIN)
        (old_name, old_at, _), (new_name, new_at, _) = before.partition("@"), after.partition("@")
        # Another Go has another digest: that is no news.
        if not (old_name.endswith(f":{old}") and new_name.endswith(f":{new}") and old_at == new_at):
            yield _base("builderImage", before, after, Restart.CERTAIN)
    else:
        yield _base("builderImage", before, after, Restart.EXPECTED)


def _base(kind: str, before: str, after: str, restart: Restart) -> Reason:
    if is_unknown(after):
        return Reason(kind, "", shortened(before), None, Restart.UNKNOWN)
    return Reason(kind, "", shortened(before), shortened(after), restart)


@dataclass(frozen=True)
class _Dockerfile:
    """What is known of a Dockerfile: SHA-256, path, its text where no file of the project has it, and its template."""

    sha256: str | None
    location: str
    text: str
    template: str | None


def _written(recorded: Mapping[str, Any] | None, image: Mapping[str, Any]) -> _Dockerfile:
    """From the record; earlier versions told path and text with the image."""
    told, known = image.get("dockerfile") or {}, recorded or {}
    location = known.get(record.LOCATION, told.get("location"))
    text = known.get(record.TEXT, told.get("inline"))
    template = record.template_of(known) if record.DOCKERFILE in known else None
    return _Dockerfile(known.get(record.DOCKERFILE), str(location or ""), str(text or ""), template)


def _dockerfile(old: _Dockerfile, new: _Dockerfile, deployed: Mapping[str, Any]) -> Iterator[Reason]:
    was = json.dumps(deployed["health"]) if deployed.get("health") else _health(old.text)
    now = _health(new.text)
    has_health = now is not None and now != was
    if has_health:
        yield Reason("health", "", was, now, Restart.CERTAIN)
    if old.sha256 != new.sha256 and old.template and new.template and old.template != new.template:
        yield Reason("template", "", old.template, new.template, Restart.EXPECTED)
    elif not has_health and ((old.sha256 and new.sha256 and old.sha256 != new.sha256) or old.text != new.text):
        yield Reason("dockerfile", new.location.rpartition("/")[2] or "Dockerfile", None, None, Restart.EXPECTED)


def _health(dockerfile: str) -> str | None:
    match = _HEALTHCHECK.search(dockerfile)
    return match and match[1]


def _lists(key: str, before: Mapping[str, Any], after: Mapping[str, Any], restart: Restart) -> Iterator[Reason]:
    old, new = before.get(key) or [], after.get(key) or []
    if old != new:
        yield Reason(key, "", ", ".join(map(str, old)), ", ".join(map(str, new)), restart)


def _labels(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Reason]:
    old, new = (inputs.get("labels") or {} for inputs in (before, after))
    old_bases, new_bases = (
        [(inputs.get("buildArgs") or {}).get(name) for name in _BASES] for inputs in (before, after)
    )
    for name in sorted(old.keys() | new.keys()):
        derived = name in _DERIVED_LABELS
        if old.get(name) == new.get(name) or derived or (name == STAND_IN_LABEL and old_bases != new_bases):
            continue
        yield Reason("label", name, old.get(name), new.get(name), Restart.CERTAIN)


def _annotations(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Reason]:
    """Those of the index say what labels and version say, so only their coming and going has a reason of its own."""
    old, new = (_ANNOTATION in json.dumps(inputs.get("exports")) for inputs in (before, after))
    if before and old != new:
        yield Reason("annotations", "", None, None, Restart.CERTAIN)


def _exporter(inputs: Mapping[str, Any]) -> object:
    """How the image is pushed, without what is said of it."""
    exports = inputs.get("exports") or []
    return [re.sub(r',"annotation-index\.(?:[^"]|"")*"', "", str((each or {}).get("raw"))) for each in exports]


def _addresses(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Reason]:
    old, new = (_repository(inputs) for inputs in (before, after))
    if old != new and not is_unknown(json.dumps(after.get("tags"))):
        yield Reason("repository", "", old, new, Restart.CERTAIN)


def _repository(inputs: Mapping[str, Any]) -> str:
    return str(next(iter(inputs.get("tags") or []), "")).rpartition(":")[0]


def _configuration(keys: frozenset[str], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Reason]:
    """What Pulumi names and nothing above explains."""
    derived = _DERIVED_KEYS | ({"exports"} if _exporter(before) == _exporter(after) else frozenset())
    for key in sorted({re.split(r"[.\[]", key)[0] for key in keys} - derived):
        shown = _builder if key == "builder" else _shown
        old, new = shown(before.get(key)), shown(after.get(key))
        restart = Restart.NO if key in _BYTELESS else Restart.EXPECTED
        yield Reason("configuration", key, old, new, restart)


# They say where and how to build and push; the same inputs give the same digest.
_BYTELESS = frozenset(
    {"builder", "registries", "secrets", "cacheFrom", "cacheTo", "ignoreSecretsInDiffCalculation"}
    | {"buildOnPreview", "load", "noCache", "pull", "push"}
)


def _builder(value: object) -> str | None:
    name = value.get("name") if isinstance(value, dict) else None
    return str(name) if name else None


def _shown(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, list) and all(isinstance(entry, dict) and "address" in entry for entry in value):
        return ", ".join(f"{entry.get('username', '')}@{entry['address']}" for entry in value) or None
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
