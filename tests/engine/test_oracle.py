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

from carbide_infra.services import CATALOGUE
from tests.engine.clones import apart
from tests.engine.conftest import Deployed
from tests.engine.previews import ALL, Stack

pytestmark = pytest.mark.apart
ROUNDS = int(os.environ.get("CARBIDE_ORACLE_ROUNDS", "6"))
SEED = int(os.environ.get("CARBIDE_ORACLE_SEED") or random.SystemRandom().randrange(1 << 32))
MOST_EDITS = 3
ARCHITECTURES = ("amd64", "arm64")
# As the Dockerfiles compile.
FLAGS = ("-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")
MODULE = "github.com/nvidia/carbide-rest-api"
EVERY_BINARY = frozenset({"go.mod", "go.sum", "VERSION"})


# ---- The oracle: what the compiler makes, and what it reads. No code of the product.


@dataclass(frozen=True)
class Compiler:
    """Go, asked in one source tree."""

    source: Path
    environment: Mapping[str, str]

    def binaries(self) -> dict[str, tuple[str, ...]]:
        """What each image's binaries are linked from: the version, and the hash of every compiled package.

        The linker, which adds nothing of its own, would take most of a round.
        """
        found = [self._compiled(architecture) for architecture in ARCHITECTURES]
        version = self._version()
        return {image: (version, *(line for packages in found for line in packages[image])) for image in ALL}

    def _compiled(self, architecture: str) -> dict[str, list[str]]:
        folders = {service.package: service.image for service in CATALOGUE.values()}
        fields = "-json=ImportPath,BuildID,Deps"
        listed = _documents(self._go(architecture, "list", "-export", "-deps", *FLAGS, fields, *folders))
        # The second half of a build ID is the hash of what was compiled, the first that of what it was compiled from.
        hashes = {found["ImportPath"]: found.get("BuildID", "").rpartition("/")[2] for found in listed}
        importers = {found["ImportPath"]: found.get("Deps", []) for found in listed}
        return {
            image: [f"{path} {hashes[path]}" for path in (main, *sorted(importers[main]))]
            for folder, image in folders.items()
            for main in [f"{MODULE}/{folder.removeprefix('./')}"]
        }

    def reads(self, image: str) -> frozenset[str]:
        """The files that an image's binaries are compiled from, on any platform."""
        return EVERY_BINARY.union(*(self._files(CATALOGUE[image].package, name) for name in ARCHITECTURES))

    def _files(self, package: str, architecture: str) -> set[str]:
        kinds = ("GoFiles", "EmbedFiles", "SFiles", "HFiles", "SysoFiles")
        listed = self._go(architecture, "list", "-deps", f"-json=Dir,Module,{','.join(kinds)}", package)
        return {
            os.path.relpath(Path(found["Dir"], name), self.source)
            for found in _documents(listed)
            if found.get("Module", {}).get("Main")
            for kind in kinds
            for name in found.get(kind, ())
        }

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
    "comment in go.mod": lambda e: _append(e.source / "go.mod", f"// {e.number()}\n"),
    "mode": lambda e: _make_executable(e.any("*.go")),
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
    reads = {image: compiler.reads(image) for image in ALL}
    return Before(stack, compiler, compiler.binaries(), reads)


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
    # So an image that shows as unchanged has the same binaries.
    assert different <= shown, told
    # A comment is no reason for the compiler, but the file with it is an input.
    edited = {file for _, file in edits}
    assert all(edited & (before.reads[name] | before.compiler.reads(name)) for name in shown - different), told
