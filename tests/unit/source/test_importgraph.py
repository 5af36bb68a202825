"""How the Go program that reads import graphs is compiled and asked: a go command of the tests, nothing compiled."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.source import importgraph
from carbide_infra.source.importgraph import GoUnavailableError, Graph, GraphError, Question, Toolchain
from tests.support.started_programs import recorded

FOLDER = Path(importgraph.__file__).parent
FIXED = {
    "GOENV": "off",
    "GOFLAGS": "",
    "GOWORK": "off",
    "GOTOOLCHAIN": "local",
    "GOPROXY": "off",
    "GO111MODULE": "on",
    "CGO_ENABLED": "0",
    "XDG_CONFIG_HOME": "/dev/null",
}
QUESTION = Question("/tree", "m", "w", ("./b", "./a"), ("linux/arm64", "linux/amd64"), "1.25.4", ("t", "s"))
REPLY = {
    "files": ["a/main.go", "go.mod"],
    "packages": {"a": [0, 1]},
    "listings": {"a": {"main.go": "f"}, "b": None},
    "reads": {"go.mod": "f" * 64},
}


class Machine:
    """A go command that gives a version, and compiles any program to one that gives `reply`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.cache.mkdir()
        self.reply = json.dumps(REPLY)
        self.go('case $1 in env) echo go1.99.1 ;; build) cp "$(dirname "$0")/program" "$5" ;; esac')
        self.program('cat > "$(dirname "$0")/request"\ncat "$(dirname "$0")/../reply"')

    def go(self, text: str) -> None:
        script(self.folder / "bin/go", text)

    def program(self, text: str) -> None:
        script(self.folder / "bin/program", text)

    def ask(self, question: Question = QUESTION) -> Graph:
        (self.folder / "reply").write_text(self.reply)
        return Toolchain.found().read_graph(question, self.cache)

    @property
    def request(self) -> object:
        return json.loads((self.cache / "request").read_text())


def script(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return machine


def test_an_answer_is_handed_on_as_it_is(machine: Machine) -> None:
    assert machine.ask() == Graph(["a/main.go", "go.mod"], {"a": [0, 1]}, {"a": {"main.go": "f"}, "b": None},
                                  {"go.mod": "f" * 64})  # fmt: skip
    assert machine.request == {
        "root": "/tree",
        "go": f"{machine.folder}/bin/go",
        "module": "m",
        "work": "w",
        "tags": ["t", "s"],
        "packages": ["./b", "./a"],
        "platforms": ["linux/arm64", "linux/amd64"],
        "goVersion": "1.25.4",
    }


def test_a_tree_without_files_has_a_list_without_files(machine: Machine) -> None:
    machine.reply = json.dumps({**REPLY, "files": None})
    assert machine.ask().files == []


def test_a_complaint_about_the_tree_is_handed_on(machine: Machine) -> None:
    machine.reply = json.dumps({**REPLY, "error": "go.mod cannot be parsed"})
    with pytest.raises(GraphError, match=r"^go\.mod cannot be parsed$"):
        machine.ask()


def test_nothing_but_places_is_taken_from_the_environment(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {name: f"/{name}" for name in ("HOME", "XDG_CACHE_HOME", "GOCACHE", "TMPDIR", "LD_LIBRARY_PATH")}
    for name, value in {**places, "GOROOT": "/r", "GOPATH": "/p", "GOOS": "plan9", "GOFLAGS": "-x", "A": "b"}.items():
        monkeypatch.setenv(name, value)
    started = recorded(monkeypatch)
    machine.ask()
    expected = {**places, "PATH": os.environ["PATH"], **FIXED}
    assert [dict(each.environment or {}) for each in started] == [expected] * 3
    assert os.devnull == FIXED["XDG_CONFIG_HOME"]


def test_the_program_is_compiled_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    started = recorded(monkeypatch)
    machine.ask()
    machine.ask()
    go = f"{machine.folder}/bin/go"
    version, build, first, _, second = started
    assert version.command == (go, "env", "GOVERSION")
    assert build.command[:5] == (go, "build", "-trimpath", "-buildvcs=false", "-o")
    assert build.command[6:] == (".",)
    half = Path(build.command[5])
    assert (half.name, half.parent.parent, half.parent.name[:8]) == ("importgraph", machine.cache, "compile-")
    assert (version.folder, build.folder) == (str(FOLDER), str(FOLDER))
    assert first == second
    assert Path(first.command[0]).parent == machine.cache
    assert {path.name for path in machine.cache.iterdir()} == {Path(first.command[0]).name, "request"}


def test_another_go_command_compiles_another_program(machine: Machine) -> None:
    machine.ask()
    machine.go('case $1 in env) echo go1.99.2 ;; build) cp "$(dirname "$0")/program" "$5" ;; esac')
    machine.ask()
    assert len(list(machine.cache.glob("importgraph-*"))) == 2


def test_a_build_cache_that_cannot_be_written_is_replaced_by_an_own(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOCACHE", "/nonexistent")
    machine.go(
        'case $1 in env) echo go1.99.1 ;; build) [ "$GOCACHE" != /nonexistent ] && cp "$(dirname "$0")/program" "$5" ;;'
        " esac"
    )
    started = recorded(monkeypatch)
    machine.ask()
    _, failed, build, _ = started
    folder = Path(build.command[5]).parent
    assert build.command == failed.command
    assert build.folder == failed.folder
    assert failed.environment is not None
    assert build.environment == {**failed.environment, "GOCACHE": f"{folder}/cache", "GOPATH": f"{folder}/path"}


def complaint_of(action: Callable[[], object]) -> str:
    with pytest.raises(GoUnavailableError) as caught:
        action()
    return str(caught.value)


def test_without_go_there_is_no_toolchain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert complaint_of(Toolchain.found) == "the go command is not on PATH"


@pytest.mark.parametrize(
    ("text", "complaint"), [("echo one >&2; echo two >&2; exit 2", "one"), ("exit 2", "no message")]
)
def test_a_go_command_that_fails(text: str, complaint: str, machine: Machine) -> None:
    machine.go(text)
    assert complaint_of(Toolchain.found) == f"`{machine.folder}/bin/go env` failed: {complaint}"


def test_a_go_command_that_does_not_end(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.go("exec sleep 5")
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: run(*words, **{**options, "timeout": 0.05}))
    assert complaint_of(Toolchain.found).startswith(f"`{machine.folder}/bin/go env` did not run: Command")


def test_a_go_command_that_does_not_compile(machine: Machine) -> None:
    machine.go("case $1 in env) echo go1.99.1 ;; build) echo 'no space' >&2; exit 1 ;; esac")
    assert complaint_of(machine.ask) == f"`{machine.folder}/bin/go build` failed: no space"
    assert list(machine.cache.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("printf 'b\\377d\\nmore\\n' >&2; exit 1", "the import-graph reader failed: b\ufffdd"),
        ("exit 1", "the import-graph reader failed: no message"),
        ("echo no JSON", "the import-graph reader did not run: Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_a_program_that_does_not_answer(text: str, complaint: str, machine: Machine) -> None:
    machine.program(text)
    assert complaint_of(machine.ask) == complaint


def test_nothing_is_waited_for_without_end(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    limits, run = list[object](), subprocess.run

    def limited(*words: Any, **options: Any) -> object:  # noqa: ANN401 - as run takes them
        limits.append(options["timeout"])
        return run(*words, **options)

    monkeypatch.setattr(subprocess, "run", limited)
    machine.ask()
    assert limits == [60, 600, 120]


def test_a_program_that_is_stopped_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carbide_infra.source.importgraph._READ_SECONDS", 0.05)
    machine.program("exec sleep 5")
    assert "the import-graph reader did not run: Command" in complaint_of(machine.ask)


# ---- Names of answers in the cache.


def test_a_question_s_name_says_all_of_it() -> None:
    others = [
        replace(QUESTION, root="/other"),
        replace(QUESTION, module="n"),
        replace(QUESTION, work=None),
        replace(QUESTION, packages=("./a",)),
        replace(QUESTION, platforms=("linux/amd64",)),
        replace(QUESTION, go_version="1.25.5"),
        replace(QUESTION, tags=("t",)),
    ]
    assert len({question.key() for question in (QUESTION, *others)}) == 8
    assert len(QUESTION.key()) == 24


def test_the_order_of_packages_and_platforms_does_not_matter() -> None:
    turned = replace(
        QUESTION, packages=QUESTION.packages[::-1], platforms=QUESTION.platforms[::-1], tags=QUESTION.tags[::-1]
    )
    assert turned.key() == QUESTION.key()


@pytest.mark.parametrize("name", ["go.mod", "main.go"])
def test_another_program_gives_other_names(
    name: str, machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine.ask()
    key = QUESTION.key()
    for each in ("go.mod", "main.go"):
        (tmp_path / each).write_bytes((FOLDER / each).read_bytes() + (b"\n" if each == name else b""))
    monkeypatch.setattr("carbide_infra.source.importgraph.__file__", str(tmp_path / "__init__.py"))
    assert QUESTION.key() != key
    machine.ask()
    assert len(list(machine.cache.glob("importgraph-*"))) == 2
