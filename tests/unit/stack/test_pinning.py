from pathlib import Path

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.paths import project_root
from carbide_infra.registry.docker_hub import DockerHub
from carbide_infra.stack.pinning import Pin, catalogue_bases, current_pins, unpinned_bases

DIGEST = "sha256:" + "a" * 64
DEFAULT = {"builderImage": "golang:1.25", "runtimeImage": "alpine:latest"}


@pytest.mark.parametrize(
    ("builder", "unpinned"),
    [
        ("", "golang:1.26"),
        (f"golang:1.25@{DIGEST}", "golang:1.26"),
        (f"golang:1.25.4-alpine@{DIGEST}", "golang:1.26-alpine"),
        (f"mirror.example.com/library/golang:1.25rc1@{DIGEST}", "mirror.example.com/library/golang:1.26"),
        ("example.com/own-builder:7", "example.com/own-builder:7"),
    ],
)
def test_the_builder_follows_the_go_version(builder: str, unpinned: str) -> None:
    config = {"goVersion": "1.26", "builderImage": builder, "runtimeImage": f"alpine:3.22@{DIGEST}"}
    assert unpinned_bases(config, DEFAULT) == {"builderImage": unpinned, "runtimeImage": "alpine:3.22"}


def test_what_the_stack_leaves_open_is_the_catalogues() -> None:
    catalogue = {"builderImage": f"golang:1.24-alpine@{DIGEST}", "runtimeImage": f"debian:13@{DIGEST}"}
    assert unpinned_bases({}, catalogue) == {"builderImage": "golang:1.24-alpine", "runtimeImage": "debian:13"}
    pinned = {"builderImage": "", "runtimeImage": ""}
    assert unpinned_bases(pinned, catalogue) == {"builderImage": "golang:1.24-alpine", "runtimeImage": "debian:13"}


def test_the_catalogues_bases_are_those_without_the_stacks_pins() -> None:
    config = {"builderImage": f"golang:1.26@{DIGEST}", "runtimeImage": f"debian:13@{DIGEST}"}
    assert catalogue_bases(config, project_root()) == DEFAULT


@pytest.mark.parametrize(
    ("old", "line"),
    [
        ("golang:1.25@sha256:old", "builderImage golang:1.25: sha256:old → sha256:new"),
        ("", "builderImage golang:1.25: not pinned → sha256:new"),
        ("golang:1.25@sha256:new", "builderImage golang:1.25: sha256:new"),
    ],
)
def test_a_pin_says_what_it_changes(old: str, line: str) -> None:
    assert str(Pin("builderImage", old, "golang:1.25@sha256:new")) == line


@pytest.mark.parametrize(
    ("builder", "pinned", "moved"),
    [(f"golang:1.25@{DIGEST}", True, False), (f"golang:1.24@sha256:{'b' * 64}", True, True), ("", False, False)],
)
def test_a_pin_knows_whether_its_tag_has_moved(builder: str, pinned: bool, moved: bool, tmp_path: Path) -> None:  # noqa: FBT001
    buildx = tmp_path / "buildx"
    buildx.write_text(f"#!/bin/sh\necho {DIGEST}\n")
    buildx.chmod(0o755)
    config = {"builderImage": builder, "runtimeImage": f"alpine:latest@{DIGEST}"}
    golang, alpine = current_pins(config, DEFAULT, DockerHub(answers=True), str(buildx), {})
    assert (golang.is_pinned, golang.has_moved) == (pinned, moved)
    assert (alpine.is_pinned, alpine.has_moved) == (True, False)


def test_without_docker_hub_nobody_knows_and_stand_ins_do_not_count() -> None:
    with pytest.raises(SetupError, match=r"Docker Hub does not answer.*golang:1\.25.*CARBIDE_DOCKERHUB_MIRROR"):
        current_pins({"runtimeImage": "example.com/base:1"}, DEFAULT, DockerHub(answers=False), "buildx", {})
