"""Answers of the go command about a tree, kept for as long as what they were derived from stays as it is."""

import contextlib
import hashlib
import json
import posixpath
import re
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from carbide_infra.source.go_command import (
    GoCommand,
    GoError,
    GoUnavailableError,
    ModuleAccess,
    go_command,
    line_of,
    released,
)
from carbide_infra.source.go_list import (
    Linked,
    Made,
    Question,
    Reading,
    is_fault,
    list_packages,
    package_path,
    shown,
)
from carbide_infra.source.kept_answers import load, remove_unused, save
from carbide_infra.source.module_files import (
    Answer,
    go_work_of,
    library_go_files,
    pruned_go_files,
    sum_of,
    vendor_list,
    workspace_modules,
)
from carbide_infra.source.pruned_modules import Edited
from carbide_infra.source.tree import InputError, Tree

_FORMAT = 2
_ATTEMPTS = 3
_UNUSED = ("answer-", "blobs-", "hashes-", "graph-", "importgraph-")
# Coarser than the clock of any file system: see tree.py.
_RACY_NANOSECONDS = 2_000_000_000


@dataclass(frozen=True)
class _Derived:
    """An answer, with the listings of folders and the hashes of files that it was derived from."""

    answer: Answer
    listings: Mapping[str, Any]
    reads: Mapping[str, Any]


def answer_of(tree: Tree, question: Question, version: str | None, access: ModuleAccess) -> Answer:
    """What Go of a release, or of a line of releases, says; without one, the go command on PATH.

    Raises:
        InputError: the tree cannot be built as asked, or keeps changing.
        GoUnavailableError: Go cannot be asked.
    """
    kept = tree.cache_dir / f"answer-{_key(question, version)}.json"
    with contextlib.suppress(KeyError, TypeError, AttributeError):
        derived = _loaded(question, load(kept))
        if tree.agrees_with(derived.listings, derived.reads):
            return derived.answer
    try:
        with go_command(version, access, tree.cache_dir) as go:
            derived, is_sure = _derived(tree, question, go, version)
    except GoUnavailableError as reason:
        if version is None:
            raise
        with go_command(None, access, tree.cache_dir) as go:
            derived, is_sure = _derived(tree, question, go, None)
        return _with_missing(derived.answer, str(reason))
    if is_sure and not any(made.missing for made in derived.answer.made.values()):
        save(kept, _saved(derived))
        remove_unused(tree.cache_dir, _UNUSED)
    return derived.answer


def _key(question: Question, version: str | None) -> str:
    """Names the question, with the line of releases alone: no patch changes an answer."""
    asked = [_FORMAT, str(question.root), question.module, question.work, sorted(question.packages)]
    how = [
        sorted(question.platforms),
        sorted(question.tags),
        sorted(question.symbols),
        line_of(version) if version else None,
    ]
    return hashlib.sha256(json.dumps([*asked, *how]).encode()).hexdigest()[:24]


def _with_missing(answer: Answer, reason: str) -> Answer:
    return replace(
        answer, made={folder: replace(made, missing=[reason, *made.missing]) for folder, made in answer.made.items()}
    )


def _derived(tree: Tree, question: Question, go: GoCommand, version: str | None) -> tuple[_Derived, bool]:
    """An answer about a tree that stood still, and whether it may be kept: a change within a clock's tick hides."""
    before: _Derived | None = None
    for _ in range(_ATTEMPTS):
        started = time.time_ns()
        found = _read(tree, question, go, version)
        newest = tree.newest_change([*found.listings, *found.reads])
        if before and (before.listings, before.reads) == (found.listings, found.reads):
            return found, True
        if newest < started:
            return found, newest < started - _RACY_NANOSECONDS
        before = found
    msg = f"the source tree {tree.root} keeps changing while it is read; let the other program finish and run again"
    raise InputError(msg)


def _read(tree: Tree, question: Question, go: GoCommand, version: str | None) -> _Derived:
    try:
        reading, made = _made(tree, question, go)
    except GoError as error:
        if is_fault(str(error)):
            newer = _newer(go, version, error)
            if newer is not None:
                return _read(tree, question, newer, None)
            msg = f"{_named(question)} cannot be built: {shown(str(error), tree.root)}"
            raise InputError(msg) from error
        msg = f"`go list` failed: {shown(str(error), tree.root)}"
        raise GoUnavailableError(msg) from error
    edited = _edited(tree, question, go, made)
    answer = Answer(question, made, edited)
    if question.work is not None:
        answer = replace(answer, graph=_graphs(tree, question, go, answer))
    reads = {*reading.sources, *edited, *map(sum_of, edited), vendor_list(question)}
    tree.forget()
    return _Derived(
        answer,
        {folder: tree.listing(folder) for folder in sorted(reading.folders)},
        {name: tree.digest(name) for name in sorted(reads)},
    )


def _made(tree: Tree, question: Question, go: GoCommand) -> tuple[Reading, dict[str, Made]]:
    """From what is there already, and only where that is not enough from the network."""
    try:
        found = _made_of(tree, question, go, network=False)
    except GoError as error:
        if is_fault(str(error)):
            raise
    else:
        if not any(made.missing for made in found[1].values()):
            return found
    return _made_of(tree, question, go, network=True)


def _made_of(tree: Tree, question: Question, go: GoCommand, *, network: bool) -> tuple[Reading, dict[str, Made]]:
    reading = Reading(tree, question, go, list_packages(go, question, network=network))
    return reading, {folder: reading.made(folder) for folder in question.packages}


def _newer(go: GoCommand, version: str | None, error: GoError) -> GoCommand | None:
    """The newest release of the line, where the one on PATH is of the line and older than the tree asks for."""
    if version is None or go.toolchain != "local" or "requires go >=" not in str(error):
        return None
    with contextlib.suppress(GoError):
        return released(go, line_of(version))
    return None


def _named(question: Question) -> str:
    return ", ".join(package_path(folder) for folder in question.packages)


# ---- Module files, in Go's own reading.


def _edited(tree: Tree, question: Question, go: GoCommand, made: Mapping[str, Made]) -> dict[str, Edited]:
    folders = {question.module}
    for each in made.values():
        folders |= {*each.workspace, *(module.folder for module in each.linked if module.folder)}
    names = {posixpath.normpath(f"{folder}/go.mod") for folder in folders}
    found: dict[str, Edited] = {}
    if question.work is not None:
        work = go_work_of(question.work)
        found[work] = {**_as_json(go, tree.root, "work", work), **_work_settings(go, tree.root / work)}
        names |= set(workspace_modules(question.work, found[work]).values())
    there = sorted(name for name in names if (tree.root / name).is_file())
    with ThreadPoolExecutor() as pool:
        edited = pool.map(lambda name: _as_json(go, tree.root, "mod", name), there)
        return found | dict(zip(there, edited, strict=True))


def _as_json(go: GoCommand, root: Path, kind: str, name: str) -> Edited:
    edited: Edited = json.loads(go.run(root, kind, "edit", "-json", str(root / name), variables={"GOWORK": "off"}))
    return edited


def _work_settings(go: GoCommand, file: Path) -> Edited:
    """The directives of a go.work that `go work edit -json` leaves out, from Go's own print of it."""
    text = go.run(file.parent, "work", "edit", "-print", str(file), variables={"GOWORK": "off"})
    toolchain = re.search(r"^toolchain (\S+)", text, re.MULTILINE)
    block = re.search(r"^godebug \((.*?)^\)", text, re.MULTILINE | re.DOTALL)
    lines = block[1].splitlines() if block else re.findall(r"^godebug (\S+=\S+)", text, re.MULTILINE)
    pairs = (line.partition("//")[0].strip().partition("=") for line in lines)
    debug = [{"Key": key, "Value": value} for key, _, value in pairs if value]
    return {"Toolchain": toolchain[1] if toolchain else None, "GoDebug": debug}


def _graphs(tree: Tree, question: Question, go: GoCommand, answer: Answer) -> dict[str, list[tuple[str, str]]]:
    """In a workspace Go reads the go.mod of modules that it does not link: asked in a pruned copy.

    A binary for which Go does not answer is left out: its module files stay whole.
    """
    work = go_work_of(question.base)
    sums = "".join(tree.text(sum_of(name)) for name in answer.edited)
    found: dict[str, list[tuple[str, str]]] = {}
    for folder, made in answer.made.items():
        with tempfile.TemporaryDirectory(dir=go.environment["TMPDIR"]) as scratch:
            for name, text in {**library_go_files(answer, [folder]), **pruned_go_files(answer, [folder])}.items():
                _write(Path(scratch, name), text)
            where = Path(scratch, question.module), Path(scratch, work)
            with contextlib.suppress(GoError):
                read = _read_for(made.packages, go, *where)
                found[folder] = _in_graph(sums, go, *where) if read is None else read
    return found


def _read_for(packages: Iterable[str], go: GoCommand, module: Path, work: Path) -> list[tuple[str, str]] | None:
    """The modules whose go.mod Go reads to build packages, by the hashes that it notes where a workspace has none.

    None where they are not all at hand, as in a tree with vendored modules. The hashes are not used.
    """
    _write(module / "main.go", "package main\n\n" + "".join(f"import _ {json.dumps(path)}\n" for path in packages))
    try:
        go.run(module, "list", "-e", "-deps", ".", variables={"GOWORK": str(work), "GOSUMDB": "off"})
        noted = Path(sum_of(str(work)))
        lines = noted.read_text(encoding="utf-8").splitlines() if noted.exists() else []
    except GoError:
        return None
    fields = (line.split() for line in lines)
    return sorted((each[0], each[1].removesuffix("/go.mod")) for each in fields if each[1].endswith("/go.mod"))


def _in_graph(sums: str, go: GoCommand, module: Path, work: Path) -> list[tuple[str, str]]:
    """All modules that Go knows of. Raises GoError."""
    _write(Path(sum_of(str(work))), sums)
    graph = go.run(module, "mod", "graph", network=True, variables={"GOWORK": str(work)})
    nodes = {node.partition("@") for node in graph.split() if "@" in node}
    return sorted((path, version) for path, _, version in nodes)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", errors="surrogateescape")


# ---- As JSON.


def _saved(derived: _Derived) -> dict[str, Any]:
    answer = derived.answer
    made = {folder: asdict(each) for folder, each in answer.made.items()}
    return {
        "made": made,
        "edited": answer.edited,
        "graph": answer.graph,
        "listings": derived.listings,
        "reads": derived.reads,
    }


def _loaded(question: Question, saved: Mapping[str, Any]) -> _Derived:
    made = {
        folder: Made(**{**each, "linked": [Linked(**module) for module in each["linked"]]})
        for folder, each in saved["made"].items()
    }
    graph = {folder: [(path, version) for path, version in nodes] for folder, nodes in saved["graph"].items()}
    return _Derived(Answer(question, made, saved["edited"], graph), saved["listings"], saved["reads"])
