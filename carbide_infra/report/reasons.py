"""Reasons: what differs between an image's old and new inputs, in the terms of those who changed it."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from carbide_infra.names import BASE_DIGEST_LABEL, BASE_NAME_LABEL, STAND_IN_LABEL, VERSION_LABEL
from carbide_infra.report.preview import Step

_GOLANG = re.compile(r"(?:^|/)golang:(\d+\.\d+[\w.]*)")
_HEALTHCHECK = re.compile(r"^HEALTHCHECK\b[^\n]*(?:\\\n[^\n]*)*?\bCMD\s+(\[[^\n]*\])", re.MULTILINE)
# Follow from other reasons, which name the cause.
_DERIVED_LABELS = (VERSION_LABEL, BASE_NAME_LABEL, BASE_DIGEST_LABEL)
_BASES = ("BUILDER_IMAGE", "RUNTIME_IMAGE")
_DERIVED_KEYS = frozenset({"context", "contextHash", "tags", "dockerfile", "buildArgs", "platforms", "labels"})
_SHORT = 12


class Restart(IntEnum):
    """Whether a deployment that takes the image by digest restarts; the larger answer wins."""

    NO = 0
    IF_LINKED = 1
    EXPECTED = 2
    CERTAIN = 3


@dataclass(frozen=True)
class Reason:
    """One cause beside changed files.

    Attributes:
        kind: which cause, for programs.
        subject: what it is, for people.
        before: its old value; None where there was none, or none worth showing.
        after: its new value; likewise.
        restart: what it does to the deployment.
    """

    kind: str
    subject: str
    before: str | None
    after: str | None
    restart: Restart


def reasons_of(component: Step | None, image: Step, deployed: Mapping[str, Any]) -> tuple[Reason, ...]:
    """Everything but files that differs between the two sides of an image's update."""
    before, after = image.before or {}, image.after or {}
    old, new = ((component and side) or {} for side in (component and component.before, component and component.after))
    found = [
        *_build_arguments(before.get("buildArgs") or {}, after.get("buildArgs") or {}),
        *_dockerfile(old.get("dockerfile"), new.get("dockerfile"), before, after, deployed),
        *_lists("platforms", before, after, Restart.CERTAIN),
        *_labels(before, after),
        *_addresses(before, after),
        *_configuration(image.keys, before, after),
    ]
    return tuple(found)


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
        if before == after:
            continue
        if name == "BUILDER_IMAGE":
            yield from _builder_image(before or "", after or "")
        elif name == "RUNTIME_IMAGE":
            yield _base("runtimeImage", "base image", before or "", after or "", Restart.CERTAIN)
        elif name != "SOURCE_DATE_EPOCH":
            yield Reason(*_ARGUMENTS.get(name, ("buildArgument", f"build argument {name}")), before, after, _SURE)
        elif old.get("VERSION") == new.get("VERSION"):
            yield Reason("epoch", "build time, which is when VERSION last changed,", _time(before), _time(after), _SURE)


def _time(epoch: str | None) -> str:
    """Seconds since 1970 as a person reads them; 0 stands for a history that is not there."""
    if not epoch or not epoch.isdecimal() or not int(epoch):
        return "unknown"
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(int(epoch)))


_SURE = Restart.CERTAIN
_ARGUMENTS = {
    "VERSION": ("version", "version"),
    "PACKAGE": ("package", "Go package"),
    "PORT": ("port", "port"),
}


def _builder_image(before: str, after: str) -> Iterator[Reason]:
    old, new = go_version(before), go_version(after)
    if old != new and old and new:
        yield Reason("goVersion", "Go version", old, new, Restart.CERTAIN)
        if not (before.endswith(f":{old}") and after.endswith(f":{new}")):
            yield _base("builderImage", "builder image", before, after, Restart.CERTAIN)
    else:
        yield _base("builderImage", "builder image", before, after, Restart.EXPECTED)


def _base(kind: str, subject: str, before: str, after: str, restart: Restart) -> Reason:
    return Reason(kind, subject, shortened(before), shortened(after), restart)


def _dockerfile(
    old_sha: str | None,
    new_sha: str | None,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    deployed: Mapping[str, Any],
) -> Iterator[Reason]:
    old, new = (_inline(inputs) for inputs in (before, after))
    old_health, new_health = (_health(text) for text in (old, new))
    if old_health != new_health:
        was = json.dumps(deployed["health"]) if deployed.get("health") else old_health
        yield Reason("health", "health command", was, new_health or "the Dockerfile's own", Restart.CERTAIN)
    elif (old_sha and new_sha and old_sha != new_sha) or old != new:
        name = str((after.get("dockerfile") or {}).get("location") or "").rpartition("/")[2]
        yield Reason("dockerfile", name or "Dockerfile", None, None, Restart.EXPECTED)


def _inline(inputs: Mapping[str, Any]) -> str:
    return str((inputs.get("dockerfile") or {}).get("inline") or "")


def _health(dockerfile: str) -> str | None:
    match = _HEALTHCHECK.search(dockerfile)
    return match and match[1]


def _lists(key: str, before: Mapping[str, Any], after: Mapping[str, Any], restart: Restart) -> Iterator[Reason]:
    old, new = before.get(key) or [], after.get(key) or []
    if old != new:
        yield Reason(key, key, ", ".join(map(str, old)), ", ".join(map(str, new)), restart)


def _labels(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Reason]:
    old, new = (inputs.get("labels") or {} for inputs in (before, after))
    old_bases, new_bases = (
        [(inputs.get("buildArgs") or {}).get(name) for name in _BASES] for inputs in (before, after)
    )
    for name in sorted(old.keys() | new.keys()):
        derived = name in _DERIVED_LABELS
        if old.get(name) == new.get(name) or derived or (name == STAND_IN_LABEL and old_bases != new_bases):
            continue
        yield Reason("label", f"label {name}", old.get(name), new.get(name), Restart.CERTAIN)


def _addresses(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Reason]:
    old, new = (_repository(inputs) for inputs in (before, after))
    if old != new:
        yield Reason("repository", "repository", old, new, Restart.CERTAIN)


def _repository(inputs: Mapping[str, Any]) -> str:
    return str(next(iter(inputs.get("tags") or []), "")).rpartition(":")[0]


def _configuration(keys: frozenset[str], before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Reason]:
    """What Pulumi names and nothing above explains."""
    for key in sorted({re.split(r"[.\[]", key)[0] for key in keys} - _DERIVED_KEYS):
        shown = _builder if key == "builder" else _shown
        old, new = shown(before.get(key)), shown(after.get(key))
        restart = Restart.NO if key in _BYTELESS else Restart.EXPECTED
        yield Reason("configuration", _CONFIGURATION.get(key, key), old, new, restart)


# They say where and how to build and push; the same inputs give the same digest.
_BYTELESS = frozenset(
    {"builder", "registries", "secrets", "cacheFrom", "cacheTo", "ignoreSecretsInDiffCalculation"}
    | {"buildOnPreview", "load", "noCache", "pull", "push"}
)
_CONFIGURATION = {"builder": "builder", "registries": "registry login", "secrets": "build secrets"}


def _builder(value: object) -> str:
    name = value.get("name") if isinstance(value, dict) else None
    return str(name or "the current one")


def _shown(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, list) and all(isinstance(entry, dict) and "address" in entry for entry in value):
        return ", ".join(f"{entry.get('username', '')}@{entry['address']}" for entry in value) or "none"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
