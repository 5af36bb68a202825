"""A preview of the sample with nothing changed, beside two programs that decide nothing, in turns.

Usage: make up && .venv/bin/python bench/preview.py [--pairs N]

The first is empty. The second registers what the stack's state holds, as it stands there: so long the engine and the
provider take for as many resources, whoever describes them. All run in the shell that `make env` prepares, one after
the other, so that what else the machine does falls on each. Prints the median seconds of each, and the median of the
ratios to the empty one.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from carbide_infra.paths import project_root
from carbide_infra.stack.baseline import without_secrets
from devenv import ensure

ROOT = project_root()
STACK = "dev"
EMPTY = "name: empty\nruntime: python\n"
REGISTERED = """
import json
import pulumi

found = json.load(open("state.json"))
made = {}
for one in found:
    kind, name, parent = one["type"], one["urn"].rpartition("::")[2], made.get(one.get("parent"))
    inputs = {key: value if key != "secrets" else pulumi.Output.secret(value) for key, value in one["inputs"].items()}
    if kind == "pulumi:pulumi:Stack":
        for key, value in one["outputs"].items():
            pulumi.export(key, value)
    elif kind.startswith("pulumi:providers:"):
        options = pulumi.ResourceOptions(version=one["version"], ignore_changes=["host"])
        provider = made[one["urn"]] = pulumi.ProviderResource(kind.rpartition(":")[2], name, inputs, options)
    elif one["custom"]:
        options = {"provider": provider, "retain_on_delete": True} if "docker-build" in kind else {}
        options = pulumi.ResourceOptions(parent=parent, **options)
        made[one["urn"]] = pulumi.CustomResource(kind, name, inputs, options)
    else:
        made[one["urn"]] = pulumi.ComponentResource(kind, name, {}, pulumi.ResourceOptions(parent=parent))
"""


def main() -> None:
    """Measure in turns; the first of each program only fills caches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=11)
    pairs = parser.parse_args().pairs
    environment = ensure(STACK, report=print)
    with tempfile.TemporaryDirectory() as folder:
        empty, registered = Path(folder) / "empty", Path(folder) / "registered"
        aside = environment | {"PULUMI_BACKEND_URL": f"file://{folder}"}
        _empty_program(empty, aside)
        _registering_program(registered, environment)
        turns = ((empty, aside), (registered, environment), (ROOT, environment))
        measured = [[_preview(*turn) for turn in turns] for _ in range(pairs + 1)][1:]
    for name, times in zip(("empty program", "its resources", "sample"), zip(*measured, strict=True), strict=True):
        ratio = statistics.median(time / empty for time, (empty, *_) in zip(times, measured, strict=True))
        print(f"{name:16}{statistics.median(times):6.2f} s, median of {pairs}; {ratio:5.2f} of the empty one")


def _empty_program(folder: Path, environment: Mapping[str, str]) -> None:
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(EMPTY)
    (folder / "__main__.py").write_text("import pulumi\n")
    _pulumi(folder, environment, "stack", "init", STACK)
    _pulumi(folder, environment, "up", "--yes", "--skip-preview", "--stack", STACK)


def _registering_program(folder: Path, environment: Mapping[str, str]) -> None:
    """Write a program of constants for the same stack: its preview has nothing to change, either."""
    folder.mkdir()
    for file in ("Pulumi.yaml", f"Pulumi.{STACK}.yaml"):
        shutil.copy(ROOT / file, folder)
    # The provider looks whether there is what an image is built from.
    (folder / ".local").mkdir()
    (folder / ".local/contexts").symlink_to(ROOT / ".local/contexts")
    (folder / "docker").symlink_to(ROOT / "docker")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / "__main__.py").write_text(REGISTERED)
    exported = _pulumi(ROOT, environment, "stack", "export", "--show-secrets", "--stack", STACK)
    # No difference of an image, as the program has it: its secrets.
    resources = without_secrets(json.loads(exported))["deployment"]["resources"]
    (folder / "state.json").write_text(json.dumps(list(_described(resources))))


def _described(resources: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give what a program says of each resource: the engine's own providers, and marks, are none of it."""
    for one in resources:
        if one["urn"].endswith("::default"):
            continue
        inputs = {key: value for key, value in one.get("inputs", {}).items() if not key.startswith("__")}
        version = inputs.pop("version", None)
        yield one | {"inputs": inputs, "outputs": one.get("outputs", {}), "version": version}


def _preview(folder: Path, environment: Mapping[str, str]) -> float:
    started = time.perf_counter()
    _pulumi(folder, environment, "preview", "--stack", STACK, "--expect-no-changes")
    return time.perf_counter() - started


def _pulumi(folder: Path, environment: Mapping[str, str], *arguments: str) -> str:
    command = ["pulumi", *arguments, "--non-interactive"]
    return subprocess.run(
        command, cwd=folder, env=dict(environment), check=True, stdout=subprocess.PIPE, text=True
    ).stdout


if __name__ == "__main__":
    main()
