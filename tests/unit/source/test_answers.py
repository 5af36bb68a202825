"""Answers of Go: what names them, how they are kept, and what is asked beside them; Go itself is not run."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from carbide_infra.source import answers
from carbide_infra.source.go_command import GoCommand, GoError, GoUnavailableError
from carbide_infra.source.go_list import Linked, Made, Question
from carbide_infra.source.module_files import Answer
from carbide_infra.source.tree import InputError, Tree

QUESTION = Question(Path("/tree"), "mod", ".", ["mod/a", "mod/b"], ["p/1", "p/2"], ["t", "u"], [("mod/a", "main", "S")])
LOCAL = GoCommand("/bin/sh", "local", {"PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize(
    "other",
    [
        replace(QUESTION, root=Path("/other")),
        replace(QUESTION, module="other"),
        replace(QUESTION, work=None),
        replace(QUESTION, packages=["mod/a"]),
        replace(QUESTION, platforms=["p/1"]),
        replace(QUESTION, tags=["t"]),
        replace(QUESTION, symbols=[]),
    ],
)
def test_each_part_of_a_question_names_its_answer(other: Question) -> None:
    assert answers._key(other, "1.25") != answers._key(QUESTION, "1.25")


def test_the_line_of_releases_names_an_answer_and_no_patch() -> None:
    keys = [answers._key(QUESTION, version) for version in ("1.25", "1.25.4", "1.26", None)]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_no_order_names_an_answer() -> None:
    turned = replace(QUESTION, packages=["mod/b", "mod/a"], platforms=["p/2", "p/1"], tags=["u", "t"])
    assert answers._key(turned, None) == answers._key(QUESTION, None)


def test_an_answer_comes_back_from_the_cache_as_it_was() -> None:
    made = Made(files=["a.go"], linked=[Linked("m", "v1", "n", "v2", "f")], needs=["1.25", "m"], missing=["x"])
    answer = Answer(QUESTION, {"mod/a": made}, {"go.mod": {"Go": "1.25"}}, {"mod/a": [("m", "v1")]})
    derived = answers._Derived(answer, {"mod": {"a.go": "f"}}, {"a.go": "sha"})
    assert answers._loaded(QUESTION, answers._saved(derived)) == derived


def test_why_the_wished_release_was_not_asked_comes_first_for_every_binary() -> None:
    answer = Answer(QUESTION, {"a": Made(missing=["x"]), "b": Made()}, {})
    told = answers._with_missing(answer, "why").made
    assert [told[folder].missing for folder in ("a", "b")] == [["why", "x"], ["why"]]


# ---- A newer release of the same line.

TOO_OLD = GoError("go.mod requires go >= 1.25.7 (running go 1.25.4)")


@pytest.mark.parametrize(
    ("go", "version", "error"),
    [
        (LOCAL, None, TOO_OLD),
        (replace(LOCAL, toolchain="go1.25.4"), "1.25.4", TOO_OLD),
        (LOCAL, "1.25.4", GoError("go.mod requires something else")),
    ],
)
def test_no_other_release_is_asked_where_that_would_not_help(
    monkeypatch: pytest.MonkeyPatch, go: GoCommand, version: str | None, error: GoError
) -> None:
    monkeypatch.setattr(answers, "released", lambda *_: pytest.fail("a release was fetched"))
    assert answers._newer(go, version, error) is None


def test_the_newest_of_the_line_is_asked_where_the_tree_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "released", lambda go, line: replace(go, toolchain=f"newest of {line}"))
    newer = answers._newer(LOCAL, "1.25.4", TOO_OLD)
    assert newer is not None
    assert newer.toolchain == "newest of 1.25"


def test_a_newest_release_that_cannot_be_had_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> GoCommand:
        raise GoError("offline")  # noqa: EM101

    monkeypatch.setattr(answers, "released", refuse)
    assert answers._newer(LOCAL, "1.25.4", TOO_OLD) is None


# ---- go.work, as Go prints it.


@pytest.mark.parametrize(
    ("text", "toolchain", "debug"),
    [
        ("go 1.21\n", None, {}),
        ("go 1.21\n\ntoolchain go1.21.1\n", "go1.21.1", {}),
        ("godebug default=go1.20\ngodebug panicnil=1\n", None, {"default": "go1.20", "panicnil": "1"}),
        ("godebug (\n\t// Why.\n\ta=1 // so\n\tb=2\n)\nuse (\n\tc=3\n)\n", None, {"a": "1", "b": "2"}),
    ],
)
def test_the_settings_of_a_workspace_are_read_from_gos_own_print(
    tmp_path: Path, text: str, toolchain: str | None, debug: dict[str, str]
) -> None:
    program = tmp_path / "go"
    program.write_text(f'#!/bin/sh\necho "$GOWORK $*" > {tmp_path}/asked\ncat {tmp_path}/go.work\n')
    program.chmod(0o755)
    (tmp_path / "go.work").write_text(text)
    found = answers._work_settings(replace(LOCAL, path=str(program)), tmp_path / "go.work")
    assert found["Toolchain"] == toolchain
    assert {each["Key"]: each["Value"] for each in found["GoDebug"]} == debug
    assert (tmp_path / "asked").read_text() == f"off work edit -print {tmp_path}/go.work\n"


# ---- From what is there, and from the network.

WHOLE, LACKING = {"mod/a": Made()}, {"mod/a": Made(missing=["x"])}


@pytest.mark.parametrize(
    ("offline", "networks"),
    [
        (WHOLE, [False]),
        (LACKING, [False, True]),
        (GoError("dial tcp: no route"), [False, True]),
        (GoError("import cycle"), [False]),
    ],
)
def test_the_network_is_asked_where_that_may_help(
    monkeypatch: pytest.MonkeyPatch, offline: dict[str, Made] | GoError, networks: list[bool]
) -> None:
    asked: list[bool] = []

    def made_of(*_: object, network: bool) -> tuple[None, dict[str, Made]]:
        asked.append(network)
        if not network and isinstance(offline, GoError):
            raise offline
        return None, WHOLE if network or isinstance(offline, GoError) else offline

    monkeypatch.setattr(answers, "_made_of", made_of)
    with contextlib.suppress(GoError):
        assert answers._made(Tree(Path("/tree"), Path("/cache")), QUESTION, LOCAL)[1] == WHOLE
    assert asked == networks


def test_a_tree_that_wants_a_newer_patch_is_read_with_that(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def made(_tree: Tree, _question: Question, go: GoCommand) -> None:
        asked.append(go.toolchain)
        raise TOO_OLD

    monkeypatch.setattr(answers, "_made", made)
    monkeypatch.setattr(answers, "released", lambda go, line: replace(go, toolchain=f"newest of {line}"))
    with pytest.raises(InputError, match=r"^\./mod/a, \./mod/b cannot be built: go\.mod requires go >= 1\.25\.7"):
        answers._read(Tree(Path("/tree"), Path("/cache")), QUESTION, LOCAL, "1.25.4")
    assert asked == ["local", "newest of 1.25"]


def test_what_is_no_fault_of_the_tree_is_told_as_go_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(*_: object) -> None:
        raise GoError("strange")  # noqa: EM101

    monkeypatch.setattr(answers, "_made", made)
    with pytest.raises(GoUnavailableError, match=r"^`go list` failed: strange$"):
        answers._read(Tree(Path("/tree"), Path("/cache")), QUESTION, LOCAL, None)


@pytest.mark.parametrize("is_at_hand", [True, False])
def test_the_modules_of_a_workspace_are_asked_in_a_copy_of_it(tmp_path: Path, *, is_at_hand: bool) -> None:
    program = tmp_path / "go"
    noted = "ex.com/a v1 h1:x\\nex.com/a v1/go.mod h1:y\\nex.com/b v2/go.mod h1:z\\n"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$GOPROXY $GOSUMDB $*" >> {tmp_path}/asked; cat "$GOWORK" > {tmp_path}/work\n'
        f"[ $1 = mod ] || {{ cat main.go > {tmp_path}/main; {'true' if is_at_hand else 'exit 1'}; }}\n"
        f'[ $1 = mod ] || printf "{noted}" > "$GOWORK.sum"\n'
        "echo 'ex.com/m ex.com/d@v4'; echo 'ex.com/d@v4 ex.com/c@v3'\n"
    )
    program.chmod(0o755)
    (tmp_path / "tree").mkdir()
    go = GoCommand(str(program), "local", {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)})
    edited: dict[str, dict[str, object]] = {
        "go.work": {"Go": "1.21", "Use": [{"DiskPath": "./mod"}]},
        "mod/go.mod": {"Module": {"Path": "ex.com/m"}, "Go": "1.21"},
    }
    answer = Answer(QUESTION, {"mod/a": Made(workspace=["mod"], packages=["ex.com/a/sub"])}, edited)
    graphs = answers._graphs(Tree(tmp_path / "tree", tmp_path), QUESTION, go, answer)
    # What Go noted, or all that it knows of.
    read = [("ex.com/a", "v1"), ("ex.com/b", "v2")] if is_at_hand else [("ex.com/c", "v3"), ("ex.com/d", "v4")]
    assert graphs == {"mod/a": read}
    asked = ["off off list -e -deps .", *([] if is_at_hand else ["  mod graph"])]
    assert (tmp_path / "asked").read_text().splitlines() == asked
    assert (tmp_path / "main").read_text() == 'package main\n\nimport _ "ex.com/a/sub"\n'
    assert (tmp_path / "work").read_text() == "go 1.21\n\nuse (\n\t./mod\n)\n"


def test_a_workspace_that_needs_no_module_reads_none(tmp_path: Path) -> None:
    program = tmp_path / "go"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    go = GoCommand(str(program), "local", {"PATH": "/usr/bin:/bin"})
    assert answers._read_for([], go, tmp_path, tmp_path / "go.work") == []
