"""Records previews of the real engine for the unit tests of the report.

Usage: git commit, make up, and then .venv/bin/python -m tests.engine.record_previews [NAME…]

Makes each change in a clone of the deployed commit that shares the checkout's state, previews it, and writes what
`pulumi preview --json --show-sames` printed to tests/unit/recordings/NAME.json, without the properties that
the report does not read and without the names of this machine. Nothing is built.
"""

import json
import os
import re
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from carbide_infra.paths import project_root
from tests.engine.clones import cloned, shallow
from tests.engine.conftest import Checkout
from tests.engine.previews import Stack
from tests.support.catalogue import CATALOGUE

FOLDER = project_root() / "tests/unit/recordings"
STACK = "pulumi:pulumi:Stack"
SAMPLE = Path("examples/carbide-rest-api")
IPAM, DB = "carbide-rest-ipam", "carbide-rest-db"
DIGEST = "0123456789abcdef" * 4
_UNREAD = frozenset(
    {"propertyDependencies", "sourcePosition", "stackTrace", "created", "modified", "additionalSecretOutputs"}
    | {"provider", "parent", "dependencies", "id", "custom", "retainOnDelete", "detailedDiff", "duration"}
)

Scene = Callable[[Stack, Checkout], Stack]


def _edited(*names: str, text: str = "\nvar _ = 1\n", commit: bool = True) -> Scene:
    """Text at the end of files, committed or not."""

    def scene(stack: Stack, tree: Checkout) -> Stack:
        for name in names:
            file = tree.root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as stream:
                stream.write(text)
        if commit:
            _commit(tree)
        return stack

    return scene


def _version(stack: Stack, tree: Checkout) -> Stack:
    (tree.source / "VERSION").write_text("1.5.0\n")
    _commit(tree)
    return stack


def _configured(**config: object) -> Scene:
    return lambda stack, _: stack.configured(**config)


def _much(stack: Stack, tree: Checkout) -> Stack:
    """A pull request that touches files all over, embeds one more, and takes another Go."""
    for file in sorted(tree.source.rglob("*.go")):
        if not file.name.endswith("_test.go"):
            with file.open("a", encoding="utf-8") as stream:
                stream.write("\n// Copyright\n")
    (tree.source / "db/pkg/schema/sql/0004_more.sql").write_text("select 1;\n" * 1000)
    _commit(tree)
    return stack.configured(goVersion="1.26")


def _commit(tree: Checkout) -> None:
    tree.git("add", "--all")
    tree.git("commit", "--quiet", "--message", "A change")


def _without_go(stack: Stack, _: Checkout) -> Stack:
    """A machine whose go command does not work."""
    folder = stack.scratch / "broken"
    folder.mkdir(exist_ok=True)
    (folder / "go").write_text("#!/bin/sh\nexit 1\n")
    (folder / "go").chmod(0o755)
    return stack.given(PATH=f"{folder}:{stack.environment['PATH']}", CARBIDE_CACHE_DIR=str(stack.scratch / "cache"))


SCENES: Mapping[str, Scene] = {
    "nothing": lambda stack, _: stack,
    "new_commit": _edited("README.md", text="\nMore.\n"),
    "one_file": _edited(str(SAMPLE / "ipam/cmd/server/main.go")),
    "shared_package": _edited(str(SAMPLE / "ipam/pkg/prefix/prefix.go")),
    "embedded_file": _edited(str(SAMPLE / "db/pkg/schema/sql/0004_more.sql"), text="select 1;\n"),
    "go_mod": _edited(str(SAMPLE / "go.mod"), text="\nrequire golang.org/x/text v0.28.0 // indirect\n"),
    "go_version": _configured(goVersion="1.26"),
    "base_digest": _configured(runtimeImage=f"alpine:latest@sha256:{DIGEST}"),
    "version": _version,
    "dockerfile": _edited(f"docker/production/Dockerfile.{DB}", text="# more\n"),
    "health": _configured(serviceOverrides={IPAM: {"health": {"command": ["nc", "-z", "127.0.0.1", "9090"]}}}),
    "platform": _configured(platforms=["linux/amd64"]),
    "builder": _configured(builder="carbide-local"),
    "service_removed": _configured(services=sorted(set(CATALOGUE) - {IPAM})),
    "dirty": _edited(str(SAMPLE / "ipam/cmd/server/main.go"), commit=False),
    "much": _much,
    "without_go": _without_go,
    "failed": lambda stack, _: stack.given(CARBIDE_SOURCE="/nonexistent"),
}
# These need another stack, or another clone.
SPECIAL = ("new_stack", "shallow")


def main() -> None:
    """Record the scenes that are named, or all."""
    wanted = sys.argv[1:] or [*SCENES, *SPECIAL]
    FOLDER.mkdir(exist_ok=True)
    checkout = Checkout(project_root(), dict(os.environ))
    with TemporaryDirectory() as folder:
        stack = Stack.of(checkout, Path(folder))
        for name in wanted:
            data = _recorded(name, stack, checkout, Path(folder) / name)
            (FOLDER / f"{name}.json").write_text(_written(data))
            print(name, file=sys.stderr)  # noqa: T201 - a script's progress


def _recorded(name: str, stack: Stack, checkout: Checkout, folder: Path) -> Any:  # noqa: ANN401
    root = cloned(checkout, folder)
    tree = Checkout(root, checkout.environment)
    there = stack.at(root)
    _check_out_deployed(tree, stack)
    if name == "shallow":
        there = stack.at(shallow(tree, folder.with_suffix(".shallow")))
    if name == "new_stack":
        return _of_new_stack(there)
    return _slim((SCENES[name](there, tree) if name in SCENES else there).preview_json(), there)


def _check_out_deployed(tree: Checkout, stack: Stack) -> None:
    """The commit and branch that the SHA tags name: later commits may have touched what is deployed."""
    tag = stack.images()[IPAM]["tags"][-1]
    branch, _, sha = tag.rpartition("-")
    tree.git("checkout", "--quiet", *(["-B", branch] if branch else ["--detach"]), sha)


def _of_new_stack(stack: Stack) -> Any:  # noqa: ANN401
    new = stack.named("new")
    new.pulumi("stack", "init", "--no-select", new.name)
    (new.root / f"Pulumi.{new.name}.yaml").unlink()
    try:
        return _slim(new.preview_json(), new)
    finally:
        new.pulumi("stack", "rm", "--yes", "--force", "--preserve-config", new.name)


def _slim(printed: str, stack: Stack) -> Any:  # noqa: ANN401 - JSON
    """Without what nobody reads and what is this machine's."""
    text = (
        json.dumps(_read(json.loads(printed)))
        .replace(str(stack.root), "/checkout")
        .replace(str(stack.scratch), "/scratch")
    )
    return json.loads(re.sub(rf"{re.escape(socket.gethostname())}:\d+", "registry.example:5443", text))


def _read(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        kept = {key: _read(item) for key, item in value.items() if key not in _UNREAD}
        return kept if kept.get("type") == STACK or "outputs" not in kept else kept | {"outputs": _digest(kept)}
    return [_read(item) for item in value] if isinstance(value, list) else value


def _digest(state: dict[str, Any]) -> dict[str, Any]:
    """Of a resource's outputs the digest is read, of the stack's all."""
    return {key: value for key, value in state["outputs"].items() if key == "digest"}


def _written(data: dict[str, Any]) -> str:
    """One line for each step, so that two recordings can be compared."""
    steps = ",\n".join(json.dumps(step, sort_keys=True) for step in data["steps"])
    rest = json.dumps(data | {"steps": []}, indent=1, sort_keys=True)
    return rest.replace('"steps": []', f'"steps": [\n{steps}\n]') + "\n"


if __name__ == "__main__":
    main()
