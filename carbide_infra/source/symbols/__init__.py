"""Says before a build which of a binary's symbols the linker would ignore."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from carbide_infra.catalogue.template import MODULE
from carbide_infra.source.go_command import GoCommand

# Syntax is all that is asked, so the Go on PATH will do: a release that was just fetched has nothing compiled yet.
_ANY_GO = {"GOWORK": "off", "GOTOOLCHAIN": "local"}
Package = Mapping[str, Any]


def symbol_problems(
    go: GoCommand, main: Package, packages: Mapping[str, Package], symbols: Mapping[str, str]
) -> dict[str, str]:
    """Why each symbol cannot be set; those that can be are left out.

    Args:
        go: the go command.
        main: the main package, whose symbols the linker knows as `main.…`.
        packages: what the binary is made of, by import path, as `go list` gives it.
        symbols: what the linker is to set, like `$module/version.Version`, by what the catalogue calls it.
    """
    found: dict[str, str] = {}
    wanted: dict[str, list[tuple[str, str]]] = {}
    for symbol, linked in symbols.items():
        path, _, name = linked.replace(MODULE, main["Module"]["Path"], 1).rpartition(".")
        if path == main["ImportPath"]:
            found[symbol] = f"the linker knows package {path} as main: write main.{name}"
            continue
        path = main["ImportPath"] if path == "main" else path
        if path in packages:
            wanted.setdefault(path, []).append((symbol, name))
        else:
            found[symbol] = f"the binary does not import package {path}"
    for (path, members), answer in zip(wanted.items(), _asked(go, packages, wanted), strict=True):
        found |= {symbol: f"{path}.{name} {answer[name]}" for symbol, name in members if answer[name]}
    return found


def _asked(
    go: GoCommand, packages: Mapping[str, Package], wanted: Mapping[str, Sequence[tuple[str, str]]]
) -> Sequence[Mapping[str, str]]:
    request = [
        {
            "files": [os.path.join(packages[path]["Dir"], file) for file in packages[path].get("GoFiles", ())],  # noqa: PTH118
            "names": [name for _, name in members],
        }
        for path, members in wanted.items()
    ]
    if not request:
        return ()
    program = str(Path(__file__).with_name("main.go"))
    folder = Path(go.environment["TMPDIR"])
    text = go.run(folder, "run", program, given=json.dumps(request), variables=_ANY_GO)
    answers: Sequence[Mapping[str, str]] = json.loads(text)
    return answers
