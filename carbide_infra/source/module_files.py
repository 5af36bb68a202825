"""The module files of an image's build context: what it links, or the tree's own where less cannot be proven safe."""

import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from carbide_infra.source.go_list import Made, Question
from carbide_infra.source.pruned_modules import (
    Edited,
    Links,
    described,
    go_mod,
    go_sum,
    go_work,
    is_prunable,
    library_go_mod,
    modules_txt,
    sums_of,
    unknown_directives,
)
from carbide_infra.source.tree import InputFile, Tree
from carbide_infra.source.whole_tree import whole_tree


@dataclass(frozen=True)
class Answer:
    """What Go says about packages of one module.

    Attributes:
        question: what was asked.
        made: by folder of the main package.
        edited: go.mod and go.work files, by path relative to the root, as `go mod edit -json` gives them.
        graph: by folder of the main package, the modules whose go.mod Go reads in a workspace: path, version.
    """

    question: Question
    made: Mapping[str, Made]
    edited: Mapping[str, Edited]
    graph: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)

    def links(self, folders: Collection[str]) -> Links:
        """What some of the binaries link together."""
        return Links(
            {module for folder in folders for module in self.made[folder].linked},
            {package for folder in folders for package in self.made[folder].packages},
        )

    def missing(self, folders: Collection[str]) -> list[str]:
        """What could not be had of their modules."""
        return sorted({reason for folder in folders for reason in self.made[folder].missing})


@dataclass(frozen=True)
class ModuleFiles:
    """The module files of one image.

    Attributes:
        files: by path relative to the root.
        originals: those of the tree.
        modules: the modules that it links, a line each: `path@version h1:…`.
        warnings: why some are whole.
    """

    files: Mapping[str, InputFile]
    originals: Mapping[str, InputFile]
    modules: Sequence[str]
    warnings: Sequence[str]


def module_files(tree: Tree, parts: Sequence[tuple[Answer, Collection[str]]], taken: Collection[str]) -> ModuleFiles:
    """Those of an image.

    Args:
        tree: the source tree.
        parts: answers, and the folders of the image's main packages in each.
        taken: files that are in the image's context anyway: a go.mod among them stays as it is.
    """
    library: dict[str, InputFile] = {}
    main: dict[str, InputFile] = {}
    whole: dict[str, InputFile] = {}
    originals: dict[str, InputFile] = {}
    modules: set[str] = set()
    warnings: list[str] = []
    for answer, folders in parts:
        own = _names(tree, answer)
        originals |= {name: tree.file(name) for name in own}
        reason = _unprunable(answer, folders)
        if reason:
            warnings.append(reason)
        if reason or answer.missing(folders) or own & set(taken):
            whole |= {name: tree.file(name) for name in own | _replacements(tree, answer, folders)}
        else:
            library |= {name: InputFile.written(name, text) for name, text in library_go_files(answer, folders).items()}
            main |= _main_files(tree, answer, folders)
        modules.update(described(answer.links(folders).modules, _sums(tree, answer)))
    # One module may be another's library: then it needs the fuller of its go.mod files.
    return ModuleFiles(library | main | whole, originals, sorted(modules), warnings)


def pruned_go_files(answer: Answer, folders: Collection[str]) -> dict[str, str]:
    """The go.mod files of main modules, and the go.work, with what some of the binaries link."""
    links = answer.links(folders)
    mains = _mains(answer, folders)
    named = {each["Path"] for name in mains for each in answer.edited[name].get("Require") or ()}
    unnamed = [module for module in links.modules if module.path not in named]
    own = _go_mod(answer.question.module)
    work = answer.question.work
    texts = {
        name: go_mod(answer.edited[name], links, unnamed if name == own else (), is_alone=work is None)
        for name in mains
    }
    if work is not None:
        file = go_work_of(work)
        modules = workspace_modules(work, answer.edited[file])
        used = [path for path, name in modules.items() if name in mains]
        edited = {path: answer.edited[name] for path, name in modules.items() if name in answer.edited}
        texts[file] = go_work(answer.edited[file], used, links, edited)
    return texts


def library_go_files(answer: Answer, folders: Collection[str]) -> dict[str, str]:
    """The go.mod files of folders that stand for modules."""
    names = {_go_mod(module.folder) for module in answer.links(folders).modules if module.folder}
    return {name: library_go_mod(answer.edited[name]) for name in names & answer.edited.keys()}


def go_work_of(folder: str) -> str:
    """The path of a go.work."""
    return posixpath.normpath(f"{folder}/go.work")


def workspace_modules(work: str, edited: Edited) -> dict[str, str]:
    """The go.mod of each module of a workspace, by its folder as the go.work has it."""
    uses = (each["DiskPath"] for each in edited.get("Use") or ())
    return {path: _go_mod(posixpath.join(work, path)) for path in uses}


def sum_of(path: str) -> str:
    """The file of hashes beside a go.mod or go.work."""
    return f"{path}.sum" if path.endswith("go.work") else f"{path.removesuffix('mod')}sum"


def vendor_list(question: Question) -> str:
    """Where a vendored tree lists its modules."""
    return posixpath.normpath(f"{question.base}/vendor/modules.txt")


def _go_mod(folder: str) -> str:
    return posixpath.normpath(f"{folder}/go.mod")


def _mains(answer: Answer, folders: Collection[str]) -> list[str]:
    used = {folder for each in folders for folder in answer.made[each].workspace}
    return sorted({_go_mod(folder) for folder in used | {answer.question.module}})


def _unprunable(answer: Answer, folders: Collection[str]) -> str | None:
    """Why less than all of the module files cannot be proven enough."""
    name = _go_mod(answer.question.module)
    go = answer.edited[name].get("Go", "nothing")
    whole = f"so all of {name} and {sum_of(name)} count for all images of that module"
    if not is_prunable(answer.edited[name]):
        return f"{name} says go {go}: before 1.17 it does not name all linked modules, {whole}; write go 1.17 or newer"
    unknown = sorted({each for edited in answer.edited.values() for each in unknown_directives(edited)})
    if unknown:
        return f"{name} or a file beside it has directives that are not known here ({', '.join(unknown)}), {whole}"
    if answer.question.work is not None and not answer.missing(folders) and not answer.graph.keys() >= set(folders):
        return f"Go does not tell what modules the workspace of {name} needs, {whole}; go work sync may end that"
    return None


def _names(tree: Tree, answer: Answer) -> set[str]:
    """The module files that Go reads in the tree."""
    named = {*answer.edited, *map(sum_of, answer.edited), vendor_list(answer.question)}
    return {name for name in named if not name.startswith("../") and (tree.root / name).is_file()}


def _replacements(tree: Tree, answer: Answer, folders: Collection[str]) -> set[str]:
    """All of the folders that stand for modules: what imports them from outside of the tree may not be known."""
    if not answer.missing(folders):
        return set()
    work_or_module = answer.question.base
    named = {
        posixpath.normpath(posixpath.join(work_or_module, each["New"]["Path"])) + "/"
        for edited in answer.edited.values()
        for each in edited.get("Replace") or ()
        if not each["New"].get("Version")
    }
    return {file for file in whole_tree(tree) if any(file.startswith(folder) for folder in named)} if named else set()


def _main_files(tree: Tree, answer: Answer, folders: Collection[str]) -> dict[str, InputFile]:
    links = answer.links(folders)
    texts = pruned_go_files(answer, folders)
    graph = [node for folder in folders for node in answer.graph.get(folder, ())]
    linked = [module.source for module in links.modules]
    # In a workspace the hashes may stand in the go.sum of any module; Go reads go.work.sum beside them.
    work = answer.question.work
    own = sum_of(_go_mod(answer.question.module) if work is None else go_work_of(work))
    sums = {sum_of(name) for name in answer.edited} if work is not None else {own}
    texts[own] = go_sum("".join(tree.text(name) for name in sorted(sums)), linked, graph)
    vendored = vendor_list(answer.question)
    texts[vendored] = modules_txt(tree.text(vendored), links)
    return {name: InputFile.written(name, text) for name, text in texts.items() if text}


def _sums(tree: Tree, answer: Answer) -> dict[tuple[str, str], str]:
    sums: dict[tuple[str, str], str] = {}
    for name in answer.edited:
        sums |= sums_of(tree.text(sum_of(name)))
    return sums
