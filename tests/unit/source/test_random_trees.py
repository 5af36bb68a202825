"""Random trees with modules, and random edits: what is said to be linked against what the compiler makes.

CARBIDE_ORACLE_ROUNDS asks for more edits, CARBIDE_ORACLE_SEED repeats those of a failure. No code of the product is in
the oracle: it compares binaries, byte by byte.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from carbide_infra.source.inputs import Inputs, ModuleAccess, Target, Wanted, inputs_of
from carbide_infra.source.staging import Place, stage
from tests.support.module_proxy import publish, sums

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="the oracle is the go command")

ROUNDS = int(os.environ.get("CARBIDE_ORACLE_ROUNDS", "8"))
SEED = int(os.environ.get("CARBIDE_ORACLE_SEED") or random.SystemRandom().randrange(1 << 32))
EDITS_OF_A_TREE = 2
PLATFORMS = ("linux/amd64", "linux/arm64")
FLAGS = ("-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags=-w -s -buildid=")
MODULE_FILES = frozenset({"go.mod", "go.sum", "go.work", "go.work.sum", "modules.txt"})
LAYOUTS = ("module", "vendor", "workspace", "modules")


# ---- Modules that others have published.


def _library(name: str, version: str, *imports: str, requires: str = "", also: Sequence[str] = ()) -> dict[str, str]:
    package = _package(name.rpartition("/")[2], f"{name} {version}", imports)
    files = {"go.mod": f"module {name}\n\ngo 1.21\n{requires}", "lib.go": package}
    return files | {f"{folder}/x.go": _package(folder, f"{name}/{folder} {version}", ()) for folder in also}


def _package(name: str, text: str, imports: Sequence[str]) -> str:
    lines = "".join(f'import i{n} "{path}"\n' for n, path in enumerate(imports))
    calls = "".join(f" + i{n}.F()" for n in range(len(imports)))
    return f'package {name}\n\n{lines}\nfunc F() string {{ return "{text}"{calls} }}\n'


def _published(proxy: Path) -> None:
    for version in ("v1.0.0", "v1.1.0"):
        need_b = f"\nrequire ex.com/b {version}\n"
        publish(proxy, "ex.com/a", version, _library("ex.com/a", version, "ex.com/b", requires=need_b, also=["sub"]))
        publish(proxy, "ex.com/b", version, _library("ex.com/b", version, also=["sub", "other"]))
        publish(proxy, "ex.com/c", version, _library("ex.com/c", version, "ex.com/b/sub", requires=need_b))
        publish(proxy, "ex.com/d", version, _library("ex.com/d", version))
        sdk = "\nrequire ex.com/shared v0.1.0\n"
        publish(proxy, "ex.com/sdk", version, _library("ex.com/sdk", version, "ex.com/shared/deep", requires=sdk))
    publish(proxy, "ex.com/shared", "v0.1.0", _library("ex.com/shared", "v0.1.0", also=["deep"]))
    # Of before Go pruned graphs, and of before that said its language version.
    need_older = "\nrequire ex.com/older v1.0.0\n"
    old = _library("ex.com/old", "v1.0.0", "ex.com/older", requires=need_older)
    publish(proxy, "ex.com/old", "v1.0.0", old | {"go.mod": f"module ex.com/old\n\ngo 1.15\n{need_older}"})
    older = _library("ex.com/older", "v1.0.0", also=["sub"])
    publish(proxy, "ex.com/older", "v1.0.0", older | {"go.mod": "module ex.com/older\n"})


OUTSIDE = (
    "ex.com/a", "ex.com/a/sub", "ex.com/b", "ex.com/b/sub", "ex.com/b/other", "ex.com/c", "ex.com/sdk", "ex.com/old",
)  # fmt: skip


# ---- A tree of two binaries.


@dataclass
class Grove:
    """A random source tree, and the chance that decides what happens to it.

    Attributes:
        root: the tree.
        layout: one of LAYOUTS.
        chance: the source of all choices.
        environment: for the go command.
        mains: folder of each main package.
        modules: folder of each module.
    """

    root: Path
    layout: str
    chance: random.Random
    environment: Mapping[str, str]
    mains: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)

    def plant(self) -> None:
        """Make the tree."""
        is_apart = self.layout in {"workspace", "modules"}
        self._module("shared", "ex.com/shared", ["deep", "flat"], {})
        self._module("unused", "ex.com/unused", ["u"], {})
        if is_apart:
            for name in ("one", "two"):
                self._module(name, f"ex.com/{name}", [f"p{n}" for n in range(3)], {"main": name})
                self.mains.append(name)
        else:
            self._module(".", "ex.com/m", [f"p{n}" for n in range(5)], {})
            for name in ("one", "two"):
                self._main(f"cmd/{name}", "ex.com/m", [f"ex.com/m/p{n}" for n in range(5)])
                self.mains.append(f"cmd/{name}")
        if self.layout == "workspace":
            self.write("go.work", "go 1.21\n\nuse (\n\t./one\n\t./two\n\t./shared\n\t./unused\n)\n")
        self.settle()

    def _module(self, folder: str, path: str, packages: Sequence[str], options: Mapping[str, str]) -> None:
        self.modules.append(folder)
        up = "" if folder == "." else "../"
        replaced = "" if self.layout == "workspace" or folder in {"shared", "unused"} else (
            f"\nreplace (\n\tex.com/shared => {up or './'}shared\n\tex.com/unused => {up or './'}unused\n)\n"
        )  # fmt: skip
        self.write(f"{folder}/go.mod", f"// of {path}\nmodule {path}\n\ngo 1.21\n{replaced}")
        known: list[str] = []
        for name in packages:
            outside = () if folder in {"shared", "unused"} else self.chance.sample(OUTSIDE, self.chance.randint(0, 2))
            shared = ["ex.com/shared/flat"] if outside and self.chance.random() < 0.3 else []
            imports = self.chance.sample(known, min(len(known), self.chance.randint(0, 2)))
            self._write_package(f"{folder}/{name}", name, [*imports, *outside, *shared])
            known.append(f"{path}/{name}")
        if "main" in options:
            self._main(folder, path, known)

    def _main(self, folder: str, path: str, known: Sequence[str]) -> None:
        imports = self.chance.sample(known, self.chance.randint(1, 2))
        lines = "".join(f'import i{n} "{each}"\n' for n, each in enumerate(imports))
        calls = ", ".join(f"i{n}.F()" for n in range(len(imports)))
        self.write(f"{folder}/main.go", f'package main\n\n{lines}\nfunc main() {{ println("{path}", {calls}) }}\n')

    def _write_package(self, folder: str, name: str, imports: Sequence[str]) -> None:
        self.write(f"{folder}/{name}.go", _package(name, f"{folder} {self.number()}", imports))
        self.write(f"{folder}/x_arm64.go", f"package {name}\n\nvar arm = {self.number()}\n")
        self.write(f"{folder}/x_windows.go", f"package {name}\n\nvar windows = {self.number()}\n")
        if self.chance.random() < 0.5:
            embedded = f'package {name}\n\nimport "embed"\n\n//go:embed all:text *.sql\nvar files embed.FS\n\n'
            self.write(f"{folder}/e.go", f'{embedded}func init() {{ files.ReadFile("x") }}\n')
            self.write(f"{folder}/text/deep/a.txt", f"{self.number()}\n")
            self.write(f"{folder}/q.sql", "select 1;\n")

    def settle(self) -> None:
        """Have Go write what it needs after an edit: requirements, hashes, copies of modules."""
        for folder in self.modules:
            self.go(folder, "mod", "tidy", "-e", GOWORK="off")
        if self.layout == "workspace":
            self.go(".", "work", "sync")
        if self.layout == "vendor":
            self.vendor()

    def vendor(self) -> None:
        """Copy modules into the tree."""
        shutil.rmtree(self.root / "vendor", ignore_errors=True)
        self.go(".", "mod", "vendor")

    def go(self, folder: str, *arguments: str, **variables: str) -> None:
        done = subprocess.run(
            ["go", *arguments], cwd=self.root / folder, env={**self.environment, **variables}, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"go {' '.join(arguments)} in {folder}: {done.stderr}"

    def write(self, name: str, text: str) -> str:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return name

    def append(self, name: str, text: str) -> str:
        with (self.root / name).open("a", encoding="utf-8") as stream:
            stream.write(text)
        return name

    def any(self, pattern: str) -> str:
        found = [path for path in self.root.rglob(pattern) if "vendor" not in path.parts]
        return str(self.chance.choice(sorted(found)).relative_to(self.root))

    def number(self) -> int:
        return self.chance.randrange(1 << 30)

    def some_module(self) -> str:
        return self.chance.choice([each for each in self.modules if each not in {"shared", "unused"}])


# ---- Edits: each leaves a tree that compiles, and says what it did.


def _bump(grove: Grove) -> str:
    module = grove.chance.choice(["ex.com/a", "ex.com/b", "ex.com/c", "ex.com/sdk"])
    version = grove.chance.choice(["v1.0.0", "v1.1.0"])
    folder = grove.some_module()
    grove.go(folder, "mod", "edit", f"-require={module}@{version}")
    return f"{folder} requires {module}@{version}"


def _require_unused(grove: Grove) -> str:
    folder = grove.some_module()
    return grove.append(f"{folder}/go.mod", "\nrequire ex.com/d v1.0.0\n")


def _exclude(grove: Grove) -> str:
    return grove.append(f"{grove.some_module()}/go.mod", f"\nexclude ex.com/d v1.{grove.number()}.0\n")


def _replace_unused(grove: Grove) -> str:
    folder = grove.some_module()
    grove.go(folder, "mod", "edit", f"-replace=ex.com/x{grove.number()}=ex.com/d@v1.0.0")
    return f"{folder} replaces what nobody requires"


def _replace_version(grove: Grove) -> str:
    folder = grove.some_module()
    grove.go(folder, "mod", "edit", "-replace=ex.com/b=ex.com/b@v1.1.0")
    return f"{folder} replaces b"


def _replace_in_workspace(grove: Grove) -> str:
    if grove.layout != "workspace":
        return "nothing"
    version = grove.chance.choice(["v1.0.0", "v1.1.0"])
    grove.go(".", "work", "edit", f"-replace=ex.com/b=ex.com/b@{version}")
    return f"the workspace replaces b by {version}"


def _sum_of_unused(grove: Grove) -> str:
    lines = sums("ex.com/d", "v1.0.0", _library("ex.com/d", "v1.0.0"))
    return grove.append(f"{grove.some_module()}/go.sum", lines)


def _import_more(grove: Grove) -> str:
    name = grove.any("main.go")
    path = grove.chance.choice(OUTSIDE)
    text = (grove.root / name).read_text()
    if f'"{path}"' in text:
        return "nothing"
    number = f"more{grove.number()}"
    text = text.replace("package main\n", f'package main\n\nimport {number} "{path}"\n', 1)
    grove.write(name, f"{text}\nfunc init() {{ println({number}.F()) }}\n")
    return f"{name} imports {path}"


def _add_test(grove: Grove) -> str:
    neighbour = grove.root / grove.any("*.go")
    clause = next(line for line in neighbour.read_text().splitlines() if line.startswith("package "))
    return grove.write(str(neighbour.with_name(f"n{grove.number()}_test.go").relative_to(grove.root)), f"{clause}\n")


def _make_executable(grove: Grove) -> str:
    name = grove.any("*.go")
    (grove.root / name).chmod(0o755)
    return name


EDITS: Mapping[str, Callable[[Grove], str]] = {
    "code": lambda g: g.append(g.any("*.go"), f"\nfunc init() {{ println({g.number()}) }}\n"),
    "comment": lambda g: g.append(g.any("*.go"), f"// {g.number()}\n"),
    "test": _add_test,
    "embedded": lambda g: g.write(f"{Path(g.any('text')).parent}/text/n/{g.number()}", "x") if g.chance else "",
    "document": lambda g: g.write(f"{Path(g.any('*.go')).parent}/README.md", f"{g.number()}"),
    "comment in go.mod": lambda g: g.append(g.any("go.mod"), f"// {g.number()}\n"),
    "retraction": lambda g: g.append(f"{g.some_module()}/go.mod", f"\nretract v0.{g.number()}.0\n"),
    "bump": _bump,
    "another bump": _bump,
    "unused requirement": _require_unused,
    "exclusion": _exclude,
    "unused replacement": _replace_unused,
    "replaced version": _replace_version,
    "replaced version in the workspace": _replace_in_workspace,
    "hash of what is not linked": _sum_of_unused,
    "import": _import_more,
    "mode": _make_executable,
    "nested module": lambda g: g.write(f"nested{g.number()}/go.mod", "module ex.com/nested\n"),
}
# These stay as they are, where `go mod tidy` would take them back.
UNSETTLED = frozenset({"unused requirement", "hash of what is not linked", "comment in go.mod", "exclusion", "mode"})


# ---- The oracle.


@dataclass(frozen=True)
class State:
    """What one state of a tree is said to be made of, and what it makes."""

    inputs: Mapping[str, Inputs]
    binaries: Mapping[str, str]

    def said(self, main: str) -> dict[str, tuple[str, bool]]:
        return {file.path: (file.sha256, file.executable) for file in self.inputs[main].files}


@dataclass(frozen=True)
class Machine:
    """Where trees are built."""

    folder: Path
    environment: Mapping[str, str]

    def state(self, grove: Grove) -> State:
        wanted = {main: Wanted([Target(f"./{main}", PLATFORMS)]) for main in grove.mains}
        access = ModuleAccess({"GOPROXY": self.environment["GOPROXY"], "GONOSUMDB": "*", "GONOSUMCHECK": "1"})
        inputs = inputs_of(grove.root, wanted, self.folder / "cache", access)
        assert not any(found.fallback for found in inputs.values()), inputs
        with ThreadPoolExecutor(2) as pool:
            full = pool.map(lambda main: self.build(grove.root, main, "full"), grove.mains)
            staged = pool.map(lambda main: self._build_staged(grove.root, main, inputs[main]), grove.mains)
            binaries, others = list(full), list(staged)
        assert binaries == others, f"what is staged of {grove.root} makes another binary"
        return State(inputs, dict(zip(grove.mains, binaries, strict=True)))

    def _build_staged(self, root: Path, main: str, inputs: Inputs) -> str:
        content = [[file.path, file.sha256] for file in inputs.files]
        key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
        place = Place(self.folder / "contexts", main.replace("/", "-"), key)
        stage(root, inputs, "FROM scratch\n", place)
        hashes = place.context / "go.work.sum"
        before = hashes.read_bytes() if hashes.exists() else b""
        made = self.build(place.context, main, "staged")
        # In a workspace Go writes what it lacks there, and an image's context cannot be written to.
        assert (hashes.read_bytes() if hashes.exists() else b"") == before, f"{hashes} lacks what Go needs"
        return made

    def build(self, root: Path, main: str, kind: str) -> str:
        """The SHA-256 of the binary, built as the Dockerfiles do, without the network."""
        module = next(folder for folder in (root / main, *(root / main).parents) if (folder / "go.mod").is_file())
        binary = self.folder / f"{kind}-{main.replace('/', '-')}"
        done = subprocess.run(
            ["go", "build", *FLAGS, "-o", binary, f"./{os.path.relpath(root / main, module)}"],
            cwd=module, env={**self.environment, "GOPROXY": "off"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{kind} {main}: {done.stderr}"
        return hashlib.sha256(binary.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    folder = tmp_path_factory.mktemp("machine")
    _published(folder / "proxy")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GO") or name == "GOCACHE"}
    return Machine(
        folder,
        environment
        | {
            "GOPROXY": f"file://{folder}/proxy",
            "GOMODCACHE": str(folder / "modules"),
            "GOFLAGS": "-modcacherw",
            "GONOSUMDB": "*",
            "GONOSUMCHECK": "1",
            "GOSUMDB": "off",
            "GOENV": "off",
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
        },
    )


@pytest.mark.parametrize("tree", range(-(-ROUNDS // EDITS_OF_A_TREE)))
def test_an_edit_shows_where_the_binary_differs(
    tree: int, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOMODCACHE", machine.environment["GOMODCACHE"])
    chance = random.Random(f"{SEED} {tree}")  # noqa: S311 - it keeps no secrets
    grove = Grove(tmp_path / "tree", LAYOUTS[tree % len(LAYOUTS)], chance, machine.environment)
    grove.plant()
    told = [f"tree {tree} ({grove.layout}) of CARBIDE_ORACLE_SEED={SEED}"]
    before = machine.state(grove)
    for _ in range(EDITS_OF_A_TREE):
        kind = chance.choice(sorted(EDITS))
        told.append(f"{kind}: {EDITS[kind](grove)}")
        if kind not in UNSETTLED:
            grove.settle()
        elif grove.layout == "vendor":
            grove.vendor()
        after = machine.state(grove)
        for main in grove.mains:
            _agree(before, after, main, told)
        before = after


def _agree(before: State, after: State, main: str, told: Sequence[str]) -> None:
    was, now = before.said(main), after.said(main)
    changed = {name for name in was.keys() | now.keys() if was.get(name) != now.get(name)}
    if before.binaries[main] != after.binaries[main]:
        assert changed, f"{main} has another binary, and nothing shows: {told}"
    else:
        sources = {name for name in changed if Path(name).name not in MODULE_FILES}
        assert bool(sources) == bool(changed), f"{main} has the same binary, and {sorted(changed)} show: {told}"
