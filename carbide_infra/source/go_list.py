"""What `go list` says each binary of a source tree is made of: files, and modules."""

import fnmatch
import json
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carbide_infra.source.go_command import GoCommand, GoError
from carbide_infra.source.go_index import variables_for
from carbide_infra.source.symbols import Files, symbol_problems
from carbide_infra.source.tree import InputError, Tree, is_within

_FIELDS = (
    "Dir,ImportPath,Name,Standard,Module,Match,GoFiles,IgnoredGoFiles,SFiles,HFiles,SysoFiles,EmbedFiles,EmbedPatterns,"
    "Imports,Deps,Error"
)
# What the tree's author can put right. Anything else about a package that is not in the tree is about getting it.
_FAULTS = re.compile(
    r"no required module provides|missing go\.sum entry|updates to go\.(mod|work) needed|is not in (std|GOROOT)|"
    r"build constraints exclude all|no Go files|no matching files found|found packages|import cycle|"
    r"use of (internal|vendored) package|ambiguous import|inconsistent vendoring|requires go >=|cannot embed|"
    r"checksum mismatch|errors parsing|invalid|malformed|import lookup disabled by -mod=vendor|excluded|"
    r"does not contain (package|main module)|not one of the workspace modules|expected|is a program, not an importable"
)
# What `go build` optimises a main package by, where it is there.
_PROFILE = "default.pgo"
_ELSEWHERE = re.compile(r"GOPROXY=off|dial tcp|no such host|timeout|proxy\.|https?://|exit status|could not read")


@dataclass(frozen=True)
class Question:
    """What is asked about main packages of one module.

    Attributes:
        root: the tree, absolute and free of links.
        module: folder of the go.mod, relative to the root.
        work: folder of the go.work that holds, relative to the root; None where there is none.
        packages: folders of main packages, relative to the root.
        platforms: like `linux/amd64`.
        tags: build tags.
        symbols: what the linker is to set: folder of the main package, symbol, its name for the linker.
    """

    root: Path
    module: str
    work: str | None
    packages: Sequence[str]
    platforms: Sequence[str]
    tags: Sequence[str] = ()
    symbols: Sequence[tuple[str, str, str]] = ()

    @property
    def base(self) -> str:
        """The folder that relative replacements and `vendor` are in: of the go.work, else of the go.mod."""
        return self.module if self.work is None else self.work


@dataclass(frozen=True, order=True)
class Linked:
    """A module that a binary links, and is not the tree's own.

    Attributes:
        path: module path.
        version: selected version; empty for a local replacement without one.
        new_path: what replaces it: a module path, or a folder as go.mod has it; empty without a replacement.
        new_version: the version of the replacing module; empty for a folder.
        folder: of a replacement in the tree, relative to its root; empty for others.
    """

    path: str
    version: str
    new_path: str = ""
    new_version: str = ""
    folder: str = ""

    @property
    def source(self) -> tuple[str, str]:
        """Path and version that go.sum has it under."""
        return (self.new_path, self.new_version) if self.new_version else (self.path, self.version)


@dataclass(frozen=True)
class Made:
    """What one binary is made of, on any of the platforms.

    Attributes:
        files: of the tree, relative to the root.
        imports: import path → those of its packages, for packages of the tree; folders, relative to the root.
        packages: import paths of packages that are not in the tree, but for the standard library.
        linked: the modules that these are of, and those of the tree that stand for a module.
        workspace: folders of the workspace's modules that it links, relative to the root.
        needs: the newest Go release that a module of it asks for, and which module: `1.25.7`, `example.com/m`.
        missing: what could not be had of its modules; empty where all was.
        warnings: what somebody should know.
    """

    files: list[str] = field(default_factory=list)
    imports: dict[str, list[str]] = field(default_factory=dict)
    packages: list[str] = field(default_factory=list)
    linked: list[Linked] = field(default_factory=list)
    workspace: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


Package = Mapping[str, Any]


@dataclass(frozen=True)
class Listing:
    """The packages of one platform, by import path."""

    question: Question
    platform: str
    packages: Mapping[str, Package]

    def main(self, folder: str) -> Package:
        """The package in a folder."""
        path = str(self.question.root / folder)
        for package in self.packages.values():
            if package.get("Match") and posixpath.normpath(package.get("Dir", "")) == path:
                return package
        return next(
            (each for each in self.packages.values() if _pattern(self.question, folder) in each.get("Match", ())), {}
        )

    def closure(self, folder: str) -> list[Package]:
        """A main package, and all that it imports, directly or not, but for the standard library."""
        main = self.main(folder)
        found = [main, *(self.packages[path] for path in main.get("Deps", ()) if path in self.packages)]
        return [package for package in found if not package.get("Standard")]


def is_fault(text: str) -> bool:
    """Whether the tree's author can put it right; else something could not be had."""
    return bool(_FAULTS.search(text)) and not _ELSEWHERE.search(text)


def shown(text: str, root: Path) -> str:
    """Go's words in one line, with paths of the tree as its author knows them."""
    lines = (line.strip() for line in text.replace(f"{root}/", "").splitlines())
    return " ".join(line for line in lines if line and not line.startswith("go: downloading"))


def list_packages(go: GoCommand, question: Question, *, network: bool) -> list[Listing]:
    """Ask Go, for all platforms side by side.

    Raises:
        GoError: it does not answer at all.
    """
    variables = _variables_of(question)
    with ThreadPoolExecutor() as pool:
        listings = pool.map(
            lambda platform: _listed(go, question, platform, variables, network=network), question.platforms
        )
        return list(listings)


def _listed(
    go: GoCommand, question: Question, platform: str, variables: Mapping[str, str], *, network: bool
) -> Listing:
    patterns = [_pattern(question, folder) for folder in question.packages]
    tags = [f"-tags={','.join(question.tags)}"] if question.tags else []
    text = go.run(
        question.root / question.module, "list", "-e", "-deps", f"-json={_FIELDS}", *tags, *patterns,
        network=network,
        variables={**variables, **platform_of(platform)},
    )  # fmt: skip
    return Listing(question, platform, {package["ImportPath"]: package for package in documents(text)})


def cgo_packages(go: GoCommand, question: Question) -> dict[str, str]:
    """Packages of other modules that have code for cgo, which CGO_ENABLED=0 leaves out: import path → module."""
    template = "{{if and .CgoFiles (not .Standard) .Module}}{{.ImportPath}} {{.Module.Path}}{{end}}"
    patterns = [_pattern(question, folder) for folder in question.packages]
    tags = [f"-tags={','.join(question.tags)}"] if question.tags else []
    variables = {**_variables_of(question), **platform_of(question.platforms[0]), "CGO_ENABLED": "1"}
    try:
        text = go.run(
            question.root / question.module,
            "list",
            "-e",
            "-deps",
            "-f",
            template,
            *tags,
            *patterns,
            variables=variables,
        )
    except GoError:
        return {}
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


def _variables_of(question: Question) -> dict[str, str]:
    """What every listing of the tree is asked with."""
    return {**work_of(question), **variables_for(question.root)}


def work_of(question: Question) -> dict[str, str]:
    """The workspace that holds, and no other: one above the tree is not there in the build."""
    return {"GOWORK": "off" if question.work is None else str(question.root / question.work / "go.work")}


def numbers(version: str = "") -> tuple[int, ...]:
    """A Go version, to compare with others: (1, 25, 7)."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def platform_of(platform: str) -> dict[str, str]:
    """GOOS and GOARCH, and the variable that is the platform's variant, as the Dockerfiles set them."""
    system, architecture, *variant = platform.split("/")
    levels = {"arm": "GOARM", "amd64": "GOAMD64"}
    level = (
        {levels[architecture]: variant[0].removeprefix("v" if architecture == "arm" else "")}
        if variant and architecture in levels
        else {}
    )
    return {"GOOS": system, "GOARCH": architecture, **level}


def documents(text: str) -> Iterator[dict[str, Any]]:
    """JSON documents, one behind the other."""
    decoder, position = json.JSONDecoder(), 0
    text = text.rstrip()
    while position < len(text):
        document, position = decoder.raw_decode(text, position)
        yield document
        position += 1


def _pattern(question: Question, folder: str) -> str:
    relative = posixpath.relpath(folder, question.module)
    return relative if relative.startswith("../") else package_path(relative)


def package_path(folder: str) -> str:
    """How a folder of the source root is named as a package."""
    return "." if folder == "." else f"./{folder}"


# ---- From packages to files and modules.


class Reading:
    """Turns listings into what binaries are made of, and notes what that was derived from."""

    def __init__(self, tree: Tree, question: Question, go: GoCommand, listings: Sequence[Listing]) -> None:
        self._tree = tree
        self._question = question
        self._go = go
        self._listings = listings
        self._cgo = cgo_packages(go, question)
        self._variables: dict[tuple[Files, str], str] = {}
        self.folders: set[str] = set()
        self.sources: set[str] = set()

    def made(self, folder: str) -> Made:
        """What the binary of a main package is made of.

        Raises:
            InputError: the tree has a fault that `go build` would stop at, or needs what lies outside of it.
        """
        made = _Sets()
        for listing in self._listings:
            main = listing.main(folder)
            packages = listing.closure(folder)
            for package in packages:
                self._require_sound(package, listing, folder, made)
            self._require_main(main, folder)
            if (self._tree.root / folder / _PROFILE).is_file():
                made.files.add(_joined(folder, _PROFILE))
            for package in packages:
                self._add(package, listing, made)
        self._warn_of_cgo(made)
        self._warn_of_symbols(folder, made)
        return made.made()

    def _require_main(self, main: Package, folder: str) -> None:
        if main.get("Name") != "main":
            msg = (
                f"package './{folder}' is package {main.get('Name', '?')}, and not main: nobody can run it; "
                "name the folder of a main package"
            )
            raise InputError(msg)

    def _require_sound(self, package: Package, listing: Listing, folder: str, made: "_Sets") -> None:
        error = package.get("Error")
        if error is None:
            return
        text = error["Err"].strip()
        is_here = is_within(self._tree.root, package.get("Dir", ""))
        is_absent = self._is_below_main(package, listing) and not _ELSEWHERE.search(text)
        if is_here or is_absent or is_fault(text):
            raise InputError(self._fault(package, listing, folder))
        made.missing.add(f"{package['ImportPath']}: {' '.join(text.split())}")

    def _is_below_main(self, package: Package, listing: Listing) -> bool:
        mains = {m["Path"] for each in listing.packages.values() if (m := each.get("Module") or {}).get("Main")}
        path = package["ImportPath"]
        return any(path == main or path.startswith(f"{main}/") for main in mains)

    def _fault(self, package: Package, listing: Listing, folder: str) -> str:
        error = package["Error"]
        place = self._place(error.get("Pos", ""))
        text = shown(error["Err"], self._tree.root)
        chain = [name for name in error.get("ImportStack") or () if name != package["ImportPath"]]
        importer = f", imported by {chain[-1]}" if chain else ""
        hint = ""
        if "Dir" not in package and self._is_below_main(package, listing):
            hint = "; it has no Go files here: generate or check out the package first"
        return f"{package_path(folder)} cannot be built for {listing.platform}: {place}{text}{importer}{hint}"

    def _place(self, position: str) -> str:
        """File and line, relative to the root."""
        if not position:
            return ""
        file, _, rest = position.partition(":")
        real = os.path.realpath(self._question.root / self._question.module / file)
        name = os.path.relpath(real, self._tree.root) if is_within(self._tree.root, real) else file
        return f"{name}:{rest}: "

    def _add(self, package: Package, listing: Listing, made: "_Sets") -> None:
        module = package.get("Module") or {}
        replacement = module.get("Replace") or {}
        asked = module.get("GoVersion", "")
        if numbers(asked) > numbers(*made.needs[:1]):
            made.needs = [asked, module["Path"]]
        if not is_within(self._tree.root, package.get("Dir", "")) or self._is_downloaded(module, package):
            self._require_published(package, module, replacement)
            made.packages.add(package["ImportPath"])
        else:
            self._add_files(package, listing, made)
        if module and not module.get("Main"):
            is_vendored = "Dir" in package and not module.get("Dir")
            made.linked.add(self._linked(module, replacement, is_vendored=is_vendored))
            if is_vendored:
                made.packages.add(package["ImportPath"])
        elif module.get("Dir"):
            made.workspace.add(os.path.relpath(module["Dir"], self._tree.root))

    def _is_downloaded(self, module: Mapping[str, Any], package: Package) -> bool:
        """In a module cache, which may lie within the tree."""
        is_version = bool(module.get("Version")) and not (
            module.get("Replace") and not module["Replace"].get("Version")
        )
        return is_version and bool(module.get("Dir")) and is_within(Path(module["Dir"]), package["Dir"])

    def _require_published(self, package: Package, module: Mapping[str, Any], replacement: Mapping[str, Any]) -> None:
        if "Dir" in package and (module.get("Main") or (replacement and not replacement.get("Version"))):
            where = replacement.get("Path") or module.get("Dir")
            msg = (
                f"module {module.get('Path')} is at {where}, outside the source tree {self._tree.root}, so a "
                f"build context cannot hold it ({package['ImportPath']} is linked); set source to a folder above "
                "both, or publish it"
            )
            raise InputError(msg)

    def _linked(self, module: Mapping[str, Any], replacement: Mapping[str, Any], *, is_vendored: bool) -> Linked:
        version, folder = replacement.get("Version", ""), ""
        if replacement and not version and not is_vendored:
            path = self._question.root / self._question.base / replacement["Path"]
            folder = os.path.relpath(replacement.get("Dir") or path, self._tree.root)
        return Linked(module["Path"], module.get("Version", ""), replacement.get("Path", ""), version, folder)

    def _add_files(self, package: Package, listing: Listing, made: "_Sets") -> None:
        folder = os.path.relpath(package["Dir"], self._tree.root)
        self._note_folder(folder)
        compiled = [*package.get("GoFiles", ()), *package.get("SFiles", ()), *package.get("SysoFiles", ())]
        names = [*compiled, *package.get("EmbedFiles", ())]
        if package.get("SFiles"):
            names += package.get("HFiles", ())
        made.files.update(_joined(folder, name) for name in names)
        read = [*package.get("GoFiles", ()), *package.get("IgnoredGoFiles", ())]
        self.sources.update(_joined(folder, name) for name in read)
        for pattern in package.get("EmbedPatterns", ()):
            self._note_embedded(folder, pattern.removeprefix("all:").split("/"))
        assembly = [_joined(folder, name) for name in package.get("SFiles", ())]
        made.files.update(self._included(assembly))
        made.imports.setdefault(folder, set()).update(
            os.path.relpath(there["Dir"], self._tree.root)
            for path in package.get("Imports", ())
            if is_within(self._tree.root, (there := listing.packages.get(path, {})).get("Dir", ""))
        )

    def _note_folder(self, folder: str) -> None:
        """The folder, and those above it: a go.mod or a link there would change what it is part of."""
        while folder not in self.folders:
            self.folders.add(folder)
            folder = posixpath.dirname(folder) or "."

    def _note_embedded(self, folder: str, pattern: Sequence[str]) -> None:
        """Every folder whose names decide what a pattern matches."""
        self._note_folder(folder)
        names = self._tree.listing(folder) or {}
        inner = [name for name, kind in names.items() if kind == "d" and (not pattern or _may_match(pattern[0], name))]
        for name in inner:
            self._note_embedded(_joined(folder, name), pattern[1:])

    def _included(self, waiting: list[str]) -> set[str]:
        """What assembly includes from other folders: too much rather than too little, where it is in the tree."""
        found: set[str] = set()
        folder = {name: posixpath.dirname(name) for name in waiting}
        while waiting:
            name = waiting.pop()
            self.sources.add(name)
            for target in _inclusions(self._tree.root / name):
                file = posixpath.normpath(posixpath.join(folder[name], target))
                if not file.startswith("../") and file not in found and (self._tree.root / file).is_file():
                    found.add(file)
                    folder[file] = folder[name]  # the assembler looks in its own folder, whoever includes
                    waiting.append(file)
        return found

    def _warn_of_cgo(self, made: "_Sets") -> None:
        for path in sorted(made.packages & self._cgo.keys()):
            made.warnings.add(
                f"{path} of module {self._cgo[path]} has code for cgo, which CGO_ENABLED=0 leaves out: the rest may "
                "be a stub that fails when it is called"
            )

    def _warn_of_symbols(self, folder: str, made: "_Sets") -> None:
        """The linker ignores what it cannot set."""
        symbols = {symbol: name for package, symbol, name in self._question.symbols if package == folder}
        if not symbols or made.missing:
            return
        listing = self._listings[0]
        packages = {package["ImportPath"]: package for package in listing.closure(folder)}
        by_problem: dict[str, list[str]] = {}
        problems = symbol_problems(self._go, listing.main(folder), packages, symbols, self._variables)
        for symbol, problem in problems.items():
            by_problem.setdefault(problem, []).append(symbol)
        for problem, members in by_problem.items():
            nulls = ", ".join(f"{symbol}: null" for symbol in sorted(members))
            made.warnings.add(
                f"{package_path(folder)}: the linker does not set {' and '.join(sorted(members))}: {problem}; "
                f"put the catalogue right, or leave it out with symbols: {{{nulls}}}"
            )


@dataclass
class _Sets:
    """`Made`, while it is put together."""

    files: set[str] = field(default_factory=set)
    imports: dict[str, set[str]] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)
    linked: set[Linked] = field(default_factory=set)
    workspace: set[str] = field(default_factory=set)
    needs: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    warnings: set[str] = field(default_factory=set)

    def made(self) -> Made:
        sets = {name: sorted(value) for name, value in vars(self).items() if isinstance(value, set)}
        imports = {folder: sorted(there) for folder, there in sorted(self.imports.items())}
        return Made(**sets, imports=imports, needs=self.needs)


def _joined(folder: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(folder, name))


def _may_match(pattern: str, name: str) -> bool:
    """Whether a part of an embed pattern can match a name; what only Go can tell, it may."""
    return "[" in pattern or "\\" in pattern or fnmatch.fnmatchcase(name, pattern)


def _inclusions(file: Path) -> Iterable[str]:
    """Whatever stands in quotes on a line with `include`."""
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ()
    lines = (line for line in text.splitlines() if "include" in line)
    quoted = (match for line in lines for match in re.findall(r'"((?:[^"\\]|\\.)*)"', line))
    return [_unescaped(name) for name in quoted]


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"')) if "\\" in text else text
    except ValueError:
        return re.sub(r"\\x([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text)
