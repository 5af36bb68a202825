"""Workflows: files of a repository's commit, and what they say of being called by others."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support.workflow_runner.errors import WorkflowError, require_known
from tests.support.workflow_runner.expressions import Scope, number_of
from tests.support.workflow_runner.repository import Remote

_WORKFLOW = {"name", "on", "permissions", "concurrency", "defaults", "env", "jobs"}
_CALL = {"inputs", "secrets", "outputs"}
_INPUT = {"description", "required", "default", "type"}
_SECRET = {"description", "required"}
_OUTPUT = {"description", "value"}
_TRUTHS = {"true": True, "false": False}
_LEVELS = {"none": 0, "read": 1, "write": 2}
_SELF = ("$/", "./")


@dataclass(frozen=True)
class Workflow:
    """One workflow.

    Attributes:
        remote: the repository that it is in.
        commit: the commit that has it.
        name: its path there.
        data: what the file says.
    """

    remote: Remote
    commit: str
    name: str
    data: Mapping[str, Any]

    @classmethod
    def read(cls, remote: Remote, commit: str, name: str) -> "Workflow":
        """Read a file of a commit.

        Raises:
            WorkflowError: it is not there, or something in it is not understood here.
        """
        # BaseLoader: to YAML 1.1, the key "on" is the boolean true.
        data = dict(yaml.load(remote.file(commit, name), yaml.BaseLoader))  # noqa: S506 - builds no objects
        require_known(data, _WORKFLOW, name)
        return cls(remote, commit, name, data)

    def called(self, uses: str, others: Mapping[str, Remote]) -> "Workflow":
        """The workflow that one of its jobs uses: of the same commit, or of another repository at a full SHA.

        Raises:
            WorkflowError: there is none, or it does not let itself be called.
        """
        if uses.startswith(_SELF):
            found = Workflow.read(self.remote, self.commit, uses[2:])
        else:
            path, _, revision = uses.partition("@")
            repository, name = "/".join(path.split("/")[:2]), "/".join(path.split("/")[2:])
            if repository not in others:
                message = f"uses: {uses}: the repository {repository} is not known here"
                raise WorkflowError(message)
            remote = others[repository]
            if remote.commit(revision) != revision:
                message = f"uses: {uses}: {revision} is not a full SHA, so somebody else decides what runs"
                raise WorkflowError(message)
            found = Workflow.read(remote, revision, name)
        if "workflow_call" not in found.data["on"]:
            message = f"uses: {uses}: does not run on workflow_call"
            raise WorkflowError(message)
        return found

    @property
    def call(self) -> Mapping[str, Any]:
        """What it says of being called."""
        said = self.data["on"].get("workflow_call") if isinstance(self.data["on"], Mapping) else None
        # "workflow_call:" with nothing below it takes and gives nothing.
        call: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
        require_known(call, _CALL, f"{self.name}: on.workflow_call")
        return call

    def inputs(self, given: Mapping[str, str], scope: Scope) -> dict[str, Any]:
        """The value of every input: what the caller gives, else the default, each of its type.

        Raises:
            WorkflowError: the caller gives what is not declared, not what is required, or a value of another type.
        """
        declared = self.call.get("inputs") or {}
        require_known(given, set(declared), f"{self.name}: with")
        values = {}
        for name, said in declared.items():
            where = f"{self.name}: with.{name}"
            require_known(said, _INPUT, f"{self.name}: on.workflow_call.inputs.{name}")
            if name in given:
                values[name] = _typed(given[name], said.get("type"), where)
            elif said.get("required") == "true":
                message = f"{where}: is required"
                raise WorkflowError(message)
            elif "default" in said:
                values[name] = _typed(scope.filled(said["default"]), said.get("type"), where)
            else:
                values[name] = {"boolean": False, "number": 0}.get(said.get("type"), "")
        return values

    def secrets(self, given: object) -> dict[str, str]:
        """The secrets that the caller hands over, by name; one that it does not have is empty.

        Raises:
            WorkflowError: it hands over all, one that is not declared, or not one that is required.
        """
        if not isinstance(given, Mapping):
            message = f"{self.name}: secrets: {given}: hands over every secret; name those that are needed"
            raise WorkflowError(message)
        declared = self.call.get("secrets") or {}
        require_known(given, set(declared), f"{self.name}: secrets")
        for name, said in declared.items():
            require_known(said or {}, _SECRET, f"{self.name}: on.workflow_call.secrets.{name}")
            if (said or {}).get("required") == "true" and not given.get(name):
                message = f"{self.name}: secrets.{name}: is required"
                raise WorkflowError(message)
        return {name: value for name, value in given.items() if value}

    def outputs(self, scope: Scope) -> dict[str, str]:
        """What it gives its caller, of what its jobs have put out."""
        declared = self.call.get("outputs") or {}
        for name, said in declared.items():
            require_known(said, _OUTPUT, f"{self.name}: on.workflow_call.outputs.{name}")
        return {name: scope.filled(said["value"]) for name, said in declared.items()}


def require_granted(asked: object, granted: object, where: str) -> None:
    """Refuse a called job that asks for more than its caller has; GitHub does not even start such a run.

    Raises:
        WorkflowError: it does.
    """
    if granted is None or asked is None:
        return
    if not isinstance(asked, Mapping) or not isinstance(granted, Mapping):
        message = f"{where}.permissions: only a map is understood here"
        raise WorkflowError(message)
    for scope, level in asked.items():
        if _LEVELS[level] > _LEVELS[granted.get(scope, "none")]:
            message = f"{where}.permissions: asks for {scope}: {level}, and its caller has {granted.get(scope, 'none')}"
            raise WorkflowError(message)


def _typed(value: str, kind: str | None, where: str) -> str | bool | float:
    if kind == "boolean" and value in _TRUTHS:
        return _TRUTHS[value]
    if kind == "number" and value and not math.isnan(number := number_of(value)):
        return int(number) if number.is_integer() else number
    if kind == "string":
        return value
    message = f"{where}: {value!r} is not of the type {kind}"
    raise WorkflowError(message)
