import pytest

from carbide_infra.local.bases import BaseImages
from carbide_infra.local.pinning import Pin, unpinned_bases

DIGEST = "sha256:" + "a" * 64


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
    assert unpinned_bases(config) == BaseImages(unpinned, "alpine:3.22")


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
