"""Files of a tree that a stranger sent: stack files, catalogues, VERSION, go.mod, Dockerfiles, names."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dockerfile
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from carbide_infra.adoption.helm_values import helm_values
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.catalogue.loading import Stack, load_catalogue
from carbide_infra.catalogue.template import render
from carbide_infra.config_values import VERSION
from carbide_infra.errors import UserError
from carbide_infra.images.record import recorded_files
from carbide_infra.images.tags import aliases
from carbide_infra.paths import project_root
from carbide_infra.settings import Settings, load_settings
from carbide_infra.source.facts import Source, read_source
from carbide_infra.source.inputs import Inputs
from carbide_infra.source.kept.reading import read
from carbide_infra.source.staging import Place, StagingError, stage
from carbide_infra.source.tree import InputError, Tree
from carbide_infra.stack.stack_file import read_stack_file, require_quoted
from tests.support.catalogue import FOLDER
from tests.support.git_trees import commit, git
from tests.unit.hostile.strategies import contents, few, fewer, mutilated, texts, values

Case = Callable[[], None]
STACK_FILE = (project_root() / "Pulumi.prod.yaml").read_text()
CATALOGUE = (FOLDER / "services.yaml").read_text()
KEYS = [str(field.alias) for field in Settings.model_fields.values()]
TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
VALUES = """image: {registry: ghcr.io, repository: acme/api, tag: 1}
service: {port: 80, targetPort: 8080, portName: http}
containerPorts: [{name: grpc, containerPort: 9090}]
livenessProbe: {exec: {command: [/app/api, health]}, periodSeconds: 5}
"""
DOCKERFILE = """ARG BASE=alpine:3
FROM --platform=$BUILDPLATFORM golang:1.25 AS build
WORKDIR /src
COPY --chown=1:1 go.mod go.sum ./
RUN --mount=type=cache,target=/root/.cache --mount=type=bind,source=.,target=/x go build -o /out ./cmd
FROM ${BASE}
COPY --from=build /out /app
ENTRYPOINT ["/app"]
"""


def plain(error: UserError | InputError | StagingError) -> None:
    """A sentence for a terminal: nothing in it moves the cursor or colours what follows."""
    assert str(error).strip()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069]", str(error)), repr(str(error))


# ---- Configuration.


@few
@given(st.dictionaries(st.one_of(st.sampled_from(KEYS), texts), st.one_of(values, values.map(json.dumps)), max_size=5))
@example({"cacheFrom": "[" * 100_000})
@example({"registryLogins": '{"a":' * 100_000})
def test_any_stack_configuration_is_taken_or_explained(case: Case, given_values: dict[str, Any]) -> None:
    case()
    good = {"registryServer": "nvcr.io", "registryRepository": "team"}
    try:
        load_settings({**good, **given_values}, {})
    except UserError as error:
        plain(error)


@few
@given(st.one_of(contents, mutilated(STACK_FILE)))
@example(b"- " * 1200)
@example(b"[" * 1200)
def test_any_stack_file_is_read_or_explained(case: Case, tmp_path: Path, content: bytes) -> None:
    case()
    (tmp_path / "Pulumi.yaml").write_text("name: carbide-infra\n")
    (tmp_path / "Pulumi.x.yaml").write_bytes(content)
    for read_it in (read_stack_file, require_quoted):
        try:
            read_it(tmp_path, "x")
        except UserError as error:
            plain(error)


# ---- The catalogue.


@few
@given(st.one_of(contents, mutilated(CATALOGUE)))
@example(b"- " * 1200)
@example(b"{a: " * 1200)
def test_any_catalogue_is_read_or_explained(case: Case, tmp_path: Path, content: bytes) -> None:
    case()
    file = tmp_path / "services.yaml"
    file.write_bytes(content)
    try:
        images = load_catalogue(file, "services.yaml").resolved(Stack())
        for image in images:
            render(image)
    except UserError as error:
        plain(error)


@few
@given(
    st.sampled_from(["title", "description", "labels", "environment", "command"]),
    texts.filter(lambda text: "{version}" not in text),
)
def test_no_text_of_a_catalogue_becomes_an_instruction(case: Case, tmp_path: Path, key: str, text: str) -> None:
    case()
    data = yaml.safe_load(CATALOGUE)
    name = next(iter(data["images"]))
    file = tmp_path / "services.yaml"
    value: Any = {"labels": {"x": text}, "environment": {"X": text}, "command": [text]}.get(key, text)
    rendered = []
    for put in ({"labels": {"x": "y"}, "environment": {"X": "y"}, "command": ["y"]}.get(key, "y"), value):
        data["images"][name] = {**(data["images"][name] or {}), key: put}
        file.write_text(yaml.safe_dump(data))
        try:
            rendered.append(render(load_catalogue(file, "services.yaml").images[0]))
        except UserError as error:
            plain(error)
            return
    instructions = [[command.cmd for command in dockerfile.parse_string(it)] for it in rendered]
    assert instructions[0] == instructions[1]
    runs = [[c.value for c in dockerfile.parse_string(it) if c.cmd.upper() == "RUN"] for it in rendered]
    assert runs[0] == runs[1]


# ---- VERSION, branches.


@few
@given(st.one_of(contents, texts.map(lambda text: f"1.4.0{text}\n".encode("utf-8", "surrogatepass"))))
@example(b"1" * (1 << 20))
@example("1.4.0\n".encode("utf-16"))
@example("1.4.0-ü\n".encode("latin-1"))
def test_any_version_file_is_a_version_or_explained(case: Case, tmp_path: Path, content: bytes) -> None:
    case()
    (tmp_path / "VERSION").write_bytes(content)
    try:
        source = read_source(tmp_path, None)
    except UserError as error:
        plain(error)
        return
    assert source.version == "dev" or VERSION.fullmatch(source.version)
    assert source.version.isprintable()


def test_a_version_file_that_is_a_folder_is_explained(case: Case, tmp_path: Path) -> None:
    case()
    (tmp_path / "VERSION").mkdir()
    with pytest.raises(UserError, match="VERSION") as caught:
        read_source(tmp_path, None)
    plain(caught.value)


@few
@given(st.one_of(texts, texts.map(lambda text: f"refs/heads/{text}"), texts.map(lambda text: f"refs/tags/v{text}")))
def test_any_name_of_a_branch_gives_tags_of_the_grammar(case: Case, tmp_path: Path, ref: str) -> None:
    case()
    (tmp_path / "VERSION").write_text("1.4.0\n")
    try:
        source = read_source(tmp_path, None, full_ref=ref)
    except UserError as error:
        plain(error)
        return
    assert_grammar(replace(source, revision="a" * 40, has_known_release=True))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    (root / "VERSION").write_text("1.4.0\n")
    git(root, "init", "--quiet")
    commit(root, "VERSION")
    return root


@fewer
@given(texts)
@example("$(touch${IFS}pwned)")
@example("--upload-pack=x;id")
@example("a" * 240)
def test_any_branch_that_git_takes_gives_tags_of_the_grammar(case: Case, repository: Path, name: str) -> None:
    case()
    head = repository / ".git/HEAD"
    before = head.read_text()
    (repository / ".git/refs/heads").mkdir(exist_ok=True)
    sha = git(repository, "rev-parse", "HEAD")
    taken = git_takes(repository, f"refs/heads/x{name}", sha)
    if not taken:
        return
    try:
        source = read_source(repository, None)
        assert source.branch == f"x{name}"
        assert_grammar(replace(source, has_known_release=True))
    finally:
        head.write_text(before)
    assert not (repository / "pwned").exists()


def git_takes(root: Path, ref: str, sha: str) -> bool:
    """Let a branch of this name be checked out."""
    for command in (["update-ref", ref, sha], ["symbolic-ref", "HEAD", ref]):
        try:
            done = subprocess.run(["git", "-C", root, *command], capture_output=True, check=False)
        except ValueError:  # a NUL byte
            return False
        if done.returncode:
            return False
    return True


def assert_grammar(source: Source) -> None:
    settings = load_settings({"registryServer": "nvcr.io", "registryRepository": "team", "tagLatest": "true"}, {})
    assert all(TAG.fullmatch(alias.tag) for alias in aliases(settings, source, is_commit=True))


# ---- Names of files.

names = texts.filter(lambda name: name not in {"", ".", ".."} and "/" not in name and "\0" not in name)


def has_file(root: Path, name: str) -> bool:
    try:
        (root / name).write_text("package x\n")
    except (OSError, ValueError):
        return False
    return True


@few
@given(st.lists(names, min_size=1, max_size=4, unique=True))
@example([f"a\n0644 {'0' * 64} 7 evil.go"])
@example(['"a"', '"', '"\\u0041"'])
@example(["a\udcff"])
@example(["a\r0755 b", "a\u2028b", "-rf"])
def test_any_name_of_a_file_stays_one_file(
    case: Case, tmp_path_factory: pytest.TempPathFactory, chosen: list[str]
) -> None:
    case()
    root, cache, out = (tmp_path_factory.mktemp(name) for name in ("tree", "cache", "out"))
    tree = Tree(root, cache)
    files = []
    for name in chosen:
        if has_file(root, name):
            try:
                files.append(tree.file(name))
            except InputError as error:
                plain(error)
    found = recorded_files("\n".join(map(str, files)))
    assert [file.path for file in found] == [file.path for file in files]
    try:
        stage(root, Inputs(tuple(files), None), "FROM scratch\n", Place(out, "image", "0" * 12))
    except StagingError as error:
        plain(error)
        return
    staged = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert len([name for name in staged if name.startswith(f"image/{'0' * 12}/")]) == len(files)
    assert not (tmp_path_factory.getbasetemp() / "pwned").exists()


@few
@given(st.sampled_from(["/etc/passwd", "../outside", "a/../../outside", "link", "folder/secret", "link/../../outside"]))
def test_no_file_outside_the_tree_is_read(case: Case, tmp_path: Path, name: str) -> None:
    case()
    root = tmp_path / "tree"
    (root / "a").mkdir(parents=True, exist_ok=True)
    (tmp_path / "outside").write_text("s3cr3t")
    (tmp_path / "away").mkdir(exist_ok=True)
    (tmp_path / "away/secret").write_text("s3cr3t")
    for link, target in (("link", "../outside"), ("folder", "../away")):
        if not (root / link).is_symlink():
            (root / link).symlink_to(target)
    with pytest.raises(InputError) as caught:
        Tree(root, tmp_path / "cache").file(name)
    plain(caught.value)


# ---- Dockerfiles and go.mod.


@few
@given(
    st.one_of(
        contents.map(lambda it: it.decode("utf-8", "surrogateescape")),
        mutilated(DOCKERFILE).map(lambda it: it.decode("utf-8", "surrogateescape")),
        texts,
    )
)
def test_any_dockerfile_is_read_or_explained(case: Case, text: str) -> None:
    case()
    try:
        found = read(text, "Dockerfile", None, {}, "linux/amd64")
    except UserError as error:
        plain(error)
        return
    assert found


@fewer
@given(st.one_of(contents, mutilated(VALUES), texts.map(lambda it: it.encode("utf-8", "surrogatepass"))))
def test_any_values_of_a_chart_are_read_or_explained(
    case: Case, tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    case()
    root, cache = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("cache")
    (root / "Chart.yaml").write_text("name: x\n")
    (root / "values.yaml").write_bytes(content)
    found = helm_values(TreeFiles.of(root, cache), lambda _: False)
    for note in found.notes:
        assert note.isprintable()
    for running in found.running:
        ports = {**running.ports, **running.named}
        assert all(1 <= number <= 65535 and said.value.isprintable() for number, said in ports.items())
        assert (running.name + running.server + running.repository).isprintable()


@fewer
@given(mutilated("module example.com/x\n\ngo 1.25\n\nrequire example.com/y v1.0.0\n\nreplace example.com/y => ./y\n"))
@example(b"module example.com/x\n\ngo 1.25\n\nreplace example.com/y => ../../../../etc\n")
@example(b"module example.com/x\n\ngo 1.25\n\ntoolchain ../../evil\n")
def test_any_go_mod_is_read_or_explained(
    case: Case, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    from carbide_infra.source.inputs import ModuleAccess, Target, Wanted, inputs_of  # noqa: PLC0415

    case()
    monkeypatch.setenv("GOPROXY", "off")
    root, cache = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("cache")
    (root / "go.mod").write_bytes(content)
    (root / "main.go").write_text("package main\n\nfunc main() {}\n")
    wanted = {"image": Wanted([Target("./", ("linux/amd64",))])}
    try:
        inputs = inputs_of(root, wanted, cache, ModuleAccess.of_secrets({}))
    except UserError as error:
        plain(error)
        return
    for file in inputs["image"].files:
        assert os.path.realpath(root / file.path).startswith(f"{os.path.realpath(root)}/")
