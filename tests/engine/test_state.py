"""State and outputs say what is: through updates of a part, beside other runs, and after states of earlier versions."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.clones import apart
from tests.engine.conftest import Checkout, Deployed
from tests.engine.previews import IMAGE, Preview, PulumiFailed, Stack, digests

pytestmark = pytest.mark.apart
IPAM, DB = "carbide-rest-ipam", "carbide-rest-db"
MAIN = "ipam/cmd/server/main.go"
RECORD = "pulumi:index:Stash"
EARLIER = Path(__file__).parent / "states/contexts_by_stack.json"
# Where nothing listens: the builder is found by its name.
ELSEWHERE = "tcp://127.0.0.1:9"


@pytest.fixture(scope="module")
def made(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A stack of two images in a clone of its own."""
    stack = apart(deployed, tmp_path_factory.mktemp("state"))
    stack = stack.configured(registryRepository="state", services=[IPAM, DB]).named("state")
    stack.pulumi("stack", "init", "--no-select", stack.name)
    # For the commands of carbide-infra, which take no other; out of git's sight, or no tree would be a commit.
    (stack.root / ".git/info/exclude").write_text(f"Pulumi.{stack.name}.yaml\n")
    shutil.copy(stack._selected()[-1], stack.root / f"Pulumi.{stack.name}.yaml")
    stack.up()
    return stack


@pytest.fixture
def stack(made: Stack, deployed: Deployed) -> Iterator[Stack]:
    """That stack, to be updated at will; it is put back: the tree, the state, and where tags point."""
    tree = checkout_of(made)
    start, images = tree.git("rev-parse", "HEAD"), made.images()
    state = {file: file.read_bytes() for file in made.root.glob(f".local/state/.pulumi/stacks/*/{made.name}.json*")}
    assert state
    yield made
    tree.git("reset", "--quiet", "--hard", start)
    tree.git("clean", "--quiet", "--force", "-d")
    for file, content in state.items():
        file.write_bytes(content)
    for name, image in images.items():
        repository = replace(deployed.repository(name), name=image["repository"].partition("/")[2])
        for tag in image["tags"]:
            repository.put(tag, repository.manifest(image["digest"]))


def checkout_of(stack: Stack) -> Checkout:
    return Checkout(stack.root, stack.environment)


def write(stack: Stack, name: str, text: str) -> None:
    (checkout_of(stack).source / name).write_text(text)


def commit(stack: Stack) -> None:
    tree = checkout_of(stack)
    tree.git("add", "--all")
    tree.git("commit", "--quiet", "--message", "A change")


def verify(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["carbide-infra", "verify", "--stack", stack.name, *arguments]
    return subprocess.run(command, cwd=stack.root, env=stack.environment, capture_output=True, text=True, check=False)


def assert_verified(stack: Stack, *arguments: str) -> None:
    done = verify(stack, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all agree" in done.stdout


# ---- Updates of a part.


def test_an_update_of_one_image_leaves_the_outputs_of_the_others(stack: Stack) -> None:
    before = stack.images()
    write(stack, "VERSION", "1.5.0\n")
    commit(stack)
    after = stack.up("--target", f"**::{IPAM}", "--target", f"**::{IPAM}-*")
    assert after[DB] == before[DB]
    assert (after[IPAM]["version"], after[IPAM]["tags"][1]) == ("1.5.0", "1.5.0")
    assert_verified(stack)


def test_an_update_that_leaves_an_image_out_leaves_its_outputs(stack: Stack) -> None:
    before = stack.images()
    write(stack, "VERSION", "1.5.0\n")
    commit(stack)
    after = stack.up("--exclude", f"**::{DB}", "--exclude", f"**::{DB}-*")
    assert after[DB] == before[DB]
    assert after[IPAM]["version"] == "1.5.0"
    assert_verified(stack)


def test_an_image_whose_tags_and_record_were_left_out_has_its_own_tag_alone(stack: Stack) -> None:
    write(stack, "VERSION", "1.5.0\n")
    commit(stack)
    image = f"urn:pulumi:{stack.name}::carbide-infra::carbide:image:ServiceImage${IMAGE}::{IPAM}"
    (own,) = stack.up("--target", image)[IPAM]["tags"]
    assert own.startswith("1.5.0-")
    assert_verified(stack)
    # Nobody has told what it was built from.
    assert "the state has no record" in verify(stack, "--rebuild", "--image", IPAM).stderr


def test_a_failed_image_keeps_outputs_and_record(stack: Stack) -> None:
    before, records = stack.images(), records_of(stack)
    write(stack, MAIN, (checkout_of(stack).source / MAIN).read_text() + "\nfunc broken() { return undefined }\n")
    write(stack, "db/pkg/schema/sql/0009_more.sql", "select 1;\n")
    with pytest.raises(PulumiFailed) as failed:
        stack.up()
    # Plain Pulumi's diagnostic of the image has the compiler's words.
    assert re.search(rf"Image \({IPAM}\):\n[^:]*error: # \S+\n\s*{MAIN}:\d+:\d+: undefined", str(failed.value))
    after = stack.images()
    assert after[IPAM] == before[IPAM]
    assert after[DB]["digest"] != before[DB]["digest"]
    assert records_of(stack)[IPAM] == records[IPAM]
    assert_verified(stack)


def records_of(stack: Stack) -> dict[str, Any]:
    found = [item for item in stack.resources() if item["type"] == RECORD]
    return {item["urn"].rpartition("::")[2]: item["inputs"]["input"] for item in found}


@pytest.mark.parametrize("platforms", [["linux/amd64"], ["linux/amd64", "linux/arm64"]])
def test_image_and_aliases_have_one_digest_whatever_the_number_of_platforms(stack: Stack, platforms: list[str]) -> None:
    stack = stack.configured(platforms=platforms)
    images = stack.up()
    assert all(len(image["tags"]) == 3 for image in images.values())
    assert_verified(stack)
    stack.pulumi("refresh", "--yes", "--skip-preview", *stack._selected())
    assert all_steps(stack) == {"same"}


# ---- Beside other runs.


def test_what_is_built_is_what_the_key_names_whatever_runs_beside_it(stack: Stack) -> None:
    """Edits and previews all through an update, which `verify --rebuild` then finds to hold the first content."""
    file = checkout_of(stack).source / MAIN
    original = file.read_text()
    first = original + "\nvar first = 1\n"
    file.write_text(first)
    own_tag = stack.preview().own_tags[IPAM]
    command = ["pulumi", "up", "--yes", "--skip-preview", *stack._selected(), "--non-interactive"]
    with subprocess.Popen(command, cwd=stack.root, env=stack.environment, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout
        next(line for line in up.stdout if f"{IMAGE} {IPAM}" in line)  # so the program has read the tree
        for number in range(3):
            file.write_text(original + f"\nvar other = {number}\n")
            assert stack.preview().own_tags[IPAM] != own_tag
        up.communicate()
    assert up.returncode == 0
    file.write_text(first)
    assert not stack.preview().images
    assert_verified(stack, "--rebuild", "--image", IPAM)


def test_a_dockerignore_that_is_embedded_acts_on_nothing(stack: Stack) -> None:
    source = checkout_of(stack).source
    module = next(line.split()[1] for line in (source / "go.mod").read_text().splitlines() if line.startswith("module"))
    write(stack, ".dockerignore", "ipam\n**/*.go\n")
    write(stack, "embedded.go", 'package rest\n\nimport _ "embed"\n\n//go:embed .dockerignore\nvar Text string\n')
    write(stack, MAIN, (source / MAIN).read_text().replace("import (", f'import (\n\t_ "{module}"', 1))
    write(stack, "../../docker/production/Dockerfile.carbide-rest-ipam.dockerignore", "**\n")
    stack.up()
    assert_verified(stack, "--rebuild", "--image", IPAM)


def test_a_renamed_stack_shows_no_change(made: Stack) -> None:
    made.pulumi("stack", "rename", "renamed", "--stack", made.name)
    renamed = made.named("renamed")
    try:
        preview = renamed.preview()
        assert (preview.images, preview.aliases) == ({}, {})
    finally:
        (made.root / "Pulumi.renamed.yaml").rename(made.root / f"Pulumi.{made.name}.yaml")
        renamed.pulumi("stack", "rename", made.name, "--stack", "renamed")


def test_a_docker_host_that_comes_and_goes_is_no_change(made: Stack) -> None:
    there = made.given(DOCKER_HOST=ELSEWHERE)
    assert all_steps(there) == all_steps(made) == {"same"}
    before = made.images()
    assert digests(there.up()) == digests(before)
    assert all_steps(there) == all_steps(made) == {"same"}


def all_steps(stack: Stack) -> set[str]:
    return {step["op"] for step in json.loads(stack.preview_json())["steps"]}


# ---- States of earlier versions.


@pytest.fixture(scope="module", params=["", ELSEWHERE], ids=["no host", "another host"])
def earlier(
    request: pytest.FixtureRequest, made: Stack, deployed: Deployed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack with the state that the program made when contexts lay by stack and records in components.

    Made by `pulumi stack export`; what was encrypted in it is empty, and its registry has a stand-in's name. It is one
    of a machine with this DOCKER_HOST.
    """
    server = deployed.repository(IPAM).server
    stack = made.named("earlier").configured(registryRepository="earlier", tagRevision=False, version="1.4.0")
    stack.pulumi("stack", "init", "--no-select", stack.name)
    (stack.root / f"Pulumi.{stack.name}.yaml").unlink()
    exported = json.loads(EARLIER.read_text().replace("registry.example:5443", server))
    (provider,) = (item for item in exported["deployment"]["resources"] if "providers" in item["type"])
    provider["inputs"]["host"] = provider["outputs"]["host"] = request.param
    state = tmp_path_factory.mktemp("earlier") / "state.json"
    state.write_text(json.dumps(exported))
    stack.pulumi("stack", "import", "--stack", stack.name, "--file", str(state))
    yield stack
    stack.pulumi("stack", "rm", "--yes", "--force", "--preserve-config", stack.name)


@pytest.mark.parametrize("now", [None, ELSEWHERE])
def test_an_earlier_state_is_updated_without_a_replacement(earlier: Stack, now: str | None) -> None:
    there = earlier.given(DOCKER_HOST=now) if now else earlier
    text = there.preview_json()
    assert {step["op"] for step in json.loads(text)["steps"]} <= {"same", "update", "create"}
    created = {step["urn"].split("::")[2] for step in json.loads(text)["steps"] if step["op"] == "create"}
    assert {kind.rpartition("$")[2] for kind in created} <= {RECORD}
    assert Preview.of(text).images.keys() == {IPAM, DB}
