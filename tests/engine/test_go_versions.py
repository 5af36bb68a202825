"""The stack's Go decides, whatever Go the machine has: releases are fetched from where modules come from."""

import json
import subprocess
from pathlib import Path

import pytest

from carbide_infra.source.inputs import Inputs, ModuleAccess, Target, Wanted, inputs_of

MAIN = "package main\n\nfunc main() {}\n"


@pytest.fixture(scope="module")
def access() -> ModuleAccess:
    """As this machine fetches modules."""
    names = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY")
    answer = subprocess.run(["go", "env", "-json", *names], capture_output=True, text=True, check=True).stdout
    return ModuleAccess({name: value for name, value in json.loads(answer).items() if value})


def made(root: Path, access: ModuleAccess, version: str) -> Inputs:
    target = Target("./cmd/a", ("linux/amd64",), go_version=version)
    return inputs_of(root, {"a": Wanted([target])}, root / ".cache", access)["a"]


@pytest.mark.parametrize(
    ("version", "files"),
    [
        ("1.24.13", {"cmd/a/main.go", "cmd/a/old.go"}),
        ("1.25", {"cmd/a/main.go", "cmd/a/new.go", "cmd/a/swiss.go"}),
    ],
)
def test_tags_of_releases_and_experiments_are_those_of_the_stack_s_go(
    tmp_path: Path, access: ModuleAccess, version: str, files: set[str]
) -> None:
    """A Go of this machine may know an experiment that the stack's does not, and the other way round."""
    for name, text in {
        "go.mod": "module example.com/m\n\ngo 1.21\n",
        "cmd/a/main.go": MAIN,
        "cmd/a/new.go": "//go:build go1.25\n\npackage main\n",
        "cmd/a/old.go": "//go:build !go1.25\n\npackage main\n",
        "cmd/a/swiss.go": "//go:build go1.25 && goexperiment.swissmap && !goexperiment.greenteagc\n\npackage main\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = made(tmp_path, access, version)
    assert found.fallback is None
    assert {file.path for file in found.files} == files | {"go.mod"}


def test_directives_that_only_the_stack_s_go_knows(tmp_path: Path, access: ModuleAccess) -> None:
    """`ignore` came with Go 1.25: an older Go on the machine cannot parse it, and need not."""
    (tmp_path / "cmd/a").mkdir(parents=True)
    (tmp_path / "cmd/a/main.go").write_text(MAIN)
    (tmp_path / "go.mod").write_text("module example.com/m\n\ngo 1.25.0\n\nignore ./web\n")
    assert made(tmp_path, access, "1.25").fallback is None
