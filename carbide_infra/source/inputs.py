"""Finds what an image is made of, so that nothing else can change it: what Go says of its binaries, and files."""

import os
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from carbide_infra.catalogue.files import folder_above, module_of
from carbide_infra.names import WHOLE_TREE
from carbide_infra.remedies import typed
from carbide_infra.source.answers import answer_of
from carbide_infra.source.go_command import GoUnavailableError, ModuleAccess, line_of
from carbide_infra.source.go_list import Question, numbers
from carbide_infra.source.module_files import Answer, module_files
from carbide_infra.source.tree import InputError, InputFile, Tree
from carbide_infra.source.whole_tree import whole_tree

__all__ = ["InputError", "InputFile", "Inputs", "ModuleAccess", "Target", "Wanted", "inputs_of"]

_POINTER = "version https://git-lfs.github.com/spec/"
# The format allows for more, which nobody writes; each such file is read.
_POINTER_SIZES = range(120, 200)
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(/v[0-9.]+)?")


@dataclass(frozen=True)
class Inputs:
    """All files an image is made of.

    Attributes:
        files: sorted by path.
        fallback: None when exact; else one sentence why more counts than the image is made of.
        modules: the modules that it links, a line each: `path@version h1:…`.
        module_files: the tree's own module files, of which it may have less: where none differs, no module does.
        imports: who imports whom of the tree: folders of packages, relative to the root.
        warnings: what somebody should know.
        read: further files of the tree that decided which these are: an image's own Dockerfile, its .dockerignore.
        folder: the folder of the tree that the build sees as its root.
    """

    files: tuple[InputFile, ...]
    fallback: str | None
    modules: tuple[str, ...] = ()
    module_files: tuple[InputFile, ...] = ()
    imports: Mapping[str, Sequence[str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    read: tuple[InputFile, ...] = ()
    folder: str = "."

    @property
    def texts(self) -> dict[str, str]:
        """By path, the content of each file that is not the tree's."""
        made = {file.path: file.content for file in self.files if file.content is not None}
        return {path: content.decode("utf-8", "surrogateescape") for path, content in made.items()}

    @property
    def tree_files(self) -> tuple[InputFile, ...]:
        """The files of the tree that these were made from: they are what a commit may hold."""
        whole = {file.path: file for file in self.module_files}
        files = [whole.get(file.path, file) if file.content is not None else file for file in self.files]
        there = {file.path for file in files}
        return (*files, *(file for file in self.read if file.path not in there))


@dataclass(frozen=True)
class Target:
    """One binary, as far as it decides which Go files are read.

    Attributes:
        package: folder of its main package, like `./api/cmd/api`.
        platforms: like `linux/amd64` or `linux/arm/v7`.
        module: folder of its go.mod; None for the nearest above the package.
        go_version: the Go release that compiles it, like `1.25.4`, or its line, like `1.25`; None for the go command's.
        tags: further build tags.
        symbols: what the linker is to set: as a catalogue has it, and as the linker takes it.
    """

    package: str
    platforms: tuple[str, ...]
    module: str | None = None
    go_version: str | None = None
    tags: tuple[str, ...] = ()
    symbols: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What an image is made of.

    Attributes:
        targets: its binaries.
        files: further files, relative to the root.
        read: files that decided which those are, and that are in no build.
        folder: the folder of the tree that the build sees as its root.
        warnings: what somebody should know of these.
    """

    targets: Sequence[Target]
    files: Sequence[str] = ()
    read: Sequence[str] = ()
    folder: str = "."
    warnings: Sequence[str] = ()


def inputs_of(
    root: Path, wanted: Mapping[str, Wanted], cache_dir: Path, access: ModuleAccess | None = None
) -> dict[str, Inputs]:
    """What `CGO_ENABLED=0 go build -trimpath <package>` reads from the tree on any of the platforms, and further files.

    Args:
        root: the source root.
        wanted: by image, or by any other name; the keys of the answer.
        cache_dir: where answers are kept; safe to share between processes and to delete.
        access: how modules are fetched; by default as the machine does without settings.

    Raises:
        InputError: a package is missing, a file cannot be read or lies outside the tree, `go build` would stop.
    """
    root = root.resolve()
    targets = list(dict.fromkeys(target for each in wanted.values() for target in each.targets))
    folders = {target: _folder(root, target.package) for target in targets}
    for target in targets:
        _require_platforms(target.platforms)
    _make_cache(cache_dir)
    tree = Tree(root, cache_dir)
    try:
        asked = _asked(tree, folders, access or ModuleAccess())
        return {name: _inputs(tree, each, folders, asked) for name, each in wanted.items()}
    finally:
        tree.remember()


def _folder(root: Path, package: str) -> str:
    folder = posixpath.normpath(package)
    if posixpath.isabs(folder) or folder.split("/")[0] == "..":
        msg = f"package {package!r} is not below the source root {root}; write it like ./api/cmd/api"
        raise InputError(msg)
    if not (root / folder).is_dir():
        msg = f"package {package!r}: there is no folder {root / folder}; name a main package of this source tree"
        raise InputError(msg)
    if all(file.name.endswith("_test.go") for file in (root / folder).glob("*.go")):
        msg = f"package {package!r}: no Go files in {root / folder}; name a main package of this source tree"
        raise InputError(msg)
    return folder


def _require_platforms(platforms: Sequence[str]) -> None:
    if not platforms:
        msg = "no target platform is given; name at least one, like linux/amd64"
        raise InputError(msg)
    for platform in platforms:
        if not _PLATFORM.fullmatch(platform):
            msg = f"platform {platform!r} is not understood; write it like linux/amd64 or linux/arm/v7"
            raise InputError(msg)


def _make_cache(cache_dir: Path) -> None:
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cache folder {cache_dir} cannot be made: {error.strerror}; give one that you may write to"
        raise InputError(msg) from error


# ---- Binaries with equal questions are asked about together, questions side by side.


def _asked(tree: Tree, folders: Mapping[Target, str], access: ModuleAccess) -> dict[Target, Answer | str]:
    """By binary: what Go says, or the clause that says why it does not."""
    groups: dict[tuple[Question, str | None], list[Target]] = {}
    for target, folder in folders.items():
        line = line_of(target.go_version) if target.go_version else None
        groups.setdefault((_question(tree.root, target, folder), line), []).append(target)

    def answered(group: tuple[Question, str | None]) -> Answer | str:
        question, line = group
        packages = tuple(sorted({folders[target] for target in groups[group]}))
        symbols = sorted({(folders[target], *symbol) for target in groups[group] for symbol in target.symbols})
        try:
            return answer_of(tree, replace(question, packages=packages, symbols=symbols), line, access)
        except GoUnavailableError as reason:
            return str(reason)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        answers = dict(zip(groups, pool.map(answered, groups), strict=True))
    return {target: answers[group] for group, targets in groups.items() for target in targets}


def _question(root: Path, target: Target, folder: str) -> Question:
    module = posixpath.normpath(target.module) if target.module else module_of(root, folder)
    if module is None or not (root / module / "go.mod").is_file():
        where = root / (target.module or target.package)
        msg = f"package {target.package!r} is of no Go module: there is no go.mod in {where}, nor above it in {root}"
        raise InputError(msg)
    return Question(
        root=root,
        module=module,
        work=folder_above(root, module, "go.work"),
        packages=(),
        platforms=tuple(sorted(set(target.platforms))),
        tags=tuple(sorted(set(target.tags))),
    )


def _inputs(tree: Tree, wanted: Wanted, folders: Mapping[Target, str], asked: Mapping[Target, Answer | str]) -> Inputs:
    files = {name: tree.file(name, runs=True) for name in wanted.files}
    reasons = sorted({answer for target in wanted.targets if isinstance(answer := asked[target], str)})
    if reasons:
        whole = {name: tree.file(name, runs=True) for name in whole_tree(tree)}
        return Inputs(_sorted(whole | files), _whole_tree_for(reasons[0]))
    parts: dict[int, tuple[Answer, set[str]]] = {}
    for target in wanted.targets:
        answer = asked[target]
        assert isinstance(answer, Answer)  # noqa: S101 - the others are among the reasons
        parts.setdefault(id(answer), (answer, set()))[1].add(folders[target])
    made = [answer.made[folder] for answer, members in parts.values() for folder in sorted(members)]
    for target in wanted.targets:
        _require_release(target, asked[target], folders[target])
    compiled = {name: tree.file(name) for each in made for name in each.files}
    _require_content(tree, {**compiled, **files}.values())
    found = module_files(tree, list(parts.values()), compiled.keys() | files.keys())
    missing = sorted({reason for each in made for reason in each.missing})
    return Inputs(
        files=_sorted({**found.files, **compiled, **files}),
        fallback=_coarse_for(missing[0]) if missing else None,
        modules=tuple(found.modules),
        module_files=_sorted(found.originals),
        imports={folder: there for each in made for folder, there in each.imports.items()},
        warnings=(*wanted.warnings, *found.warnings, *(warning for each in made for warning in each.warnings)),
        read=tuple(tree.file(name) for name in wanted.read),
        folder=wanted.folder,
    )


def _require_release(target: Target, answer: Answer | str, folder: str) -> None:
    """A builder's Go may be an older patch than a module asks for: then every build fails, minutes later."""
    given, needs = target.go_version, answer.made[folder].needs if isinstance(answer, Answer) else []
    if given and given != line_of(given) and needs and numbers(given) < numbers(needs[0]):
        msg = (
            f"package {target.package!r}: module {needs[1]} asks for Go {needs[0]}, and the builder has Go {given}; "
            f"pin a newer builderImage ({typed('pin-bases')}), or set goVersion to {needs[0]} or newer"
        )
        raise InputError(msg)


def _require_content(tree: Tree, files: Iterable[InputFile]) -> None:
    """A clone without Git LFS has a text of three lines in the place of each large file."""
    for file in files:
        if file.size in _POINTER_SIZES and tree.text(file.path).startswith(_POINTER):
            msg = f"{file.path} is a Git LFS pointer, and not the file itself; run git lfs pull"
            raise InputError(msg)


def _sorted(files: Mapping[str, InputFile]) -> tuple[InputFile, ...]:
    return tuple(files[name] for name in sorted(files))


def _whole_tree_for(reason: str) -> str:
    return (
        f"Go's import graph is not known because {reason}, so {WHOLE_TREE}: "
        "install Go 1.21 or newer to track each image's own files."
    )


def _coarse_for(reason: str) -> str:
    return (
        f"Go's modules are not all at hand ({reason}), so all of go.mod and go.sum count for what links them: "
        "give the preview access to them (goProxy, gitcreds) to see exactly what changes."
    )
