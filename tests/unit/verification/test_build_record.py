"""What an image was built from is read from the state, and found in the tree of now or in git's history."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.source.inputs import InputFile
from carbide_infra.verification.build_record import BuildRecord, InputsMissing
from tests.support.started_programs import recorded

IMAGE = "carbide-rest-api"
DOCKERFILE = f"docker/production/Dockerfile.{IMAGE}"
INPUTS: dict[str, Any] = {
    "platforms": ["linux/amd64", "linux/arm64"],
    "labels": {"a": "b"},
    "buildArgs": {"GO_VERSION": "1.25.4"},
    "builder": {"name": "carbide-local"},
    "dockerfile": {"inline": "FROM scratch\n"},
    "ignoreSecretsInDiffCalculation": ["gitcreds"],
    "ssh": [{"id": "default"}],
}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.invalid", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def commit(root: Path, files: dict[str, str]) -> str:
    write(root, files)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "change")
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the source tree in a folder of it."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder


FILES = {"VERSION": "1.0\n", "cmd/a file.go": "package main\n"}


@pytest.fixture
def source(project: Path) -> Path:
    commit(project, {f"source/{name}": text for name, text in FILES.items()})
    return project / "source"


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def record(
    revision: str | None = None, dockerfile: str = "", inline: str = "", files: Mapping[str, str] = FILES
) -> BuildRecord:
    lines = [f"0644 {sha256(text)} {len(text)} {name}" for name, text in files.items()]
    record = {"inputs": "\n".join(lines), "dockerfile": sha256(dockerfile)}
    return BuildRecord.of(
        IMAGE, record, {**INPUTS, "dockerfile": {"inline": inline} if inline else {"location": DOCKERFILE}}, revision
    )


# ---- From the state.


def test_a_record_has_all_that_the_state_says() -> None:
    record = {"inputs": f"0755 {'a' * 64} 7 run me  now\n0644 {'b' * 64} 0 VERSION", "dockerfile": "d" * 64}
    assert BuildRecord.of(IMAGE, record, INPUTS, "f" * 40) == BuildRecord(
        image=IMAGE,
        files=(InputFile("run me  now", True, "a" * 64, 7), InputFile("VERSION", False, "b" * 64, 0)),  # noqa: FBT003
        dockerfile="d" * 64,
        inline="FROM scratch\n",
        location="",
        revision="f" * 40,
        build_args={"GO_VERSION": "1.25.4"},
        labels={"a": "b"},
        platforms=("linux/amd64", "linux/arm64"),
        builder="carbide-local",
        secret_ids=("gitcreds",),
        ssh=True,
    )


def test_of_a_dockerfile_of_its_own_stage_and_folder_are_known() -> None:
    record = {"inputs": "", "dockerfile": "d" * 64, "key": "k" * 12}
    inputs = {**INPUTS, "target": "final", "context": {"location": f".local/contexts/a/{'k' * 12}/services/a"}}
    made = BuildRecord.of(IMAGE, record, inputs, None)
    assert (made.target, made.folder) == ("final", "services/a")
    inputs["context"] = {"location": f".local/contexts/a/{'k' * 12}"}
    assert BuildRecord.of(IMAGE, record, inputs, None).folder == "."


def test_a_file_s_name_may_hold_what_ends_lines_elsewhere() -> None:
    name = "a\f\u2028\x85b.go"
    made = BuildRecord.of(IMAGE, {"inputs": f"0644 {'a' * 64} 7 {name}", "dockerfile": "d" * 64}, INPUTS, None)
    assert [file.path for file in made.files] == [name]


@pytest.mark.parametrize("empty", [{}, {"dockerfile": {}, "builder": {}}, dict.fromkeys(INPUTS)])
def test_what_the_state_does_not_say_is_empty(empty: dict[str, Any]) -> None:
    record = {"inputs": "", "dockerfile": "d" * 64}
    made = BuildRecord.of(IMAGE, record, {**empty, "platforms": ["linux/amd64"]}, None)
    assert made == BuildRecord(IMAGE, (), "d" * 64, "", "", None, {}, {}, ("linux/amd64",), "", ())


def test_what_is_staged_with_another_text_than_the_tree_s_is_in_the_record(source: Path, scratch: Path) -> None:
    text = "module example.com/m\n"
    lines = f"0644 {sha256(text)} {len(text)} go.mod\n0644 {sha256(FILES['VERSION'])} 0 VERSION"
    told = {"inputs": lines, "dockerfile": "d", "moduleTexts": json.dumps({"go.mod": text})}
    made = BuildRecord.of(IMAGE, told, INPUTS, None)
    assert [file.content for file in made.files] == [text.encode(), None]
    (source / "go.mod").write_text("module example.com/m // and more\n")
    assert made.source(source, scratch) == source


def test_a_recorded_text_may_hold_bytes_that_are_no_text() -> None:
    told = {"inputs": f"0644 {'a' * 64} 1 go.mod", "dockerfile": "d", "moduleTexts": json.dumps({"go.mod": "\udcff"})}
    (file,) = BuildRecord.of(IMAGE, told, INPUTS, None).files
    assert file.content == b"\xff"


def test_the_dockerfile_is_where_the_record_says() -> None:
    """The image is told where it is staged, which says nothing of where it comes from."""
    told = {**INPUTS, "dockerfile": {"location": ".local/contexts/a/0.dockerfile/Dockerfile.a"}}
    record = {"inputs": "", "dockerfile": "d", "dockerfileLocation": DOCKERFILE, "dockerfileText": ""}
    made = BuildRecord.of(IMAGE, record, told, None)
    assert (made.location, made.inline) == (DOCKERFILE, "")
    made = BuildRecord.of(IMAGE, record | {"dockerfileLocation": "", "dockerfileText": "FROM a\n"}, told, None)
    assert (made.location, made.inline) == ("", "FROM a\n")


def test_an_image_without_a_record_is_told_with_the_way_out() -> None:
    with pytest.raises(
        InputsMissing, match=f"^{IMAGE}: the state has no record of what it was built from; run make up"
    ):
        BuildRecord.in_state(IMAGE, {}, {IMAGE: INPUTS}, None)
    record = {"inputs": "", "dockerfile": "d"}
    found = BuildRecord.in_state(IMAGE, {IMAGE: record}, {IMAGE: INPUTS}, "f" * 40)
    assert found == BuildRecord.of(IMAGE, record, INPUTS, "f" * 40)


# ---- The source tree.


def test_a_tree_of_now_is_used_without_git(source: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = recorded(monkeypatch)
    assert record("f" * 40).source(source, scratch) == source
    assert started == []


def test_a_commit_of_then_gives_the_files_below_the_root(
    source: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = git(source, "rev-parse", "HEAD")
    commit(source, {"VERSION": "2.0\n", "new.go": ""})
    started = recorded(monkeypatch)
    assert record(then).source(source, scratch) == scratch
    assert {str(path.relative_to(scratch)): path.read_text() for path in scratch.rglob("*") if path.is_file()} == FILES
    assert [each.command[14] for each in started] == ["ls-tree", "cat-file"]


def test_a_commit_gives_files_of_deep_folders(source: Path, scratch: Path) -> None:
    files = {"a/b/c.go": "package c\n", "a/b/d.go": "package d\n"}
    then = commit(source, files)
    commit(source, {"a/b/c.go": "package other\n"})
    assert record(then, files=files).source(source, scratch) == scratch
    assert {str(path.relative_to(scratch)): path.read_text() for path in scratch.rglob("*") if path.is_file()} == files


def missing(made: BuildRecord, root: Path, scratch: Path) -> str:
    with pytest.raises(InputsMissing) as caught:
        made.source(root, scratch)
    return str(caught.value)


def test_inputs_that_were_never_committed_are_named(source: Path, scratch: Path) -> None:
    (source / "VERSION").unlink()
    expected = f"{IMAGE}: the inputs are not at hand: VERSION differs in {source}; it was built from uncommitted files"
    assert missing(record(None), source, scratch) == expected


def test_of_many_inputs_that_differ_one_is_named(source: Path, scratch: Path) -> None:
    commit(source, {"VERSION": "2.0\n", "cmd/a file.go": "package other\n"})
    later = git(source, "rev-parse", "HEAD")
    expected = f"{IMAGE}: the inputs are not at hand: VERSION and 1 more differs in {source}; check out {later}"
    assert missing(record(later), source, scratch) == expected


@pytest.mark.parametrize("revision", ["f" * 40, "no revision"])
def test_a_commit_that_git_does_not_have_is_named(revision: str, source: Path, scratch: Path) -> None:
    (source / "VERSION").write_text("2.0\n")
    assert missing(record(revision), source, scratch).endswith(f"; check out {revision}")
    assert list(scratch.iterdir()) == []


def test_only_recorded_files_come_from_a_commit_also_behind_its_links(
    source: Path, scratch: Path, tmp_path: Path
) -> None:
    (source / "absolute").symlink_to(tmp_path)
    (source / "linked").symlink_to("cmd")
    (source / "more").write_text("")
    then = commit(source, {})
    (source / "VERSION").write_text("2.0\n")
    made = record(then, files={"VERSION": FILES["VERSION"], "linked/a file.go": FILES["cmd/a file.go"]})
    assert made.source(source, scratch) == scratch
    found = {str(path.relative_to(scratch)) for path in scratch.rglob("*") if path.is_file()}
    assert found == {"VERSION", "linked/a file.go"}


def test_attributes_change_nothing_of_what_a_commit_gives(source: Path, scratch: Path) -> None:
    """As they do in an archive."""
    then = commit(source, {".gitattributes": "VERSION export-ignore\n* text eol=crlf export-subst\n"})
    (source / "VERSION").write_text("2.0\n")
    assert record(then).source(source, scratch) == scratch


def test_no_record_makes_a_file_elsewhere(source: Path, scratch: Path) -> None:
    then = git(source, "rev-parse", "HEAD")
    for name in ("../VERSION", f"{scratch}/VERSION"):
        made = BuildRecord.of(IMAGE, {"inputs": f"0644 {'0' * 64} 1 {name}", "dockerfile": ""}, INPUTS, then)
        missing(made, source, scratch)
    assert not (scratch.parent / "VERSION").exists()
    assert list(scratch.iterdir()) == []


# ---- The Dockerfile.


def test_the_text_of_the_stack_needs_no_project(tmp_path: Path) -> None:
    made = record(dockerfile="FROM inline\n", inline="FROM inline\n")
    assert made.dockerfile_text(tmp_path / "none") == "FROM inline\n"


def lacking(made: BuildRecord, project: Path) -> str:
    with pytest.raises(InputsMissing) as caught:
        made.dockerfile_text(project)
    return str(caught.value)


NO_DOCKERFILE = f"{IMAGE}: {DOCKERFILE} of then is not in this checkout's history; check out the commit of the update"


def test_the_text_of_the_stack_is_used_only_as_recorded(project: Path) -> None:
    commit(project, {DOCKERFILE: "FROM project\n"})
    assert lacking(record(dockerfile="FROM project\n", inline="FROM inline\n"), project) == NO_DOCKERFILE.replace(
        DOCKERFILE, "the Dockerfile"
    )


def test_the_dockerfile_of_now_is_used_without_git(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, {DOCKERFILE: "FROM now\n"})
    started = recorded(monkeypatch)
    assert record(dockerfile="FROM now\n").dockerfile_text(project) == "FROM now\n"
    assert started == []


def test_a_dockerfile_of_then_is_found_where_it_was_removed_and_came_back(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = commit(project, {DOCKERFILE: "FROM one\n"})
    (project / DOCKERFILE).unlink()
    removed = commit(project, {"other": ""})
    again = commit(project, {DOCKERFILE: "FROM two\n"})
    commit(project, {"unrelated": ""})
    write(project, {DOCKERFILE: "FROM uncommitted\n"})
    started = recorded(monkeypatch)
    assert record(dockerfile="FROM one\n").dockerfile_text(project) == "FROM one\n"
    assert [each.command[14:] for each in started] == [
        ("log", "--format=%H", "--", DOCKERFILE),
        *(("cat-file", "blob", f"{commit}:./{DOCKERFILE}") for commit in (again, removed, first)),
    ]
    assert record(dockerfile="FROM two\n").dockerfile_text(project) == "FROM two\n"
    assert lacking(record(dockerfile=""), project) == NO_DOCKERFILE


def test_a_dockerfile_of_then_is_found_behind_one_that_was_no_text(project: Path) -> None:
    commit(project, {DOCKERFILE: "FROM one\n"})
    (project / DOCKERFILE).write_bytes(b"FROM \xff\n")
    commit(project, {})
    commit(project, {DOCKERFILE: "FROM two\n"})
    assert record(dockerfile="FROM one\n").dockerfile_text(project) == "FROM one\n"


@pytest.mark.parametrize("now", [None, b"FROM \xff\n"])
def test_a_dockerfile_of_then_is_found_where_there_is_no_text_now(project: Path, now: bytes | None) -> None:
    commit(project, {DOCKERFILE: "FROM one\n"})
    (project / DOCKERFILE).unlink()
    if now:
        (project / DOCKERFILE).write_bytes(now)
    assert record(dockerfile="FROM one\n").dockerfile_text(project) == "FROM one\n"
    assert lacking(record(dockerfile=""), project) == NO_DOCKERFILE


def test_line_ends_of_a_dockerfile_are_what_they_are(project: Path) -> None:
    (project / DOCKERFILE).parent.mkdir(parents=True)
    (project / DOCKERFILE).write_bytes(b"FROM one\r\n")
    assert record(dockerfile="FROM one\r\n").dockerfile_text(project) == "FROM one\r\n"


def test_a_project_in_a_folder_of_its_repository_has_its_history(project: Path) -> None:
    commit(project, {f"infra/{DOCKERFILE}": "FROM one\n"})
    commit(project, {f"infra/{DOCKERFILE}": "FROM two\n", DOCKERFILE: "FROM another\n"})
    assert record(dockerfile="FROM one\n").dockerfile_text(project / "infra") == "FROM one\n"


def test_a_project_without_history_has_its_dockerfile_of_now(tmp_path: Path) -> None:
    write(tmp_path, {DOCKERFILE: "FROM now\n"})
    assert lacking(record(dockerfile="FROM one\n"), tmp_path) == NO_DOCKERFILE
