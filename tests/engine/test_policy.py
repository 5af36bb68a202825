"""The policy pack in the real engine: what each rule says of a program that breaks it, and of this one."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from carbide_infra.policy.rules import RULES
from tests.engine.clones import apart
from tests.engine.conftest import Deployed
from tests.engine.previews import Stack

pytestmark = pytest.mark.apart

# Breaks every rule; nothing of it is ever built.
PROGRAM = """
import pulumi
import pulumi_docker_build as docker_build

docker_build.Image(
    "broken",
    tags=["evil.example/team/broken:latest"],
    platforms=[docker_build.Platform.LINUX_AMD64],
    labels={"com.nvidia.carbide.stand-in-base": "alpine", "org.opencontainers.image.base.name": "alpine:3"},
    build_args={"BUILDER_IMAGE": "golang:1.25", "API_KEY": "x"},
    context=docker_build.BuildContextArgs(location="."),
    dockerfile=docker_build.DockerfileArgs(inline="FROM scratch"),
    push=False,
    build_on_preview=False,
)
docker_build.Index("broken-latest", tag="evil.example/team/broken:latest", sources=["evil.example/x"], push=True)
pulumi.Stash("broken", input={"coarse": "no Go", "image": {"runtimeImage": "alpine"}})
"""
SENTENCES = (
    "broken goes to evil.example; push to nvcr.io, or list the registry in policy/config.json.",
    "broken-latest goes to evil.example; push to nvcr.io, or list the registry in policy/config.json.",
    "broken is not built for linux/arm64; add it to the stack's platforms, or to the catalogue's.",
    "broken has no tag <version>-<build key>; let ServiceImage make it, which names each build so.",
    "broken is built on a stand-in for alpine; build it where the real image can be pulled, or pin its digest.",
    (
        "broken has the build argument API_KEY, which looks like a secret and which everybody can read in the image; "
        "give it to the build as a secret: gitcreds, or a secret mount."
    ),
    (
        "broken has no label org.opencontainers.image.title, org.opencontainers.image.version, "
        "org.opencontainers.image.source; set it in the catalogue's labels, or sourceUrl in the stack."
    ),
    "broken has the builder golang:1.25 without its digest; make pin-bases writes the digest into the stack.",
    "broken has the base alpine:3 without its digest; make pin-bases writes the digest into the stack.",
    "broken has no size budget; set sizeBudget in the catalogue.",
    "broken is not made of exactly what a commit holds; commit the tree, and clone it with its history.",
    "broken is made of more than its service needs (no Go); install Go, with access to the modules.",
)
# As in a program that somebody adds an image to.
UNRETAINED = """
import pulumi_docker_build as docker_build

docker_build.Index("mine", tag="registry.example/x:latest", sources=["registry.example/x"], push=True)
"""
UNCOMMITTED = (
    "carbide-rest-ipam is not made of exactly what a commit holds; commit the tree, and clone it with its history."
)
LEVELS = {"mandatory": 1, "advisory": 0}


@dataclass(frozen=True)
class Checked:
    """A preview with the pack: how it ended, what it showed, and each violation's level by its sentence."""

    code: int
    output: str
    violations: Mapping[str, str]
    rules: frozenset[str]


def checked(stack: Stack, folder: Path, pack: str, *selected: str) -> Checked:
    log = folder / "events.json"
    done = subprocess.run(
        ["pulumi", "preview", "--policy-pack", pack, "--event-log", str(log), *selected, "--non-interactive"],
        cwd=folder,
        env={**stack.environment, "PULUMI_DEBUG_COMMANDS": "true"},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    told = [event["policyEvent"] for event in map(json.loads, log.read_text().splitlines()) if "policyEvent" in event]
    found = {event["message"].strip().splitlines()[-1]: event["enforcementLevel"] for event in told}
    return Checked(done.returncode, done.stdout + done.stderr, found, frozenset(event["policyName"] for event in told))


@pytest.fixture(scope="module")
def clone(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return apart(deployed, tmp_path_factory.mktemp("policy"))


@pytest.fixture
def broken(clone: Stack, tmp_path: Path) -> Stack:
    """A project beside it that breaks every rule."""
    (tmp_path / "Pulumi.yaml").write_text("name: carbide-infra\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    return clone.at(tmp_path).given(PULUMI_CONFIG_PASSPHRASE="of the tests")  # noqa: S106


@pytest.mark.parametrize("level", LEVELS)
def test_every_rule_is_told_to_who_breaks_it(broken: Stack, clone: Stack, level: str) -> None:
    key = {"advisory": "registryServer: local", "mandatory": "allowCoarseInputs: true"}[level]
    (broken.root / f"Pulumi.{level}.yaml").write_text(f"config:\n  carbide-infra:{key}\n")
    broken.pulumi("stack", "init", "--no-select", level)
    found = checked(broken, broken.root, str(clone.root / "policy/run"), "--stack", level)
    binding = [rule for rule in RULES if level == "mandatory" or rule.is_advice_too]
    suffix = "" if level == "mandatory" else "-advice"
    assert found.rules == {f"{rule.name}{suffix}" for rule in binding}, found.output
    assert set(found.violations.values()) == {level}
    assert found.violations.keys() <= set(SENTENCES)
    assert level == "advisory" or found.violations.keys() == set(SENTENCES)
    assert (found.code != 0) == bool(LEVELS[level]), found.output


def test_production_as_it_is_configured_passes_every_rule(clone: Stack, deployed: Deployed) -> None:
    image = deployed.images["carbide-rest-ipam"]
    bases = {"builderImage": image["builderImage"], "runtimeImage": image["runtimeImage"]}
    stack = clone.configured(registryServer="nvcr.io", registryRepository="team", **bases).named("strict")
    stack.pulumi("stack", "init", "--no-select", stack.name)
    found = checked(stack, stack.root, "policy/run", *stack._selected())
    assert (found.code, found.violations) == (0, {}), found.output
    assert "✅ carbide-infra" in found.output
    # The same tree, changed by hand.
    (stack.root / "examples/carbide-rest-api/ipam/cmd/server/more.go").write_text("package main\n")
    dirty = checked(stack, stack.root, "policy/run", *stack._selected())
    assert dirty.violations == {UNCOMMITTED: "mandatory"}
    assert dirty.code != 0


def test_the_program_refuses_what_the_registry_would_lose(clone: Stack) -> None:
    program = clone.root / "__main__.py"
    original = program.read_text()
    program.write_text(original + UNRETAINED)
    preview = json.loads(clone.preview_json())
    program.write_text(original)
    (said,) = (entry["message"] for entry in preview["diagnostics"] if "mine" in entry["message"])
    assert "mine: its manifest would be deleted from the registry with the resource" in said
    assert "set retain_on_delete=True" in said
