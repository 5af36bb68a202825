"""Releases: which digests get a version, and when none does; a real repository, a registry of files."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from carbide_infra.commands import release as command
from carbide_infra.commands.app import app
from carbide_infra.commands.stacks import StackCli
from carbide_infra.services import CATALOGUE
from tests.unit.test_tags import Repository

# A registry of files: the tag's name as a path, the digest as content.
BUILDX = """#!/bin/sh
file() {{ echo "{folder}/$(echo "$1" | tr ':/' '__')"; }}
case "$2" in
inspect) cat "$(file "$5")" 2>/dev/null || {{ echo "ERROR: $5: {refusal}" >&2; exit 1; }} ;;
create) echo "${{5##*@}}" > "$(file "$4")"; echo "$4" >> {folder}/written ;;
esac
"""


class Stack(StackCli):
    """A stack whose CLI is never asked."""

    def config(self) -> dict[str, Any]:
        values = {"registryServer": "nvcr.io", "registryRepository": "org/team", "registryUsername": "$oauthtoken"}
        values |= {"registryPassword": "s3cr3t", "source": str(self.folder)}
        return {f"carbide-infra:{key}": {"value": value} for key, value in values.items()}


class World:
    """A released repository, and the registry that its images may be in."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "tree").mkdir()
        self.repository = Repository(folder / "tree")
        self.repository.commit("go.mod", "module example.com/x\n")
        self.repository.git("tag", "v1.4.0")
        self.registry = folder / "registry"
        self.registry.mkdir()
        self.buildx = folder / "buildx"
        self.refuse("not found")
        stack = Stack("prod", Path("pulumi"), self.repository.root, {"PATH": "/usr/bin:/bin"})
        monkeypatch.delenv("CARBIDE_REF", raising=False)
        monkeypatch.setattr(command, "open_stack", lambda _: stack)
        monkeypatch.setattr(command, "_buildx", lambda: self.buildx)

    def refuse(self, words: str) -> None:
        self.buildx.write_text(BUILDX.format(folder=self.registry, refusal=words))
        self.buildx.chmod(0o755)

    def push(self, tag: str, images: Mapping[str, str]) -> None:
        for image, digest in images.items():
            self._file(image, tag).write_text(f"{digest}\n")

    def digests(self, tag: str) -> dict[str, str]:
        return {
            image: self._file(image, tag).read_text().strip() for image in CATALOGUE if self._file(image, tag).exists()
        }

    def _file(self, image: str, tag: str) -> Path:
        return self.registry / f"nvcr.io_org_team_{image}_{tag}"

    def release(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["release", "--stack", "prod", *arguments])


BUILT = {image: f"sha256:{number:064}" for number, image in enumerate(CATALOGUE)}
LATER = {image: f"sha256:{number + 100:064}" for number, image in enumerate(CATALOGUE)}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_the_commit_s_digests_get_the_version(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.push(world.repository.sha, BUILT)
    world.push("1.4.0", LATER)
    monkeypatch.setenv("CARBIDE_REF", "refs/tags/v1.4.0")
    done = world.release()
    assert done.exit_code == 0, done.stderr
    assert world.digests("1.4.0") == BUILT, "also where main has moved on since"
    assert f"| `sha256:{100:064}` |" in done.stdout, "what the tag was"
    assert "s3cr3t" not in done.output


def test_a_second_run_writes_nothing(world: World) -> None:
    world.push(world.repository.sha, BUILT)
    world.release("--tag", "v1.4.0")
    (world.registry / "written").unlink()
    done = world.release("--tag", "v1.4.0", "--json")
    assert not (world.registry / "written").exists()
    assert {item["image"]: item["before"] for item in json.loads(done.stdout)} == BUILT


def test_nothing_is_tagged_where_an_image_is_missing(world: World) -> None:
    world.push(world.repository.sha, {image: digest for image, digest in BUILT.items() if image != "carbide-rest-db"})
    done = world.release("--tag", "v1.4.0")
    assert done.exit_code == 2
    assert "carbide-rest-db was never built from it" in done.stderr
    assert world.digests("1.4.0") == {}


def test_it_waits_for_an_update_that_still_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: world.push(world.repository.sha, BUILT))
    assert world.release("--tag", "v1.4.0", "--wait", "1").exit_code == 0
    assert world.digests("1.4.0") == BUILT


def test_a_registry_that_refuses_is_not_waited_for(world: World) -> None:
    world.refuse("401 Unauthorized")
    done = world.release("--tag", "v1.4.0", "--wait", "60")
    assert done.exit_code == 2
    assert "401 Unauthorized" in done.stderr


def test_only_the_tag_s_own_commit_is_released(world: World) -> None:
    world.repository.commit("README", "more")
    world.push(world.repository.sha, BUILT)
    done = world.release("--tag", "v1.4.0")
    assert done.exit_code == 2
    assert "git checkout v1.4.0" in done.stderr
    assert world.digests("1.4.0") == {}


@pytest.mark.parametrize("tag", ["", "1.4.0", "nightly", "refs/heads/main"])
def test_what_is_no_release_tag_is_refused(world: World, tag: str) -> None:
    done = world.release("--tag", tag)
    assert done.exit_code == 2
    assert "a good value: v1.4.0" in done.stderr


def test_a_tag_of_another_version_is_refused(world: World) -> None:
    world.repository.git("tag", "v2.0.0")
    done = world.release("--tag", "v2.0.0")
    assert done.exit_code == 2
    assert "the tree's version is 1.4.0" in done.stderr
