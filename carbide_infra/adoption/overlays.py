"""Finds what lies among the files that a `go build` compiles and is not the clone's: such a binary is another one."""

import posixpath
from collections.abc import Iterator, Sequence

from carbide_infra.adoption.pieces import AccountFile, Built, Empty, FromTree, Placed, Provided
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.source.tree import InputError

_COMPILED = (".go", ".s", "/go.mod", "/go.sum", "/go.work")
_EMBED = "//go:embed"


def overlay(built: Built, placed: Sequence[Placed], files: TreeFiles) -> str:
    """What is compiled beside the clone's own files, with its line; empty for nothing.

    Args:
        built: the binary.
        placed: what stands in its stage, or is mounted, when it is compiled.
        files: of the clone.
    """
    roots = [root for each in placed for root in _roots(each, built)]
    if not roots:
        return ""
    here, there = max(roots, key=lambda root: (len(root[0]), len(root[1])))
    for each in placed:
        inner = posixpath.relpath(each.place, here)
        path = posixpath.normpath(posixpath.join(there, inner))
        if not inner.startswith("..") and _is_another(each, path, files):
            return f"{inner} of line {each.line}"
    return ""


def _roots(placed: Placed, built: Built) -> Iterator[tuple[str, str]]:
    """The folder of the stage, and that of the clone, whose files stand in both at the same paths."""
    if not isinstance(placed.piece, FromTree):
        return
    here, there = placed.place, placed.piece.path
    while there != "." and posixpath.basename(here) == posixpath.basename(there):
        here, there = posixpath.dirname(here), posixpath.dirname(there) or "."
    if _is_in(built.folder, here) and (there == "." or _is_in(built.package, there)):
        yield here, there


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _is_another(placed: Placed, path: str, files: TreeFiles) -> bool:
    """Whether it may change what is compiled, in the place of a path of the clone."""
    piece = placed.piece
    if isinstance(piece, Empty | Provided | AccountFile):
        return False
    if isinstance(piece, FromTree):
        compiled = any(_is_compiled(name) for name in (piece.path, *files.below(piece.path)))
        return piece.path != path and (compiled or _is_embedded(path, files))
    is_file = isinstance(piece, Built) or posixpath.splitext(path)[1] != ""
    return _is_compiled(path) or not is_file or _is_embedded(path, files)


def _is_compiled(path: str) -> bool:
    return f"/{path}".endswith(_COMPILED)


def _is_embedded(path: str, files: TreeFiles) -> bool:
    """Whether Go files above a path embed what lies below them."""
    above = {posixpath.dirname(path) or "."}
    while not above & {"."}:
        above |= {posixpath.dirname(folder) or "." for folder in above}
    code = (name for name in files.names if name.endswith(".go") and (posixpath.dirname(name) or ".") in above)
    return any(_has_embed(name, files) for name in code)


def _has_embed(name: str, files: TreeFiles) -> bool:
    try:
        return _EMBED in files.text(name)
    except InputError:
        return False
