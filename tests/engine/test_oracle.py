"""Random edits of the sample tree: the preview's answer against the Go compiler's.

CARBIDE_ORACLE_ROUNDS asks for more rounds, CARBIDE_ORACLE_SEED repeats those of a failure.
"""

import json
import os
import random
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engine.clones import apart
from tests.engine.conftest import Deployed
from tests.engine.previews import ALL, Stack
from tests.support.catalogue import CATALOGUE

pytestmark = pytest.mark.apart
ROUNDS = int(os.environ.get("CARBIDE_ORACLE_ROUNDS", "4"))
SEED = int(os.environ.get("CARBIDE_ORACLE_SEED") or random.SystemRandom().randrange(1 << 32))
MOST_EDITS = 3
ARCHITECTURES = ("amd64", "arm64")
KINDS = ("GoFiles", "EmbedFiles", "SFiles", "HFiles", "SysoFiles")
# As the Dockerfiles compile.
FLAGS = ("-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")
MODULE = "github.com/nvidia/carbide-rest-api"
EVERY_BINARY = frozenset({"VERSION"})
# The edit of which neither the compiler nor the image takes notice.
MODE = "mode"


# ---- The oracle: what the compiler makes, and what it reads. No code of the product.


@dataclass(frozen=True)
class Compiler:
    """Go, asked in one source tree."""

    source: Path
    environment: Mapping[str, str]

    def binaries(self) -> dict[str, tuple[str, ...]]:
        """What each image's linux/amd64 binary is linked from: the version, and the hash of every compiled package.

        The linker, which adds nothing of its own, would take most of a round; a second platform, half of a cold one.
        """
        version = self._version()
        return {
            image: (version, *(f"{found['ImportPath']} {_compiled(found)}" for found in packages))
            for image, packages in self._packages("amd64", "BuildID", "-export", *FLAGS).items()
        }

    def reads(self) -> dict[str, frozenset[str]]:
        """The files that each image's binaries are compiled from, on any platform."""
        listed = [self._packages(name, f"Dir,Module,{','.join(KINDS)}") for name in ARCHITECTURES]
        return {
            image: EVERY_BINARY.union(*(self._files(found) for packages in listed for found in packages[image]))
            for image in ALL
        }

    def _packages(self, architecture: str, fields: str, *flags: str) -> dict[str, list[dict[str, Any]]]:
        """What `go list` says of each image's packages, its main package first."""
        folders = {service.binaries[0].package: service.name for service in CATALOGUE.values()}
        answer = self._go(architecture, "list", "-deps", *flags, f"-json=ImportPath,Deps,{fields}", *folders)
        packages = {found["ImportPath"]: found for found in _documents(answer)}
        return {
            image: [packages[path] for path in (main, *sorted(packages[main].get("Deps", ())))]
            for folder, image in folders.items()
            for main in [f"{MODULE}/{folder.removeprefix('./')}"]
        }

    def _files(self, package: Mapping[str, Any]) -> set[str]:
        if not package.get("Module", {}).get("Main"):
            return set()
        names = [name for kind in KINDS for name in package.get(kind, ())]
        return {os.path.relpath(Path(package["Dir"], name), self.source) for name in names}

    def _version(self) -> str:
        lines = (line.strip() for line in (self.source / "VERSION").read_text().splitlines())
        return next(line for line in lines if line and not line.startswith("#"))

    def _go(self, architecture: str, *arguments: str) -> str:
        variables = {"CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": architecture, "GOTOOLCHAIN": "local"}
        done = subprocess.run(
            ["go", *arguments],
            cwd=self.source,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def _compiled(package: Mapping[str, Any]) -> str:
    """The second half of a build ID: the hash of what was compiled. The first is that of what it was compiled from."""
    return str(package.get("BuildID", "").rpartition("/")[2])


def _documents(text: str) -> list[dict[str, Any]]:
    """JSON documents, one behind the other."""
    decoder, found, position = json.JSONDecoder(), [], 0
    while position < len(text):
        document, position = decoder.raw_decode(text, position)
        found.append(document)
        position += len(text[position:]) - len(text[position:].lstrip())
    return found


# ---- The edits: every one leaves a tree that compiles. Each gives the file that it touched.


class Editor:
    """A source tree, and the chance that decides what happens to it."""

    def __init__(self, source: Path, chance: random.Random) -> None:
        self.source = source
        self.chance = chance

    def edit(self) -> tuple[str, str]:
        """Do one thing; gives its name and the file."""
        kind = self.chance.choice(sorted(EDITS))
        file = EDITS[kind](self)
        return kind, os.path.relpath(file, self.source)

    def any(self, pattern: str) -> Path:
        """One of the files that are there."""
        return self.chance.choice(sorted(self.source.rglob(pattern)))

    def statement(self) -> str:
        """Go code that no other edit wrote, and that no linker leaves out."""
        return f"\nfunc init() {{ println({self.number()}) }}\n"

    def number(self) -> int:
        return self.chance.randrange(1 << 30)

    def beside_code(self, name: str, content: str) -> Path:
        """A new file in the folder of some package; {package} is the package's name."""
        neighbour = self.chance.choice([file for file in sorted(self.source.rglob("*.go")) if _is_code(file)])
        clause = next(line for line in neighbour.read_text().splitlines() if line.startswith("package "))
        file = neighbour.with_name(name)
        file.write_text(content.replace("{package}", clause.removeprefix("package ")))
        return file


def _is_code(file: Path) -> bool:
    return not file.name.endswith("_test.go")


def _append(file: Path, text: str) -> Path:
    with file.open("a", encoding="utf-8") as stream:
        stream.write(text)
    return file


def _prepend(file: Path, text: str) -> Path:
    file.write_text(text + file.read_text())
    return file


def _make_executable(file: Path) -> Path:
    file.chmod(0o755)
    return file


def _remove(file: Path) -> Path:
    file.unlink()
    return file


EDITS: Mapping[str, Callable[[Editor], Path]] = {
    "code": lambda e: _append(e.any("*.go"), e.statement()),
    "code of a package": lambda e: _append(e.any("pkg/*/*.go"), e.statement()),
    "unused code": lambda e: _append(e.any("*.go"), f"\nfunc unused{e.number()}() {{}}\n"),
    "comment at the end": lambda e: _append(e.any("*.go"), f"// {e.number()}\n"),
    "comment that moves lines": lambda e: _prepend(e.any("*.go"), f"// {e.number()}\n"),
    "new code": lambda e: e.beside_code(f"new{e.number()}.go", f"package {{package}}\n{e.statement()}"),
    "new code for arm64": lambda e: e.beside_code(f"n{e.number()}_arm64.go", f"package {{package}}\n{e.statement()}"),
    "new code for windows": lambda e: e.beside_code(
        f"n{e.number()}_windows.go", f"package {{package}}\n{e.statement()}"
    ),
    "new code behind a tag": lambda e: e.beside_code(
        f"new{e.number()}.go", f"//go:build linux && !amd64\n\npackage {{package}}\n{e.statement()}"
    ),
    "test": lambda e: _append(e.any("*_test.go"), e.statement()),
    "new test": lambda e: e.beside_code(f"new{e.number()}_test.go", f"package {{package}}\n{e.statement()}"),
    "removed test": lambda e: _remove(e.any("*_test.go")),
    "embedded SQL": lambda e: _append(e.any("*.sql"), f"-- {e.number()}\n"),
    "new embedded SQL": lambda e: _append(e.any("sql") / f"0004_n{e.number()}.sql", "select 1;\n"),
    "embedded YAML": lambda e: _append(e.any("openapi.yaml"), f"# {e.number()}\n"),
    "asset": lambda e: e.beside_code(f"logo{e.number()}.svg", "<svg/>\n"),
    "document": lambda e: _append(e.any("*.md"), f"{e.number()}\n"),
    ".dockerignore": lambda e: _append(e.source / ".dockerignore", f"*.{e.number()}\n"),
    "comment in VERSION": lambda e: _prepend(e.source / "VERSION", f"# {e.number()}\n"),
    "unused requirement": lambda e: _append(e.source / "go.mod", "\nrequire golang.org/x/net v0.48.0 // indirect\n"),
    "comment in go.mod": lambda e: _append(e.source / "go.mod", f"// {e.number()}\n"),
    MODE: lambda e: _make_executable(e.any("*.go")),
}


# ---- The rounds.


@dataclass(frozen=True)
class Before:
    """What is deployed, and a clone of what it was made of."""

    stack: Stack
    compiler: Compiler
    binaries: Mapping[str, tuple[str, ...]]
    reads: Mapping[str, frozenset[str]]


@pytest.fixture(scope="module")
def before(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Before:
    stack = apart(deployed, tmp_path_factory.mktemp("apart"))
    compiler = Compiler(stack.root / "examples/carbide-rest-api", stack.environment)
    assert not stack.preview().images
    return Before(stack, compiler, compiler.binaries(), compiler.reads())


@pytest.fixture
def source(before: Before) -> Iterator[Path]:
    """The clone's source tree, put back to its commit after the test."""
    yield before.compiler.source
    for command in (["checkout", "--quiet", "--", "."], ["clean", "--quiet", "--force", "-d"]):
        subprocess.run(["git", *command], cwd=before.compiler.source, check=True)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_preview_agrees_with_the_compiler(number: int, before: Before, source: Path) -> None:
    editor = Editor(source, random.Random(f"{SEED} {number}"))  # noqa: S311 - it keeps no secrets
    edits = [editor.edit() for _ in range(editor.chance.randint(1, MOST_EDITS))]
    binaries = before.compiler.binaries()
    different = {name for name in ALL if binaries[name] != before.binaries[name]}
    shown = frozenset(before.stack.preview().images)
    told = f"round {number} of CARBIDE_ORACLE_SEED={SEED}: {edits}"
    # So an image that shows as unchanged has the same binary.
    assert different <= shown, told
    edited, after = {file for kind, file in edits if kind != MODE}, before.compiler.reads()
    reads = {name: before.reads[name] | after[name] for name in ALL}
    # And that of the other platform, which is not compiled here, was made from the same files.
    assert {name for name in ALL if edited & (reads[name] - EVERY_BINARY)} <= shown, told
    # A comment changes nothing for the compiler, but the file with it is an input.
    assert all(edited & reads[name] for name in shown - different), told
