"""Composite actions of the repository itself: `uses: ./.github/actions/…`, or `$/…` for the workflow's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.workflow_runner.errors import WorkflowError, require_known

_ACTION = {"name", "description", "inputs", "outputs", "runs"}
_RUNS = {"using", "steps"}


@dataclass(frozen=True)
class Composite:
    """One composite action.

    Attributes:
        name: how a step names it.
        folder: where it is on this machine.
        steps: what it does.
        inputs: each input's declaration.
        outputs: each output's expression.
    """

    name: str
    folder: Path
    steps: tuple[Mapping[str, Any], ...]
    inputs: Mapping[str, Mapping[str, str]]
    outputs: Mapping[str, str]

    def filled(self, given: Mapping[str, str]) -> dict[str, str]:
        """The value of every input: what a step gives, else the default.

        Raises:
            WorkflowError: the step gives what is not declared, or not what is required.
        """
        require_known(given, set(self.inputs), f"{self.name}: with")
        missing = {name for name, said in self.inputs.items() if said.get("required") == "true" and name not in given}
        if missing:
            message = f"{self.name}: with.{min(missing)}: is required"
            raise WorkflowError(message)
        return {name: given.get(name, said.get("default", "")) for name, said in self.inputs.items()}


def read_composite(root: Path, name: str) -> Composite:
    """Read an action.

    Args:
        root: what its path is relative to: the workspace after `./`, as on GitHub, else its repository's files.
        name: how a step names it.

    Raises:
        WorkflowError: it is not there, or something in it is not understood here.
    """
    folder = root / name[2:]
    file = folder / "action.yml"
    if not file.is_file():
        message = f"uses: {name}: there is no {file}; is the repository checked out before?"
        raise WorkflowError(message)
    action = dict(yaml.load(file.read_text(), yaml.BaseLoader))  # noqa: S506 - builds no objects
    require_known(action, _ACTION, name)
    runs = dict(action["runs"])
    require_known(runs, _RUNS, f"{name}: runs")
    if runs["using"] != "composite":
        message = f"{name}: runs.using: {runs['using']} is not understood here, only composite"
        raise WorkflowError(message)
    for number, step in enumerate(runs["steps"], start=1):
        if "run" in step and "shell" not in step:
            message = f"{name}: runs.steps[{number}].shell: is required, a workflow's default does not reach it"
            raise WorkflowError(message)
    outputs = {output: said["value"] for output, said in action.get("outputs", {}).items()}
    return Composite(name, folder, tuple(runs["steps"]), action.get("inputs", {}), outputs)
