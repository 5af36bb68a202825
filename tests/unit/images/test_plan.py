import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbide_infra.catalogue.model import Image, KeptDockerfile
from carbide_infra.images.plan import (
    Dockerfile,
    ImagePlan,
    Stack,
    build_key,
    dockerfile_of,
    edited_dockerfile,
    kept_dockerfile_of,
    plan_image,
    plans_of,
)
from carbide_infra.paths import project_root
from carbide_infra.settings import load_settings, selected_images
from carbide_infra.source.facts import Source
from carbide_infra.source.images import Sources
from carbide_infra.source.inputs import InputFile, Inputs
from carbide_infra.source.origins import Origin
from tests.support.catalogue import CATALOGUE, FOLDER

API = CATALOGUE["carbide-rest-api"]
INPUTS = Inputs((InputFile("go.mod", executable=False, sha256="0" * 64, size=7),), None)
SOURCE = Source(Path("/src"), "1.4.0", "f" * 40, "main", epoch=1700000000, warnings=(), has_known_release=True)
REVISION = "c" * 40
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


def plan(  # noqa: PLR0913 - each test names what it is about
    config: dict[str, Any] | None = None,
    inputs: Inputs = INPUTS,
    source: Source = SOURCE,
    stand_ins: dict[str, str] | None = None,
    image: str = API.name,
    dockerfile: Dockerfile | None = None,
    revision: str | None = REVISION,
    *,
    is_commit: bool = True,
) -> ImagePlan:
    values = {"registryServer": "nvcr.io", "registryRepository": "org/team", "tagLatest": True} | (config or {})
    stack_settings = load_settings(values, {})
    selection = selected_images(stack_settings, project_root())
    (found,) = (each for each in selection.images if each.name == image)
    stack = Stack(project_root(), stack_settings.registry_server, stack_settings, stand_ins or {})
    text = dockerfile or dockerfile_of(found.on_bases_of(CATALOGUE[image]), project_root(), FOLDER)
    origin = Origin(source.revision, {} if is_commit else {"go.mod": "differs from"}, (), revision)
    return plan_image(found, text, inputs, origin, source, stack)


def test_a_plan_names_everything_the_engine_gets() -> None:
    made = plan()
    assert made.repository == "nvcr.io/org/team/carbide-rest-api"
    assert made.tag == f"nvcr.io/org/team/carbide-rest-api:1.4.0-{made.key}"
    assert made.tags == (f"1.4.0-{made.key}", "1.4.0", "f" * 40, "latest")
    assert made.place.context == Path(f".local/contexts/carbide-rest-api/{made.key}")
    assert made.dockerfile.location == "docker/production/Dockerfile.carbide-rest-api"
    assert made.build_args == {
        "BUILDER_IMAGE": "golang:1.25",
        "RUNTIME_IMAGE": "alpine:latest",
        "VERSION": "1.4.0",
        "SOURCE_DATE_EPOCH": "1700000000",
    }


def test_the_key_of_a_plan_never_changes() -> None:
    """Another order, length or spelling of what goes into it would rebuild every image of every stack."""
    dockerfile = Dockerfile('FROM scratch\nHEALTHCHECK CMD ["/app/api", "health"]\n', None)
    files = InputFile("go.mod", executable=False, sha256="0" * 64, size=7), InputFile("run", True, "1" * 64, 9)  # noqa: FBT003
    made = plan({"revisionLabel": True}, Inputs(files, None), dockerfile=dockerfile)
    assert made.key == "b84e646da674"
    assert made.record == {
        "key": made.key,
        "modules": "",
        "moduleFiles": "",
        "moduleTexts": "",
        "coarse": "",
        "dockerfileLocation": "",
        "dockerfileText": dockerfile.text,
        "inputs": f"0644 {'0' * 64} 7 go.mod\n0755 {'1' * 64} 9 run",
        "dockerfile": "125dbea9cfb5f8524fe969a3abc3dba47e3c767f4ff3abd40b1c07936442aba4",
    }


@pytest.mark.parametrize(
    "config",
    [
        {"goVersion": "1.26"},
        {"builderImage": "golang:1.25@sha256:" + "a" * 64},
        {"runtimeImage": "alpine:3.22"},
        {"platforms": ["linux/amd64"]},
        {"sourceUrl": "https://example.com"},
        {"serviceOverrides": {"carbide-rest-api": {"ports": {"http": 1}}}},
        {"serviceOverrides": {"carbide-rest-api": {"package": "./api/cmd/other"}}},
        {"serviceOverrides": {"carbide-rest-api": {"health": {"command": ["true"]}}}},
        {"serviceOverrides": {"carbide-rest-api": {"symbols": {"main.version": "version"}}}},
        {"serviceOverrides": {"carbide-rest-api": {"labels": {"a": "b"}}}},
    ],
)
def test_what_the_image_is_made_of_changes_its_key(config: dict[str, Any]) -> None:
    assert plan(config).key != plan().key


@pytest.mark.parametrize(
    "inputs",
    [
        Inputs((InputFile("go.mod", executable=False, sha256="1" * 64, size=7),), None),
        Inputs((InputFile("go.mod", executable=True, sha256="0" * 64, size=7),), None),
        Inputs((InputFile("go.sum", executable=False, sha256="0" * 64, size=7),), None),
        Inputs((), None),
    ],
)
def test_its_inputs_change_the_key(inputs: Inputs) -> None:
    assert plan(inputs=inputs).key != plan().key


@pytest.mark.parametrize(
    "config",
    [
        {"registryUsername": "me", "registryPassword": "rotated"},
        {"gitcreds": "machine rotated login a password b"},
        {"builder": "another"},
        {"goProxy": "https://proxy.invalid"},
        {"tagLatest": False},
        {"services": ["carbide-rest-api"]},
        {"serviceOverrides": {"carbide-rest-api": {"sizeBudget": "1GB"}}},
        {"serviceOverrides": {"carbide-rest-db": {"health": {"command": ["true"]}}}},
    ],
)
def test_what_the_image_does_not_hold_leaves_the_key(config: dict[str, Any]) -> None:
    assert plan(config).key == plan().key


def test_labels_name_base_and_revision_where_the_stack_wants_them() -> None:
    prefix = "org.opencontainers.image."
    plain = {f"{prefix}source": "https://github.com/NVIDIA/carbide-rest", f"{prefix}version": "1.4.0"}
    assert plan().labels == plain | {f"{prefix}base.name": "alpine:latest"}
    pinned = plan({"runtimeImage": "alpine:3@sha256:" + "b" * 64, "revisionLabel": True})
    assert pinned.labels == plain | {
        f"{prefix}base.name": "alpine:3",
        f"{prefix}base.digest": "sha256:" + "b" * 64,
        f"{prefix}revision": REVISION,
    }


def test_a_stand_in_base_is_told_and_its_end_is_a_change() -> None:
    label = "com.nvidia.carbide.stand-in-base"
    stood_in = plan(stand_ins=dict.fromkeys(("golang:1.25", "alpine:latest", "golang:1.24"), "sha256:1"))
    assert stood_in.labels[label] == "alpine:latest, golang:1.25"
    assert label not in plan().labels
    assert stood_in.key != plan().key


def test_a_pinned_base_is_a_stand_in_by_its_digest() -> None:
    pinned = {"runtimeImage": "alpine:latest@sha256:" + "b" * 64, "builderImage": "golang:1.25@sha256:" + "b" * 64}
    made = plan(pinned, stand_ins={"alpine:latest": "sha256:" + "b" * 64, "golang:1.25": "sha256:" + "c" * 64})
    assert made.labels["com.nvidia.carbide.stand-in-base"] == "alpine:latest"


def test_the_commit_alone_changes_no_key_but_its_tag() -> None:
    later = plan(source=replace(SOURCE, revision="e" * 40))
    assert later.key == plan().key
    assert later.build_args == plan().build_args
    assert later.labels == plan().labels
    assert "e" * 40 in later.tags


@pytest.mark.parametrize(
    ("change", "tags"),
    [
        ({"revision": None}, ["1.4.0"]),
        ({"has_known_release": False}, ["f" * 40, "latest"]),
        ({"branch": None}, ["f" * 40]),
        ({"branch": "feature/Größe"}, ["feature-Gr--e-" + "f" * 40]),
        ({"branch": "b" * 200}, ["b" * 87 + "-" + "f" * 40]),
        ({"version": "1.4.0+build.5"}, ["1.4.0-build.5", "f" * 40, "latest"]),
    ],
)
def test_tags_promise_only_what_the_tree_is(change: dict[str, Any], tags: list[str]) -> None:
    made = plan(source=replace(SOURCE, **change))
    assert list(made.tags[1:]) == tags
    assert all(len(tag) <= 128 for tag in made.tags)


def test_an_image_that_is_not_the_commit_s_promises_none() -> None:
    assert plan(is_commit=False).tags[1:] == ("1.4.0",)


@settings(max_examples=30)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), JSON, min_size=1, max_size=8))
def test_key_ignores_order_and_sees_every_ingredient(ingredients: dict[str, Any]) -> None:
    key = build_key(**ingredients)
    assert build_key(**dict(reversed(ingredients.items()))) == key
    for name, ingredient in ingredients.items():
        assert build_key(**(ingredients | {name: [ingredient, "changed"]})) != key
        assert build_key(**{other: value for other, value in ingredients.items() if other != name}) != key


def test_key_is_the_same_in_another_process() -> None:
    ingredients = {"files": [["go.mod", False, "0"]], "platforms": ["linux/amd64"]}
    program = (
        "import json, sys; from carbide_infra.images.plan import build_key; "
        "print(build_key(**json.loads(sys.argv[1])), end='')"
    )
    command = [sys.executable, "-c", program, json.dumps(ingredients)]
    done = subprocess.run(command, cwd=project_root(), check=True, capture_output=True, text=True)
    assert done.stdout == build_key(**ingredients)


def test_one_platform_has_an_index_too() -> None:
    """Else the tags of an image, which are indexes, would have another digest than the image."""
    assert plan({"platforms": ["linux/amd64"]}).build_args["BUILDKIT_MULTI_PLATFORM"] == "1"
    assert "BUILDKIT_MULTI_PLATFORM" not in plan({"platforms": ["linux/amd64", "linux/arm64"]}).build_args


@pytest.mark.parametrize(("revision", "given"), [(REVISION, REVISION), (None, "")])
def test_an_image_that_tells_its_revision_is_built_with_it(revision: str | None, given: str) -> None:
    symbols = {"symbols": {"./common/pkg/version.Revision": "revision"}}
    made = plan({"serviceOverrides": {API.name: symbols}}, revision=revision)
    assert made.build_args["REVISION"] == given
    assert "REVISION" not in plan(revision=revision).build_args


def test_the_time_is_an_argument_of_images_that_do_not_ask_for_it() -> None:
    no_time = {"symbols": {"./common/pkg/version.BuildTime": None}}
    assert plan({"serviceOverrides": {API.name: no_time}}).build_args["SOURCE_DATE_EPOCH"] == "1700000000"


def test_a_stack_has_no_stand_ins_unless_it_says_so() -> None:
    values = {"registryServer": "nvcr.io", "registryRepository": "org/team"}
    assert Stack(project_root(), "nvcr.io", load_settings(values, {})).stand_ins == {}


def test_texts_that_are_not_the_tree_s_are_recorded_in_one_order() -> None:
    file = INPUTS.files[0]
    made = [replace(file, path=path, content=text) for path, text in (("go.sum", b"b\n"), ("go.mod", b"a\n"))]
    assert (
        plan(inputs=replace(INPUTS, files=tuple(made))).record["moduleTexts"] == '{"go.mod": "a\\n", "go.sum": "b\\n"}'
    )


# ---- A Dockerfile that was edited by hand.


def test_a_dockerfile_that_says_something_else_is_told(tmp_path: Path) -> None:
    file = tmp_path / f"Dockerfile.{API.name}"
    assert edited_dockerfile(API, tmp_path) is None, "there is none"
    file.write_text("FROM scratch\n")
    told = edited_dockerfile(API, tmp_path)
    assert told is not None
    assert told.startswith(f"{file.name} is not what the catalogue says")
    file.write_bytes((FOLDER / file.name).read_bytes().replace(b"\n", b"\r\n"))
    assert edited_dockerfile(API, tmp_path) is None, "git gives the file other line ends on some machines"


# ---- An image that keeps a Dockerfile of its own.

OWN = KeptDockerfile(
    path="docker/api/Dockerfile",
    context="docker",
    target="final",
    args={"TAG": "v{version}", "BASE": "of the args"},
    secrets=("gitcreds",),
    bases={"BASE": "debian:13"},
    own_labels=frozenset({"org.opencontainers.image.version"}),
)


def kept(own: KeptDockerfile = OWN, **changes: object) -> ImagePlan:
    image: Image = API.model_copy(update={"kept": own, "base": "debian:13", **changes})
    values = {"registryServer": "nvcr.io", "registryRepository": "org/team"}
    stack = Stack(project_root(), "nvcr.io", load_settings(values, {}), {"debian:13": "sha256:1", "golang:1.25": "x"})
    return plan_image(image, Dockerfile("FROM x\n", None), INPUTS, Origin("f" * 40, {}, (), REVISION), SOURCE, stack)


def test_the_key_of_an_image_that_keeps_its_dockerfile_never_changes() -> None:
    made = kept()
    assert made.key == "051e9ed37d08"
    assert made.record["kept"] == "docker/api/Dockerfile"
    assert "template" not in made.record


def test_its_arguments_are_those_of_its_entry_and_its_bases() -> None:
    assert kept().build_args == {"SOURCE_DATE_EPOCH": "1700000000", "TAG": "v1.4.0", "BASE": "debian:13"}


def test_its_labels_are_what_its_dockerfile_does_not_say_itself() -> None:
    made = kept(labels={"team": "of {version}", "org.opencontainers.image.source": None})
    assert made.labels == made.all_labels
    assert made.labels == {
        "org.opencontainers.image.base.name": "debian:13",
        "com.nvidia.carbide.stand-in-base": "debian:13",
        "team": "of 1.4.0",
    }


@pytest.mark.parametrize(
    "change", [{"context": "."}, {"target": None}, {"secrets": ()}, {"args": {}}, {"bases": {"BASE": "debian:12"}}]
)
def test_how_it_is_built_changes_its_key(change: dict[str, object]) -> None:
    assert kept(OWN.model_copy(update=change)).key != kept().key


def test_a_kept_dockerfile_is_sent_from_the_project_where_it_is_inside(tmp_path: Path) -> None:
    file = tmp_path / "tree/docker/api/Dockerfile"
    file.parent.mkdir(parents=True)
    file.write_text("FROM scratch\n")
    assert kept_dockerfile_of(OWN, tmp_path / "tree", tmp_path) == Dockerfile(
        "FROM scratch\n", "tree/docker/api/Dockerfile"
    )
    assert kept_dockerfile_of(OWN, tmp_path / "tree", tmp_path / "project") == Dockerfile("FROM scratch\n", None)


def test_each_image_of_a_stack_is_planned_from_what_is_its_own(tmp_path: Path) -> None:
    hosts = f"github.com ssh-ed25519 {'A' * 68}"
    values: dict[str, Any] = {
        "registryServer": "nvcr.io",
        "registryRepository": "org/team",
        "runtimeImage": "debian:13",
    }
    values |= {"services": [API.name, "carbide-rest-ipam"], "sshAgent": True, "sshKnownHosts": hosts}
    selection = selected_images(load_settings(values, {}), project_root())
    api, ipam = selection.images
    selection = replace(selection, images=(api, ipam.model_copy(update={"kept": OWN})))
    (tmp_path / OWN.path).parent.mkdir(parents=True)
    (tmp_path / OWN.path).write_text("FROM kept\n")
    rendered: list[tuple[str, str, bool]] = []

    def render(image: Image, *, ssh: bool = False) -> str:
        rendered.append((image.name, image.base, ssh))
        return "FROM rendered\n"

    made = plans_of(
        selection,
        {image.name: replace(INPUTS, modules=(image.name,)) for image in selection.images},
        {api.name: Origin("f" * 40, {}, (), "a" * 40), ipam.name: Origin("f" * 40, {}, (), "b" * 40)},
        Sources(tmp_path, {api.name: SOURCE, ipam.name: replace(SOURCE, version="2.0.0")}),
        Stack(project_root(), "nvcr.io", load_settings(values, {}), {}, render),
    )
    assert [(each.image.name, each.version, each.revision, each.inputs.modules) for each in made] == [
        (api.name, "1.4.0", "a" * 40, (api.name,)),
        (ipam.name, "2.0.0", "b" * 40, (ipam.name,)),
    ]
    assert [each.dockerfile for each in made] == [Dockerfile("FROM rendered\n", None), Dockerfile("FROM kept\n", None)]
    assert rendered == [(api.name, "alpine:latest", True)], "on the catalogue's base: the stack's is an argument"
