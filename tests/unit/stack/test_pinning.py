import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.paths import project_root
from carbide_infra.registry.registries import Registries
from carbide_infra.stack.pinning import (
    Pin,
    catalogue_bases,
    catalogue_pins,
    catalogue_references,
    find_pins,
    unpinned_bases,
    write_catalogue_pins,
)
from tests.support.registry_server import FakeRegistry

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


# ---- Looked up.


@pytest.fixture
def registries(tls: tuple[ssl.SSLContext, Path], tmp_path: Path) -> Iterator[Registries]:
    with Registries({"SSL_CERT_FILE": str(tls[1]), "HOME": str(tmp_path)}, attempts=1) as made:
        yield made


def put(registry: FakeRegistry, name: str, tag: str) -> tuple[str, str]:
    """An image: its reference by tag, and its digest."""
    digest = registry.put_image(name, {"linux/amd64": {"config": {}}}, tag, layer=name.encode())
    return f"{registry.server}/{name}:{tag}", digest


def test_each_base_gets_the_digest_that_its_tag_gives_now(registry: FakeRegistry, registries: Registries) -> None:
    (builder, its_digest), (runtime, other_digest) = put(registry, "golang", "1.25"), put(registry, "alpine", "3.22")
    pins = find_pins(
        {"builderImage": builder, "runtimeImage": runtime}, {"builderImage": f"{builder}@{DIGEST}"}, {}, registries
    )
    assert pins == [
        Pin("builderImage", f"{builder}@{DIGEST}", f"{builder}@{its_digest}"),
        Pin("runtimeImage", "", f"{runtime}@{other_digest}"),
    ]


def test_a_stand_in_is_pinned_as_it_is_and_nobody_is_asked(registry: FakeRegistry, registries: Registries) -> None:
    (pin,) = find_pins({"runtimeImage": "alpine:3.22"}, {}, {"alpine:3.22": DIGEST}, registries)
    assert pin == Pin("runtimeImage", "", f"alpine:3.22@{DIGEST}")
    assert registry.requests == []


def test_a_base_that_is_not_there_is_named_with_its_key(registry: FakeRegistry, registries: Registries) -> None:
    missing = f"{registry.server}/golang:1.99"
    with pytest.raises(SetupError, match=rf"^builderImage = {missing}: {registry.server} has no such image"):
        find_pins({"builderImage": missing}, {}, {}, registries)


def catalogue(folder: Path, *bases: str) -> Path:
    """A catalogue with an image for each base, from its second line on."""
    file = folder / "images.yaml"
    file.write_text(
        "images:\n" + "".join(f"  i{number}: {{base: {base}}}  # why\n" for number, base in enumerate(bases))
    )
    return file


def test_a_catalogues_images_are_pinned_where_they_stand(
    registry: FakeRegistry, registries: Registries, tmp_path: Path
) -> None:
    (old, old_digest), (bare, digest) = put(registry, "debian", "13"), put(registry, "alpine", "3.22")
    untagged = f"{registry.server}/other@{DIGEST}"
    file = catalogue(tmp_path, f"{old}@{DIGEST}", bare, untagged, "scratch", "busybox:1", bare)
    pins = catalogue_pins(file, "the catalogue", {"busybox:1": DIGEST}, registries)
    assert pins == [
        Pin("the catalogue:2", f"{old}@{DIGEST}", f"{old}@{old_digest}"),
        Pin("the catalogue:7", bare, f"{bare}@{digest}"),
    ]
    assert write_catalogue_pins(file, pins)
    lines = file.read_text().splitlines()
    assert lines[1] == f"  i0: {{base: {old}@{old_digest}}}  # why"
    assert [line for line in lines if digest in line] == [
        f"  i{number}: {{base: {bare}@{digest}}}  # why" for number in (1, 5)
    ]
    assert not write_catalogue_pins(file, pins), "which changes nothing any more"


def test_an_image_of_a_catalogue_that_is_not_there_is_named_with_its_line(
    registry: FakeRegistry, registries: Registries, tmp_path: Path
) -> None:
    missing = f"{registry.server}/debian:99"
    with pytest.raises(SetupError, match=rf"^images\.yaml:2 = {missing}: {registry.server} has no such image"):
        catalogue_pins(catalogue(tmp_path, missing), "images.yaml", {}, registries)


def test_a_catalogue_may_begin_with_the_mark_of_an_editor(tmp_path: Path) -> None:
    file = catalogue(tmp_path, "debian:13")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert catalogue_references(file) == ["debian:13"]


def test_build_arguments_that_name_images_are_pinned_too(
    registry: FakeRegistry, registries: Registries, tmp_path: Path
) -> None:
    tools, digest = put(registry, "tools", "2")
    file = tmp_path / "images.yaml"
    file.write_text(f"images:\n  a: {{dockerfile: a/Dockerfile, buildArgs: {{TOOLS: {tools}, WORD: {tools}}}}}\n")
    arguments = [("images", "a", "buildArgs", "TOOLS")]
    assert catalogue_references(file, arguments) == [tools]
    assert catalogue_references(file) == []
    pins = catalogue_pins(file, "images.yaml", {}, registries, arguments)
    assert pins == [Pin("images.yaml:2", tools, f"{tools}@{digest}")]
    assert write_catalogue_pins(file, pins, arguments)
    assert f"{{TOOLS: {tools}@{digest}, WORD: {tools}}}" in file.read_text()
