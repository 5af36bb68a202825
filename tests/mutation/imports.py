"""Imports: which of the project's files import which, as their text says it."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

Imports = Mapping[str, frozenset[str]]
"""The files that a file imports itself."""


def read_imports(files: Iterable[str]) -> Imports:
    modules = {module_name(file): file for file in files}
    return {
        file: frozenset(modules[name] for name in _imported(file) if name in modules) - {file}
        for file in modules.values()
    }


def module_name(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def _imported(file: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(Path(file).read_text(), file)):
        match node:
            case ast.Import(names):
                found = [alias.name for alias in names]
            case ast.ImportFrom(str(module), names, 0):
                found = [f"{module}.{alias.name}" for alias in names]
            case _:
                continue
        for name in found:
            parts = name.split(".")
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def needed(imports: Imports, file: str) -> set[str]:
    """All files that run when a test file does."""
    folders = {str(folder) for folder in Path(file).parents}
    found = {file, *(other for other in imports if _name(other) == "conftest.py" and _folder(other) in folders)}
    new = [*found]
    while new:
        more = imports.get(new.pop(), frozenset()) - found
        found |= more
        new += more
    return found


def importers(imports: Imports, file: str) -> set[str]:
    """A file, those that import it, and those that import it from a package's front."""
    found, new = {file}, [file]
    while new:
        imported = new.pop()
        more = {other for other, those in imports.items() if imported in those} - found
        found |= more
        new += [other for other in more if _name(other) == "__init__.py"]
    return found


def _name(file: str) -> str:
    return Path(file).name


def _folder(file: str) -> str:
    return str(Path(file).parent)
