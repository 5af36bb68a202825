"""Says before a build which of a binary's symbols the linker would ignore."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from carbide_infra.catalogue.template import MODULE
from carbide_infra.source.go_command import GoCommand

# Syntax is all that is asked, so the Go on PATH will do: a release that was just fetched has nothing compiled yet.
_ANY_GO = {"GOWORK": "off", "GOTOOLCHAIN": "local"}
Package = Mapping[str, Any]
Files = tuple[str, ...]


def symbol_problems(
    go: GoCommand,
    main: Package,
    packages: Mapping[str, Package],
    symbols: Mapping[str, str],
    known: dict[tuple[Files, str], str],
) -> dict[str, str]:
    """Why each symbol cannot be set; those that can be are left out.

    Args:
        go: the go command.
        main: the main package, whose symbols the linker knows as `main.…`.
        packages: what the binary is made of, by import path, as `go list` gives it.
        symbols: what the linker is to set, like `$module/version.Version`, by what the catalogue calls it.
        known: answers by the files of a package and a name in it; new ones are added.
    """
    found: dict[str, str] = {}
    wanted: dict[str, tuple[Files, str, str]] = {}
    for symbol, linked in symbols.items():
        path, _, name = linked.replace(MODULE, main["Module"]["Path"], 1).rpartition(".")
        if path == main["ImportPath"]:
            found[symbol] = f"the linker knows package {path} as main: write main.{name}"
            continue
        path = main["ImportPath"] if path == "main" else path
        if path in packages:
            wanted[symbol] = (_files(packages[path]), path, name)
        else:
            found[symbol] = f"the binary does not import package {path}"
    _ask(go, [(files, name) for files, _, name in wanted.values()], known)
    problems = {symbol: (f"{path}.{name}", known[files, name]) for symbol, (files, path, name) in wanted.items()}
    return found | {symbol: f"{variable} {problem}" for symbol, (variable, problem) in problems.items() if problem}


def _files(package: Package) -> Files:
    return tuple(os.path.join(package["Dir"], file) for file in package.get("GoFiles", ()))  # noqa: PTH118


def _ask(go: GoCommand, variables: Iterable[tuple[Files, str]], known: dict[tuple[Files, str], str]) -> None:
    """Each once: the binaries of a tree mostly have their version from one package."""
    names: dict[Files, list[str]] = {}
    for files, name in variables:
        if (files, name) not in known:
            names.setdefault(files, []).append(name)
    if not names:
        return
    request = [{"files": files, "names": members} for files, members in names.items()]
    program = str(Path(__file__).with_name("main.go"))
    folder = Path(go.environment["TMPDIR"])
    text = go.run(folder, "run", program, given=json.dumps(request), variables=_ANY_GO)
    for files, answer in zip(names, json.loads(text), strict=True):
        known.update({(files, name): problem for name, problem in answer.items()})
