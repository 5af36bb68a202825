"""What the go command says of a clone: its modules, and its main packages."""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.adoption.words import place
from carbide_infra.errors import CommandError
from carbide_infra.source.go_command import GoCommand, GoError, GoUnavailableError, ModuleAccess, go_command, last_line
from carbide_infra.source.go_list import documents

_MODULE = re.compile(r"^module\s+\"?(?P<path>[^\s\"]+)\"?", re.MULTILINE)
_GO = re.compile(r"^(?P<key>go|toolchain)\s+(go)?(?P<version>\d+\.\d+[^\s]*)", re.MULTILINE)
NOT_THEIRS = frozenset({"vendor", "testdata", "node_modules", "third_party"})
"""Folders of a clone that hold what is somebody else's."""


@dataclass(frozen=True)
class Packages:
    """The Go packages of a clone.

    Attributes:
        modules: by the folder of each go.mod, the module's path.
        mains: the folders of main packages, sorted.
        problems: why some are not known, a sentence each.
    """

    modules: Mapping[str, str]
    mains: tuple[str, ...]
    problems: tuple[str, ...] = ()

    def below(self, folder: str) -> Sequence[str]:
        """The main packages at or below a folder."""
        return [main for main in self.mains if folder in {".", main} or main.startswith(f"{folder}/")]

    def named(self, path: str) -> str | None:
        """The folder of a package with this import path; None where it is not of the clone."""
        for folder, module in sorted(self.modules.items(), key=lambda item: -len(item[1])):
            if path == module or path.startswith(f"{module}/"):
                return posixpath.normpath(f"{folder}/{path.removeprefix(module).lstrip('/')}")
        return None

    def path_of(self, folder: str) -> str:
        """The import path of a package; its folder where no module of the clone has it."""
        module = self.module_of(folder)
        if module is None:
            return folder
        return posixpath.normpath(f"{self.modules[module]}/{posixpath.relpath(folder, module)}")

    def module_of(self, folder: str) -> str | None:
        """The folder of the module that a package is of."""
        found = [each for each in self.modules if each in {".", folder} or folder.startswith(f"{each}/")]
        return max(found, key=len, default=None)


def go_release(files: TreeFiles, module: str) -> tuple[str, str] | None:
    """The Go version that a module asks for, and where."""
    name = posixpath.normpath(f"{module}/go.mod")
    text = files.text(name)
    found = {match["key"]: match for match in _GO.finditer(text)}
    match = found.get("toolchain") or found.get("go")
    if match is None:
        return None
    # A go line is the least that serves: the newest of its releases does, too.
    pattern = r"\d+\.\d+" if match["key"] == "go" else r"\d+\.\d+(\.\d+)?((rc|beta)\d+)?"
    version = re.match(pattern, match["version"])
    return (version[0], place(name, text, match.start())) if version else None


def packages_of(files: TreeFiles, cache_dir: Path) -> Packages:
    """Ask the go command on PATH, without network, and without running anything of the tree.

    Raises:
        CommandError: there is none.
    """
    modules = dict(_modules(files))
    if not modules:
        return Packages({}, ())
    try:
        with go_command(None, ModuleAccess(), cache_dir) as go, ThreadPoolExecutor() as pool:
            answers = list(pool.map(lambda folder: _mains(go, files.tree.root, folder), modules))
    except GoUnavailableError as error:
        msg = f"{error}: install Go 1.21 or newer (https://go.dev/dl), for it names the main packages; or take --as-is"
        raise CommandError(msg) from error
    mains = {main for found, _ in answers for main in found if files.is_folder(main)}
    return Packages(modules, tuple(sorted(mains)), tuple(problem for _, problem in answers if problem))


def _modules(files: TreeFiles) -> Iterator[tuple[str, str]]:
    for name in files.names:
        folder, base = posixpath.split(name)
        if base == "go.mod" and not NOT_THEIRS & set(folder.split("/")):
            found = _MODULE.search(files.text(name))
            if found:
                yield folder or ".", found["path"]


def _mains(go: GoCommand, root: Path, folder: str) -> tuple[list[str], str]:
    """Folders of main packages of a module; and why they are not known."""
    arguments = ("list", "-e", "-find", "-json=Dir,Name", "./...")
    try:
        text = go.run(root / folder, *arguments, variables={"GOWORK": "off", "GOOS": "linux"})
    except GoError as error:
        return [], f"{folder}/go.mod: go does not list its main packages ({last_line(error)})".removeprefix("./")
    dirs = [package["Dir"] for package in documents(text) if package.get("Name") == "main" and "Dir" in package]
    relative = [posixpath.relpath(each, str(root)) for each in dirs]
    return [each for each in relative if not each.startswith("..")], ""
