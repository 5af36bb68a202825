"""The rules: from what the engine is told of an image to sentences that say what is wrong and how to comply."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from carbide_infra.names import (
    BASE_DIGEST_LABEL,
    BASE_NAME_LABEL,
    IMAGE_TYPE,
    INDEX_TYPE,
    RECORD_TYPE,
    SOURCE_LABEL,
    STAND_IN_LABEL,
    TITLE_LABEL,
    VERSION_LABEL,
)
from carbide_infra.stack.policy_pack import CONFIG, allows_coarse_inputs, is_production

Properties = Mapping[str, Any]
Check = Callable[[Properties, Mapping[str, Any]], Iterator[str]]

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_OWN_TAG = re.compile(r".+-[0-9a-f]{12}")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    {"apikey", "credential", "credentials", "netrc", "passphrase", "passwd", "password", "secret", "secrets", "token"}
)
_SECRET_PAIRS = frozenset({("access", "key"), ("api", "key"), ("private", "key"), ("signing", "key")})
# As services issue them, and a login within an address.
_SECRET_TEXT = re.compile(
    r"nvapi-[\w-]{20}|gh[pousr]_\w{20}|github_pat_\w{20}|glpat-[\w-]{20}|xox[abprs]-[\w-]{10}|AKIA[0-9A-Z]{16}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[\w-]{10,}\.eyJ|://[^/\s:@]+:[^/\s@]+@|\bmachine\s+\S+\s+login\s"
)
_ANNOTATION = "annotation-index."
_NO_BASE = frozenset({"", "scratch"})


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: as Pulumi shows it, and as its policy configuration names it.
        description: what holds for an image that complies.
        resources: types of the resources that tell.
        check: gives a sentence for each violation, from the resource's inputs and the rule's configuration.
        schema: JSON Schemas of the configuration, each with its default.
        is_advice_too: whether it advises the stacks that it does not bind. Development is there for local registries
            and dirty trees, and of coarse inputs the program itself warns.
        binds: whether it is mandatory for a stack, from its project's folder and its name.
    """

    name: str
    description: str
    resources: tuple[str, ...]
    check: Check
    schema: Mapping[str, Any] = field(default_factory=dict)
    is_advice_too: bool = True
    binds: Callable[[Path, str], bool] = is_production


def server_of(properties: Properties) -> str | None:
    """The registry that an image or a tag goes to; None for another resource."""
    references = [properties["tag"]] if properties.get("tag") else list(properties.get("tags") or ())
    return str(references[0]).partition("/")[0] if references else None


def _listed_registry(properties: Properties, config: Mapping[str, Any]) -> Iterator[str]:
    servers, server = config["registries"], server_of(properties)
    if server is not None and server not in servers:
        listed = ", ".join(servers)
        yield f"goes to {server}; push to {listed}, or list the registry in {CONFIG}"


def _all_platforms(properties: Properties, config: Mapping[str, Any]) -> Iterator[str]:
    missing = [name for name in config["platforms"] if name not in (properties.get("platforms") or ())]
    if missing:
        yield f"is not built for {', '.join(missing)}; add it to the stack's platforms, or to the catalogue's"


def _immutable_tag(properties: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    tags = [str(reference).rpartition(":")[2] for reference in properties.get("tags") or ()]
    if not any(map(_OWN_TAG.fullmatch, tags)):
        yield "has no tag <version>-<build key>; let ServiceImage make it, which names each build so"


def _no_stand_in(properties: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    name = _labels(properties).get(STAND_IN_LABEL)
    if name:
        yield f"is built on a stand-in for {name}; build it where the real image can be pulled, or pin its digest"


def _no_secret(properties: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong is named, and never its value."""
    for kind, key in (("build argument", "buildArgs"), ("label", "labels")):
        for name, text in (properties.get(key) or {}).items():
            if text and (is_secret_name(str(name)) or _SECRET_TEXT.search(str(text))):
                yield (
                    f"has the {kind} {name}, which looks like a secret and which everybody can read in the image; "
                    "give it to the build as a secret: gitcreds, or a secret mount"
                )


def is_secret_name(name: str) -> bool:
    """Whether a build argument or label of this name is there for a secret."""
    words = [word.lower() for word in _WORD.findall(name)]
    return not _SECRET_WORDS.isdisjoint(words) or not _SECRET_PAIRS.isdisjoint(pairwise(words))


def _required_labels(properties: Properties, config: Mapping[str, Any]) -> Iterator[str]:
    # The index has every label as an annotation, those of the Dockerfile among them.
    found = dict(_annotations(properties)) | {name: text for name, text in _labels(properties).items() if text}
    missing = [name for name in config["labels"] if not found.get(name)]
    if missing:
        yield f"has no label {', '.join(missing)}; set it in the catalogue's labels, or sourceUrl in the stack"


def _pinned_bases(properties: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    labels, arguments = _labels(properties), properties.get("buildArgs") or {}
    bases = {"builder": str(arguments.get("BUILDER_IMAGE") or "")}
    bases["base"] = "@".join(filter(None, (labels.get(BASE_NAME_LABEL), labels.get(BASE_DIGEST_LABEL))))
    for kind, reference in bases.items():
        if reference not in _NO_BASE and not _DIGEST.search(reference):
            yield f"has the {kind} {reference} without its digest; make pin-bases writes the digest into the stack"


def _labels(properties: Properties) -> Mapping[str, Any]:
    return properties.get("labels") or {}


def _annotations(properties: Properties) -> Iterator[tuple[str, str]]:
    """Those of the index, from the line of CSV that BuildKit's exporter gets."""
    for export in properties.get("exports") or ():
        for entry in next(csv.reader([str(export.get("raw") or "")]), []):
            name, _, text = entry.removeprefix(_ANNOTATION).partition("=")
            if entry.startswith(_ANNOTATION):
                yield name, text


def _size_budget(properties: Properties, config: Mapping[str, Any]) -> Iterator[str]:
    record = _record(properties)
    if not record:
        return
    budget, most = _described(record).get("sizeBudget"), config["most"]
    if not budget:
        yield "has no size budget; set sizeBudget in the catalogue"
    elif budget > most:
        yield f"may have {budget / 1e6:.0f} MB; lower its sizeBudget to {most / 1e6:.0f} MB, or raise most in {CONFIG}"


def _committed_tree(properties: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    record = _record(properties)
    if record and not _described(record).get("revision"):
        yield "is not made of exactly what a commit holds; commit the tree, and clone it with its history"


def _exact_inputs(properties: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    coarse = _record(properties).get("coarse")
    if coarse:
        yield f"is made of more than its service needs ({coarse}); install Go, with access to the modules"


def _pushes_coarse(project: Path, stack: str) -> bool:
    """Whether nobody else refuses them. A preview may be made where modules cannot be had, as for a fork."""
    return is_production(project, stack) and allows_coarse_inputs(project, stack)


def _record(properties: Properties) -> Mapping[str, Any]:
    """The record of an image; empty where the resource keeps something else."""
    kept = properties.get("input")
    return kept if isinstance(kept, Mapping) and "image" in kept else {}


def _described(record: Mapping[str, Any]) -> Mapping[str, Any]:
    described = record.get("image")
    return described if isinstance(described, Mapping) else {}


def _list(default: Sequence[str]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "default": list(default)}


RULES = (
    Rule(
        "listed-registry",
        "Images and tags go to a registry of the list.",
        (IMAGE_TYPE, INDEX_TYPE),
        _listed_registry,
        {"registries": _list(["nvcr.io"])},
        is_advice_too=False,
    ),
    Rule(
        "all-platforms",
        "Images are built for all platforms.",
        (IMAGE_TYPE,),
        _all_platforms,
        {"platforms": _list(["linux/amd64", "linux/arm64"])},
    ),
    Rule("immutable-tag", "Each build has a tag of its own.", (IMAGE_TYPE,), _immutable_tag),
    Rule("no-stand-in", "No image is built on a stand-in.", (IMAGE_TYPE,), _no_stand_in, is_advice_too=False),
    Rule("no-secret", "No build argument and no label is a secret.", (IMAGE_TYPE,), _no_secret),
    Rule(
        "required-labels",
        "Images say what they are.",
        (IMAGE_TYPE,),
        _required_labels,
        {"labels": _list([TITLE_LABEL, VERSION_LABEL, SOURCE_LABEL])},
    ),
    Rule("pinned-bases", "Base images are pinned by digest.", (IMAGE_TYPE,), _pinned_bases),
    Rule(
        "size-budget",
        "Each image has a size budget.",
        (RECORD_TYPE,),
        _size_budget,
        {"most": {"type": "integer", "default": 100_000_000}},
    ),
    Rule("committed-tree", "Images are made of committed trees.", (RECORD_TYPE,), _committed_tree, is_advice_too=False),
    Rule(
        "exact-inputs",
        "Images are made of exactly their inputs.",
        (RECORD_TYPE,),
        _exact_inputs,
        is_advice_too=False,
        binds=_pushes_coarse,
    ),
)
"""All rules that the engine can see. It tells no policy of `retain_on_delete`: the program sees to that itself."""
