"""What docker-bake and compose files say of images."""

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from carbide_infra.adoption.build_files import build_files, recipes_of
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.errors import CommandError
from tests.support.adoptable import bake, write
from tests.unit.adoption.conftest import FILES, Look

TREE = {"docker/api.Dockerfile": "FROM scratch\n", "services/a/Dockerfile": "FROM scratch\n", "services/a/x": ""}
Buildx = Callable[[str, int, str], Path]


@pytest.fixture
def tree(tmp_path: Path, cache: Path) -> Callable[[Mapping[str, str]], TreeFiles]:
    def made(files: Mapping[str, str]) -> TreeFiles:
        write(tmp_path / "tree", {**TREE, **files})
        return TreeFiles.of(tmp_path / "tree", cache)

    return made


@pytest.fixture
def buildx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Buildx:
    """A buildx that prints what it is told, and notes how it was called."""

    def made(plan: str, code: int = 0, error: str = "") -> Path:
        folder = tmp_path / "bin"
        write(folder, {"plan": plan, "error": error})
        program = folder / "buildx"
        program.write_text(
            f'#!/bin/sh\n{{ env; echo "$*"; ls; }} > {folder}/seen\n'
            f"cat {folder}/plan\ncat {folder}/error >&2\nexit {code}\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.setenv("SECRET_TOKEN", "hunter2")
        return folder / "seen"

    return made


def test_targets_are_images_by_their_tags(tree: Callable[[Mapping[str, str]], TreeFiles]) -> None:
    plan = {
        "target": {
            "_common": {"context": ".", "dockerfile": "Dockerfile"},
            "api": {
                "context": ".",
                "dockerfile": "docker/api.Dockerfile",
                "args": {"A": "1", "bad name": "x"},
                "tags": ["registry.example.com:5000/team/the-api:dev"],
                "platforms": ["linux/amd64"],
            },
            "svc-a": {"context": "services/a", "target": "final"},
            "remote": {"context": "https://example.com/x.git", "dockerfile": "docker/api.Dockerfile"},
            "inline": {"context": ".", "dockerfile-inline": "FROM x"},
            "out": {"context": "..", "dockerfile": "etc/passwd"},
            "absolute": {"context": "/etc", "dockerfile": "passwd"},
        }
    }
    found = {recipe.name: recipe for recipe in recipes_of(plan, "docker-bake.hcl", tree({}))}
    assert set(found) == {"the-api", "svc-a"}
    api = found["the-api"]
    assert (api.file, api.context, api.registry) == ("docker/api.Dockerfile", ".", "registry.example.com:5000/team")
    assert (api.arguments, api.platforms) == ({"A": "1"}, ("linux/amd64",))
    assert (found["svc-a"].file, found["svc-a"].target) == ("services/a/Dockerfile", "final")


def test_a_target_that_others_inherit_is_no_image(tree: Callable[[Mapping[str, str]], TreeFiles]) -> None:
    """`bake --print` does not tell what a target inherits."""
    go = {"context": ".", "dockerfile": "docker/api.Dockerfile"}
    of_action = {"target": {"docker-metadata-action": go, "image": go}}
    assert [recipe.name for recipe in recipes_of(of_action, "docker-bake.hcl", tree({}))] == ["image"]
    plan = {
        "target": {
            "_common": go,
            "base": {**go, "args": {"VERSION": "1"}},
            "orders": {**go, "args": {"NAME": "orders"}, "tags": ["example.com/orders"]},
            "lint": {**go, "target": "lint"},
        }
    }
    assert [recipe.name for recipe in recipes_of(plan, "docker-bake.hcl", tree({}))] == ["orders", "lint"]
    untagged = {"target": {"a": {**go, "args": {"NAME": "a"}}, "_b": {**go, "args": {"NAME": "b"}}}}
    assert [recipe.name for recipe in recipes_of(untagged, "docker-bake.hcl", tree({}))] == ["a"]
    alone = {"target": {"_b": go}}
    assert [recipe.name for recipe in recipes_of(alone, "docker-bake.hcl", tree({}))] == ["b"]


def test_buildx_sees_the_file_alone_and_no_environment(
    tree: Callable[[Mapping[str, str]], TreeFiles], buildx: Buildx
) -> None:
    seen = buildx('{"target": {}}', 0, "")
    build_files(tree({"docker-bake.hcl": "x", "compose.yaml": "services: {}\n", ".env": "A=1\n"}), lambda _: False)
    text = seen.read_text()
    assert "hunter2" not in text
    assert "--progress quiet --print *" in text
    assert text.splitlines()[-1] == "compose.yaml"


def test_what_does_not_evaluate_is_one_sentence(tree: Callable[[Mapping[str, str]], TreeFiles], buildx: Buildx) -> None:
    buildx("", 1, "lines\nERROR: docker-bake.hcl:4,45-54: Call to unknown function\n")
    with pytest.raises(CommandError) as raised:
        build_files(tree({"docker-bake.hcl": "x"}), lambda _: False)
    assert str(raised.value) == (
        "docker-bake.hcl does not evaluate (docker-bake.hcl:4,45-54: Call to unknown function); put that right, or "
        "leave it out with --skip docker-bake.hcl"
    )


@pytest.mark.parametrize("plan", ["", "[]", "no json"])
def test_a_plan_that_is_none_is_refused(
    tree: Callable[[Mapping[str, str]], TreeFiles], buildx: Buildx, plan: str
) -> None:
    buildx(plan, 0, "")
    with pytest.raises(CommandError, match="prints no plan"):
        build_files(tree({"docker-bake.hcl": "x"}), lambda _: False)


@pytest.mark.parametrize(
    "text",
    [
        "include: [/etc/passwd]\n",
        "services: {a: {extends: {file: /etc/passwd, service: x}}}\n",
        "services: {a: {env_file: [{path: /etc/passwd}]}}\n",
        "services: [\n",
        "a: 1\n---\ninclude: [/etc/passwd]\n",
        "x: &a {b: *a}\nservices: {a: {<<: {extends: {file: /etc/passwd}}}}\n",
    ],
)
def test_a_compose_file_that_reads_other_files_is_not_evaluated(
    tree: Callable[[Mapping[str, str]], TreeFiles], buildx: Buildx, text: str
) -> None:
    seen = buildx('{"target": {}}', 0, "")
    found = build_files(tree({"compose.yaml": text}), lambda _: False)
    assert not seen.exists()
    assert found.notes[0].startswith("compose.yaml: is not read, for it has ")


def test_without_buildx_the_file_is_named(
    tree: Callable[[Mapping[str, str]], TreeFiles], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr("carbide_infra.programs.SHARED_DOCKER_FOLDERS", ())
    found = build_files(tree({"docker-bake.hcl": "x"}), lambda _: False)
    assert found.notes == (
        "docker-bake.hcl: is not read, for buildx is not there; install it, or take the Dockerfiles' own names",
    )


def test_a_clone_has_the_names_and_arguments_of_its_bake_file(look: Look, buildx: Buildx) -> None:
    target = {
        "context": ".",
        "dockerfile": "docker/Dockerfile",
        "args": {"PACKAGE": "api"},
        "tags": ["registry.example.com/team/the-api:1"],
        "platforms": ["linux/arm64"],
    }
    buildx(json.dumps({"target": {"api": target}}), 0, "")
    dockerfile = (
        "FROM golang:1.25 AS build\nARG PACKAGE\nWORKDIR /src\nCOPY . .\n"
        "RUN CGO_ENABLED=0 go build -o /out/api ./cmd/$PACKAGE\n"
        'FROM alpine:3.22\nCOPY --from=build /out/api /app/api\nENTRYPOINT ["/app/api"]\n'
    )
    found = look({**FILES, "docker/Dockerfile": dockerfile, "docker-bake.hcl": "x"})
    (image,) = found.images
    assert image.name == "the-api"
    assert image.entry["package"].value == "./cmd/api"
    assert image.entry["platforms"].value == ["linux/arm64"]
    assert found.registry is not None
    assert (found.registry.server, found.registry.repository) == ("registry.example.com", "team")


def test_a_matrix_over_one_dockerfile_makes_an_image_of_each(look: Look, buildx: Buildx) -> None:
    targets = {
        name: {
            "context": ".",
            "dockerfile": "build/Dockerfile",
            "args": {"SERVICE": name, "VERSION": "dev"},
            "tags": [f"registry.example.com/shop/{name}:dev"],
        }
        for name in ("red", "blue")
    }
    buildx(json.dumps({"target": targets}), 0, "")
    found = look(bake())
    assert [image.entry["binaries"].value[0].value["package"] for image in found.images] == ["./cmd/blue", "./cmd/red"]
    assert not found.loose


def test_stages_that_a_build_file_names_are_images(look: Look, buildx: Buildx) -> None:
    buildx(json.dumps({"target": {name: {"context": ".", "target": name} for name in ("server", "worker")}}), 0, "")
    stages = (
        "FROM golang:1.25 AS build\nWORKDIR /src\nCOPY . .\nRUN CGO_ENABLED=0 go build -o /api ./cmd/api\n"
        'FROM alpine:3.22 AS worker\nCOPY --from=build /api /api\nCMD ["/api", "work"]\n'
        'FROM alpine:3.22 AS server\nCOPY --from=build /api /api\nCMD ["/api"]\n'
    )
    found = look({**FILES, "Dockerfile": stages, "docker-bake.hcl": "x"})
    assert [image.name for image in found.images] == ["server", "worker"]
    assert not any("by the looks of it" in note for note in found.notes)
