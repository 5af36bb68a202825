"""What the linker would ignore is said, with the place."""

import shutil
from pathlib import Path

import pytest

from carbide_infra.source.inputs import Target, Wanted, inputs_of
from tests.support.started_programs import recorded

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="Go is asked")

VERSION_GO = """package version

import "os"

const Fixed = "1"
const Prefix = "v"

var (
	Good    = "dev"
	Empty   string
	Joined  = "a" + "b"
	Const   = Prefix + "0"
	Typed   string = "x"
	Called  = os.Getenv("X")
	Number  = 7
	Pair, _ = os.LookupEnv("X")
	Bytes   []byte
)

func Function() {}

type Type string

var Named Type
"""


def warnings(root: Path, cache: Path, *symbols: str) -> tuple[str, ...]:
    files = {
        "go.mod": "module ex.com/m\n\ngo 1.21\n",
        "cmd/a/main.go": 'package main\n\nimport _ "ex.com/m/version"\n\nvar mine string\n\nfunc main() {}\n',
        "version/v.go": VERSION_GO,
        "other/o.go": "package other\n\nvar Version string\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    names = tuple((symbol, symbol.replace("./", "$module/", 1)) for symbol in symbols)
    wanted = {"a": Wanted([Target("./cmd/a", ("linux/amd64",), symbols=names)])}
    return inputs_of(root, wanted, cache)["a"].warnings


def test_what_can_be_set_is_no_news(tmp_path: Path, cache: Path) -> None:
    names = ("Good", "Empty", "Joined", "Const", "Typed")
    symbols = [f"./version.{name}" for name in names] + ["ex.com/m/version.Good", "main.mine"]
    assert warnings(tmp_path, cache, *symbols) == ()


def test_binaries_that_have_their_version_from_one_package_are_one_question(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = 'package main\n\nimport _ "ex.com/m/version"\n\nfunc main() {}\n'
    for name, text in {
        "go.mod": "module ex.com/m\n\ngo 1.21\n",
        "a/a.go": main,
        "b/b.go": main,
        "c/c.go": main,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "version").mkdir()
    (tmp_path / "version/v.go").write_text(VERSION_GO, encoding="utf-8")
    started = recorded(monkeypatch)
    symbols = {"a": ("Good", "Fixed"), "b": ("Fixed", "Good"), "c": ("Fixed", "Good", "Number")}
    wanted = {
        name: Wanted(
            [Target(f"./{name}", ("linux/amd64",), symbols=tuple((each, f"$module/version.{each}") for each in names))]
        )
        for name, names in symbols.items()
    }
    found = inputs_of(tmp_path, wanted, cache)
    assert [len(each.warnings) for each in found.values()] == [1, 1, 2]
    assert all("version.Fixed is a constant" in " ".join(each.warnings) for each in found.values())
    # What only the last binary wants is asked for by itself.
    assert [each.command[1] for each in started].count("run") == 2


def test_symbols_of_one_problem_are_said_together(tmp_path: Path, cache: Path) -> None:
    (warning,) = warnings(tmp_path, cache, "./moved.Version", "./moved.Built")
    assert warning == (
        "./cmd/a: the linker does not set ./moved.Built and ./moved.Version: the binary does not import package "
        "ex.com/m/moved; put the catalogue right, or leave it out with symbols: {./moved.Built: null, "
        "./moved.Version: null}"
    )


@pytest.mark.parametrize(
    ("symbol", "problem"),
    [
        ("./version.Fixed", "ex.com/m/version.Fixed is a constant (v.go:5)"),
        ("./version.Called", "ex.com/m/version.Called gets its value from a call (v.go:14)"),
        ("./version.Pair", "ex.com/m/version.Pair gets its value from a call (v.go:16)"),
        ("./version.Number", "ex.com/m/version.Number is not of type string (v.go:15)"),
        ("./version.Bytes", "ex.com/m/version.Bytes is not of type string (v.go:17)"),
        ("./version.Named", "ex.com/m/version.Named is not of type string (v.go:24)"),
        ("./version.Function", "ex.com/m/version.Function is a function (v.go:20)"),
        ("./version.Type", "ex.com/m/version.Type is a type (v.go:22)"),
        ("./version.Verison", "ex.com/m/version.Verison is not declared there"),
        ("./other.Version", "the binary does not import package ex.com/m/other"),
        ("./moved.Version", "the binary does not import package ex.com/m/moved"),
        ("./cmd/a.mine", "the linker knows package ex.com/m/cmd/a as main: write main.mine"),
        ("ex.com/m/cmd/a.mine", "the linker knows package ex.com/m/cmd/a as main: write main.mine"),
    ],
)
def test_what_cannot_be_set_is_said(symbol: str, problem: str, tmp_path: Path, cache: Path) -> None:
    (warning,) = warnings(tmp_path, cache, symbol)
    assert warning == (
        f"./cmd/a: the linker does not set {symbol}: {problem}; "
        f"put the catalogue right, or leave it out with symbols: {{{symbol}: null}}"
    )
