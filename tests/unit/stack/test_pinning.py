import pytest

from carbide_infra.paths import project_root
from carbide_infra.stack.pinning import Pin, catalogue_bases, unpinned_bases

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
    ("old", "pinned", "moved"),
    [(f"golang:1.25@{DIGEST}", True, False), (f"golang:1.24@sha256:{'b' * 64}", True, True), ("", False, False)],
)
def test_a_pin_knows_whether_its_tag_has_moved(old: str, pinned: bool, moved: bool) -> None:  # noqa: FBT001
    pin = Pin("builderImage", old, f"golang:1.25@{DIGEST}")
    assert (pin.is_pinned, pin.has_moved) == (pinned, moved)
