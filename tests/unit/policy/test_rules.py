"""Each rule: what it lets pass, and what it says of what it does not."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi_policy import EnforcementLevel, ResourceValidationArgs, ResourceValidationPolicy

from carbide_infra.names import IMAGE_TYPE, INDEX_TYPE, RECORD_TYPE, STAND_IN_LABEL
from carbide_infra.policy.pack import policies
from carbide_infra.policy.rules import RULES, Rule, is_secret_name

OCI = "org.opencontainers.image"
DIGEST = f"sha256:{'0' * 64}"
IMAGE = {
    "tags": ["nvcr.io/team/x:1.4.0-0123456789ab"],
    "platforms": ["linux/amd64", "linux/arm64"],
    "labels": {
        f"{OCI}.version": "1.4.0",
        f"{OCI}.source": "https://github.com/team/x",
        f"{OCI}.base.name": "alpine:3",
        f"{OCI}.base.digest": DIGEST,
    },
    "buildArgs": {"BUILDER_IMAGE": f"golang:1.25@{DIGEST}", "VERSION": "1.4.0"},
    "exports": [{"raw": f'type=registry,oci-mediatypes=true,"annotation-index.{OCI}.title=A, and ""B"""'}],
}
RECORD = {"input": {"coarse": "", "image": {"sizeBudget": 30_000_000, "revision": "a" * 40}}}
INDEX = {"tag": "nvcr.io/team/x:latest"}
GOOD: Mapping[str, Mapping[str, Any]] = {IMAGE_TYPE: IMAGE, INDEX_TYPE: INDEX, RECORD_TYPE: RECORD}


def said(rule: str, properties: Mapping[str, Any]) -> list[str]:
    (found,) = (it for it in RULES if it.name == rule)
    return list(found.check(properties, {key: schema["default"] for key, schema in found.schema.items()}))


def image(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - what the engine hands over
    return {**IMAGE, **changes}


def labelled(**changes: str | None) -> dict[str, Any]:
    labels = {**cast("dict[str, str]", IMAGE["labels"]), **{f"{OCI}.{key}": text for key, text in changes.items()}}
    return image(labels={name: text for name, text in labels.items() if text is not None})


def recorded(coarse: str = "", **described: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"input": {"coarse": coarse, "image": {"sizeBudget": 1, "revision": "a", **described}}}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_complies_passes(rule: Rule) -> None:
    for resource in rule.resources:
        assert said(rule.name, GOOD[resource]) == []


BAD: list[tuple[str, Mapping[str, Any], str]] = [
    ("listed-registry", image(tags=["evil.example/x:1-0123456789ab"]), "goes to evil.example; push to nvcr.io, or"),
    ("listed-registry", {"tag": "evil.example/x:latest"}, "goes to evil.example; push to nvcr.io, or"),
    ("all-platforms", image(platforms=["linux/amd64"]), "is not built for linux/arm64; add it to"),
    ("immutable-tag", image(tags=["nvcr.io/team/x:latest"]), "has no tag <version>-<build key>; let"),
    ("no-stand-in", image(labels={STAND_IN_LABEL: "alpine"}), "is built on a stand-in for alpine; build it"),
    ("no-secret", image(buildArgs={"NPM_TOKEN": "x"}), "has the build argument NPM_TOKEN, which looks like a secret"),
    ("no-secret", image(labels={"a": "nvapi-" + "x" * 40}), "has the label a, which looks like a secret and"),
    ("required-labels", labelled(source=None), f"has no label {OCI}.source; set it"),
    ("required-labels", image(exports=[]), f"has no label {OCI}.title; set it"),
    ("pinned-bases", image(buildArgs={"BUILDER_IMAGE": "golang:1.25"}), "has the builder golang:1.25 without its"),
    ("pinned-bases", labelled(**{"base.digest": None}), "has the base alpine:3 without its digest; make pin-bases"),
    ("size-budget", recorded(sizeBudget=None), "has no size budget; set sizeBudget"),
    ("size-budget", recorded(sizeBudget=200_000_000), "may have 200 MB; lower its sizeBudget to 100 MB, or raise"),
    ("committed-tree", recorded(revision=None), "is not made of exactly what a commit holds; commit"),
    ("exact-inputs", recorded("no Go"), "is made of more than its service needs (no Go); install Go"),
]


@pytest.mark.parametrize(("rule", "properties", "sentence"), BAD, ids=lambda it: it if isinstance(it, str) else "")
def test_what_does_not_comply_is_told_how_to(rule: str, properties: Mapping[str, Any], sentence: str) -> None:
    (found,) = said(rule, properties)
    assert found.startswith(sentence)
    assert "; " in found
    assert "\n" not in found


def test_every_rule_has_a_test_that_it_fails() -> None:
    assert {rule for rule, _, _ in BAD} == {rule.name for rule in RULES}


def test_a_secrets_value_is_not_repeated() -> None:
    value = "https://me:s3cr3t@proxy.example"
    (found,) = said("no-secret", image(buildArgs={"PROXY": value}))
    assert "s3cr3t" not in found


@pytest.mark.parametrize(
    "name", ["NPM_TOKEN", "githubToken", "DB_PASSWORD", "API_KEY", "private-key", "netrc", "apikey"]
)
def test_a_secrets_name(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["VERSION", "SOURCE_DATE_EPOCH", f"{OCI}.authors", "KEY", "tokenizer", "CACHE_KEY", "BUILDKIT_MULTI_PLATFORM"],
)
def test_what_is_no_secrets_name(name: str) -> None:
    assert not is_secret_name(name)


@given(st.text(max_size=30))
def test_any_name_is_read(name: str) -> None:
    assert is_secret_name(name) in {True, False}


# ---- As the engine asks.


def _noted(found: list[str], message: str, _: str | None = None) -> None:
    found.append(message)


def violations(folder: Path, stack: str, resource: str, properties: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The level and the sentence of each violation."""
    for policy in policies(folder):
        assert isinstance(policy, ResourceValidationPolicy)
        found: list[str] = []
        args = SimpleNamespace(
            resource_type=resource,
            urn=f"urn:pulumi:{stack}::carbide-infra::{resource}::x",
            name="x",
            props=properties,
            get_config=lambda: None,
        )
        policy.validate(cast("ResourceValidationArgs", args), partial(_noted, found))
        assert policy.enforcement_level
        yield from ((policy.enforcement_level.value, sentence) for sentence in found)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: carbide-infra\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  carbide-infra:registryServer: local\n")
    (tmp_path / "Pulumi.prod.yaml").write_text("config:\n  carbide-infra:registryServer: nvcr.io\n")
    return tmp_path


@pytest.mark.parametrize(
    ("stack", "level"),
    [("dev", EnforcementLevel.ADVISORY), ("prod", EnforcementLevel.MANDATORY), ("other", EnforcementLevel.MANDATORY)],
)
def test_rules_bind_every_stack_but_advise_development(project: Path, stack: str, level: EnforcementLevel) -> None:
    found = list(violations(project, stack, IMAGE_TYPE, image(platforms=["linux/amd64"])))
    assert [of for of, _ in found] == [level.value]
    assert found[0][1].startswith("x is not built for linux/arm64; ")
    assert found[0][1].endswith(".")


def test_development_may_go_to_the_local_registry_and_build_dirty_trees(project: Path) -> None:
    local = image(tags=["vm:5443/x:1-0123456789ab"], labels={**IMAGE["labels"], STAND_IN_LABEL: "alpine"})  # type: ignore[dict-item]
    assert list(violations(project, "dev", IMAGE_TYPE, local)) == []
    assert list(violations(project, "dev", RECORD_TYPE, recorded(revision=None))) == []
    assert len(list(violations(project, "prod", IMAGE_TYPE, local))) == 2


@pytest.mark.parametrize(
    ("stack", "allowed", "refused"), [("prod", "true", 1), ("prod", "false", 0), ("dev", "true", 0)]
)
def test_coarse_inputs_are_refused_where_an_update_would_push_them(
    project: Path, stack: str, allowed: str, refused: int
) -> None:
    """Elsewhere the program refuses the update, and a preview may be made where modules cannot be had."""
    file = project / f"Pulumi.{stack}.yaml"
    file.write_text(f"{file.read_text()}  carbide-infra:allowCoarseInputs: {allowed}\n")
    found = list(violations(project, stack, RECORD_TYPE, recorded("no Go")))
    assert [level for level, _ in found] == ["mandatory"] * refused


def test_other_resources_are_nobodys_business(project: Path) -> None:
    assert list(violations(project, "prod", "random:index:RandomId", {"tags": ["evil.example/x"]})) == []
    assert list(violations(project, "prod", RECORD_TYPE, {"input": "of another program"})) == []
