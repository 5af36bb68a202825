"""Module files with what one image links, and nothing else: what it does not link is no reason to build it again.

A `go.mod` that requires just the linked modules, at their selected versions, with their lines of `go.sum`, builds the
same bytes with `-mod=readonly` and needs no other module: since Go 1.17 a go.mod names every module that is linked, and
Go looks no further. Formats: https://go.dev/ref/mod.
"""

import json
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carbide_infra.source.go_list import Linked, numbers

_FIRST_PRUNED = (1, 17)
# go.mod: https://pkg.go.dev/cmd/go#hdr-Edit_go_mod_from_tools_or_scripts; GoDebug in one file, Godebug in the other.
_KNOWN = frozenset({"Module", "Go", "Toolchain", "GoDebug", "Godebug", "Require", "Exclude", "Replace", "Retract"}) | {
    *("Tool", "Ignore", "Use"),
}
Edited = Mapping[str, Any]
"""A go.mod or go.work as `go mod edit -json` and `go work edit -json` give it."""


def is_prunable(edited: Edited) -> bool:
    """Whether its Go version makes Go stop at what the go.mod itself names."""
    return numbers(edited.get("Go", "1.16")) >= _FIRST_PRUNED


def unknown_directives(edited: Edited) -> list[str]:
    """What only a later Go knows, and may act on."""
    return sorted(edited.keys() - _KNOWN)


@dataclass(frozen=True)
class Links:
    """What an image links.

    Attributes:
        modules: the modules.
        packages: import paths of their packages.
    """

    modules: Collection[Linked]
    packages: Collection[str]

    def by_path(self) -> dict[str, Linked]:
        """The modules by module path."""
        return {module.path: module for module in self.modules}

    def replacing(self, edited: Edited) -> Iterator[Mapping[str, Any]]:
        """The replacements of linked modules that hold."""
        linked = self.by_path()
        for each in edited.get("Replace") or ():
            module = linked.get(each["Old"]["Path"])
            if module and each["Old"].get("Version", module.version) == module.version:
                yield each


def go_mod(edited: Edited, links: Links, also: Iterable[Linked] = (), *, is_alone: bool = True) -> str:
    """The go.mod of a main module.

    Args:
        edited: the tree's.
        links: what the image links.
        also: modules that it must require although the tree's does not.
        is_alone: whether it is in no workspace, whose go.work has the replacements of all its modules.
    """
    linked = links.by_path()
    required = {each["Path"] for each in edited.get("Require") or ()} & linked.keys() | {each.path for each in also}
    requires = sorted(f"{_text(path)} {linked[path].version}" for path in required if linked[path].version)
    return _document(
        [f"module {_text(edited['Module']['Path'])}"],
        _go_lines(edited),
        _block("require", requires),
        _block("replace", sorted(map(_replacement, links.replacing(edited))) if is_alone else []),
    )


def library_go_mod(edited: Edited) -> str:
    """The go.mod of a folder that stands for a module: its language version. The main module names the rest."""
    return _document([f"module {_text(edited['Module']['Path'])}"], _go_lines({"Go": edited.get("Go")}))


def go_work(edited: Edited, folders: Collection[str], links: Links, modules: Mapping[str, Edited]) -> str:
    """The go.work with some of its modules, and the replacements of linked ones.

    Those of each module hold for all, unless the go.work replaces that module itself. Here they stand together: in
    which of the go.mod files one is written, or in how many, changes no binary.

    Args:
        edited: the tree's.
        folders: the modules, named as in the tree's.
        links: what the image links.
        modules: the go.mod files of all its modules, by folder relative to the go.work.
    """
    uses = [each["DiskPath"] for each in edited.get("Use") or () if each["DiskPath"] in folders]
    replacements = {_replacement(each) for each in links.replacing(edited)}
    replaced = {each["Old"]["Path"] for each in edited.get("Replace") or ()}
    for folder, module in modules.items():
        found = (each for each in links.replacing(module) if each["Old"]["Path"] not in replaced)
        replacements |= {_replacement(each, folder) for each in found}
    return _document(
        _go_lines(edited), _block("use", sorted(map(_text, uses))), _block("replace", sorted(replacements))
    )


def go_sum(text: str, modules: Iterable[tuple[str, str]], graph: Iterable[tuple[str, str]] = ()) -> str:
    """The lines of some modules; of those of `graph` only what is about their go.mod."""
    whole = set(modules)
    files = whole | set(graph)
    lines = []
    for line in text.splitlines():
        path, version, *_ = (*line.split(), "", "")
        is_file = version.endswith("/go.mod")
        if (path, version.removesuffix("/go.mod")) in (files if is_file else whole):
            lines.append(line)
    return "".join(f"{line}\n" for line in sorted(set(lines)))


def modules_txt(text: str, links: Links) -> str:
    """vendor/modules.txt with the linked packages, and the modules that these are of."""
    linked, packages = links.by_path(), set(links.packages)
    kept: list[str] = []
    is_linked = True
    for line in text.splitlines():
        if line.startswith("# "):
            is_linked = line.split()[1] in linked
        is_package = not line.startswith("#")
        if line.startswith("## workspace") or (is_linked and (not is_package or line in packages)):
            kept.append(line)
    return "".join(f"{line}\n" for line in kept)


def sums_of(text: str) -> dict[tuple[str, str], str]:
    """The hash of each module's content, by path and version."""
    fields = (line.split() for line in text.splitlines())
    return {(each[0], each[1]): each[2] for each in fields if len(each) == 3}  # noqa: PLR2004


def described(modules: Iterable[Linked], sums: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    """One line for each module, as the record has it: `path@version h1:…`, with what replaces it."""
    return tuple(sorted(filter(None, (_line(module, sums) for module in modules))))


def _line(module: Linked, sums: Mapping[tuple[str, str], str]) -> str | None:
    if module.folder:
        return None  # its files say more
    replaced = f" => {module.new_path}@{module.new_version}" if module.new_path else ""
    return f"{module.path}@{module.version}{replaced} {sums.get(module.source, '')}".rstrip()


def _go_lines(edited: Edited) -> list[str]:
    debug = [f"{each['Key']}={each['Value']}" for each in edited.get("GoDebug") or edited.get("Godebug") or ()]
    go, toolchain = edited.get("Go"), edited.get("Toolchain")
    return [
        *([f"go {go}"] if go else []),
        *([f"toolchain {toolchain}"] if toolchain else []),
        *_block("godebug", sorted(debug)),
    ]


def _replacement(each: Mapping[str, Any], folder: str = ".") -> str:
    """A line of `replace`; a relative folder is relative to that of another file."""
    old, new = each["Old"], each["New"]
    path = new["Path"]
    if folder != "." and path.startswith("."):
        joined = posixpath.normpath(posixpath.join(folder, path))
        path = joined if joined.startswith("..") else f"./{joined}"
    left = " ".join(filter(None, (_text(old["Path"]), old.get("Version"))))
    right = " ".join(filter(None, (_text(path), new.get("Version"))))
    return f"{left} => {right}"


def _block(name: str, lines: Sequence[str]) -> list[str]:
    return [f"{name} (", *(f"\t{line}" for line in lines), ")"] if lines else []


def _document(*parts: Sequence[str]) -> str:
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _text(text: str) -> str:
    """As go.mod has it: a Go string where a bare word would not do."""
    return text if re.fullmatch(r"[\w./~@:+%!-]+", text) and "//" not in text else json.dumps(text, ensure_ascii=False)
