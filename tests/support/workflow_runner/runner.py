"""Runs a workflow's jobs: its commands for real, GitHub's actions as what they amount to on this machine."""

import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.workflow_runner.actions import Actions
from tests.support.workflow_runner.composite import read_composite
from tests.support.workflow_runner.errors import WorkflowError, require_known
from tests.support.workflow_runner.events import REPOSITORY, Event
from tests.support.workflow_runner.expressions import Function, Scope
from tests.support.workflow_runner.outputs import read_outputs
from tests.support.workflow_runner.progress import tell
from tests.support.workflow_runner.repository import Remote

_WORKFLOW = {"name", "on", "permissions", "concurrency", "defaults", "env", "jobs"}
# What says where and for how long a job may run means nothing here.
_JOB = {"name", "if", "runs-on", "timeout-minutes", "environment", "permissions", "concurrency", "env", "steps"}
_STEP = {"id", "name", "if", "uses", "with", "run", "shell", "env"}
# Who asks for bash gets more of it than who asks for nothing.
_SHELLS = {"": ("bash", "-ec"), "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")}
_STDERR = 2
_SHELL_S_OWN = ("PULUMI_", "CARBIDE_", "BUILDX_", "GITHUB_", "AWS_", "STACK", "SOURCE", "SUMMARY", "MAKE", "MFLAGS")
_KEPT = frozenset({"CARBIDE_CACHE_DIR", "CARBIDE_DOCKERHUB_MIRROR", "GITHUB_API_URL"})


def fresh(environment: Mapping[str, str]) -> dict[str, str]:
    """A shell's variables without those that choose a stack, a state or a credential: a job sets its own."""
    return {name: value for name, value in environment.items() if name in _KEPT or not name.startswith(_SHELL_S_OWN)}


@dataclass(frozen=True)
class Machine:
    """What jobs run on.

    Attributes:
        remote: the repository.
        workspace: folder that the repository is checked out in.
        kept: folder of what outlives a job: artifacts, caches and summaries.
        variables: the repository's, by name.
        secrets: the repository's, by name.
        environment: variables of every process.
    """

    remote: Remote
    workspace: Path
    kept: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment: Mapping[str, str] = field(default_factory=lambda: fresh(os.environ), repr=False)

    def run(self, file: str, event: Event) -> dict[str, str]:
        """Run the workflow that the event's commit has, and tell of each job how it ended: success, failure, skipped.

        Raises:
            WorkflowError: the event does not trigger it, or something in it is not understood here.
        """
        name = f".github/workflows/{file}"
        # BaseLoader: to YAML 1.1, the key "on" is the boolean true.
        text = self.remote.file(event.commit, name)
        workflow = dict(yaml.load(text, yaml.BaseLoader))  # noqa: S506 - builds no objects
        require_known(workflow, _WORKFLOW, name)
        if not event.triggers(workflow["on"]):
            message = f"{name} does not run on {event.name} of {event.ref}"
            raise WorkflowError(message)
        return {job: _Job(self, event, workflow, job).run() for job in workflow["jobs"]}


@dataclass
class _Frame:
    """Steps that know each other: a job's, or those of a composite action in it.

    Attributes:
        where: what an error calls it.
        shell: the shell of its commands that name none.
        env: variables of its commands.
        contexts: what its expressions can name, but for what the steps say.
        outputs: what each step with an id has put out.
        failed: whether a step has.
    """

    where: str
    shell: str
    env: dict[str, str]
    contexts: Mapping[str, Any] = field(repr=False)
    outputs: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    failed: bool = False


class _Job:
    """One job of a run."""

    def __init__(self, machine: Machine, event: Event, workflow: Mapping[str, Any], name: str) -> None:
        self._machine = machine
        self._event = event
        self._name = name
        self._job = dict(workflow["jobs"][name])
        self._actions = Actions(machine.remote, event, machine.workspace, machine.kept)
        require_known(self._job, _JOB, f"jobs.{name}")
        shell = _default_shell(workflow.get("defaults", {}))
        contexts = {**self._contexts(), "secrets": machine.secrets, "vars": machine.variables}
        self._frame = _Frame(f"jobs.{name}", shell, {}, contexts)
        for env in (workflow.get("env", {}), self._job.get("env", {})):
            self._frame.env |= self._filled(env, self._frame)

    def run(self) -> str:
        if not self._scope(self._frame).holds(self._job.get("if", "")):
            tell(f"Job {self._name}: skipped")
            return "skipped"
        tell(f"Job {self._name}")
        with tempfile.TemporaryDirectory(prefix="carbide-runner-") as temporary:
            self._steps(self._job["steps"], self._frame, Path(temporary))
        return "failure" if self._frame.failed else "success"

    def _steps(self, steps: Iterable[Mapping[str, Any]], frame: _Frame, temporary: Path) -> None:
        for number, step in enumerate(steps, start=1):
            where = f"{frame.where}.steps[{number}]"
            require_known(step, _STEP, where)
            if step.get("shell", "bash") != "bash":
                message = f"{where}.shell: {step['shell']}: only bash is understood here"
                raise WorkflowError(message)
            self._step(step, frame, temporary)

    def _step(self, step: Mapping[str, Any], frame: _Frame, temporary: Path) -> None:
        title = step.get("name") or step.get("uses", step.get("run", ""))
        if not self._scope(frame).holds(step.get("if", "")):
            tell(f"- {title}: skipped")
            return
        tell(f"- {title}")
        start = time.monotonic()
        uses = step.get("uses", "")
        if uses.startswith("./"):
            succeeded, outputs = self._composite(step, frame, temporary)
        elif uses:
            succeeded, outputs = (
                self._actions.run(uses.partition("@")[0], self._filled(step.get("with", {}), frame)),
                {},
            )
        else:
            succeeded, outputs = self._command(step, frame, temporary)
        frame.failed |= not succeeded
        if "id" in step:
            frame.outputs[step["id"]] = {"outputs": outputs}
        tell(f"  {'done' if succeeded else 'failed'} in {time.monotonic() - start:.1f} s")

    def _composite(self, step: Mapping[str, Any], frame: _Frame, temporary: Path) -> tuple[bool, dict[str, str]]:
        action = read_composite(self._machine.workspace, step["uses"])
        inputs = action.filled(self._filled(step.get("with", {}), frame))
        # It sees neither secrets nor variables, unless they are given to it.
        contexts = {**self._contexts(), "inputs": inputs}
        env = frame.env | self._filled(step.get("env", {}), frame)
        inner = _Frame(f"{action.name}: runs", "bash", env, contexts)
        self._steps(action.steps, inner, temporary)
        return not inner.failed, self._filled(action.outputs, inner)

    def _command(self, step: Mapping[str, Any], frame: _Frame, temporary: Path) -> tuple[bool, dict[str, str]]:
        output = temporary / "output"
        output.write_text("")
        self._summary.parent.mkdir(parents=True, exist_ok=True)
        environment = {
            **self._machine.environment,
            **self._default_environment(temporary),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self._summary),
            **frame.env,
            **self._filled(step.get("env", {}), frame),
        }
        command = [*_SHELLS[step.get("shell", frame.shell)], self._scope(frame).filled(step["run"])]
        # A step's output is progress here; how the jobs ended is the data.
        done = subprocess.run(
            command,
            cwd=self._machine.workspace,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=_STDERR,
            check=False,
        )
        if done.returncode:
            tell(f"  exit code {done.returncode}")
        return not done.returncode, read_outputs(output.read_text())

    @property
    def _summary(self) -> Path:
        return self._machine.kept / "summaries" / f"{self._name}.md"

    def _default_environment(self, temporary: Path) -> dict[str, str]:
        event = self._event
        api = self._machine.environment.get("GITHUB_API_URL")
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event.name,
            "GITHUB_REF": event.ref,
            "GITHUB_REF_NAME": event.short_ref,
            "GITHUB_REF_TYPE": event.kind,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_SHA": event.commit,
            "GITHUB_WORKSPACE": str(self._machine.workspace),
            "RUNNER_TEMP": str(temporary),
            **({"GITHUB_API_URL": api} if api else {}),
        }

    # ---- Expressions.

    def _filled(self, values: Mapping[str, str], frame: _Frame) -> dict[str, str]:
        scope = self._scope(frame)
        return {name: scope.filled(value) for name, value in values.items()}

    def _contexts(self) -> dict[str, Any]:
        event, machine = self._event, self._machine
        github = {
            "base_ref": event.base,
            "event": event.payload,
            "event_name": event.name,
            "head_ref": event.head,
            "ref": event.ref,
            "ref_name": event.short_ref,
            "ref_type": event.kind,
            "repository": REPOSITORY,
            "run_attempt": "1",
            "run_id": str(time.time_ns()),
            "sha": event.commit,
            "token": machine.secrets.get("GITHUB_TOKEN"),
            "workspace": str(machine.workspace),
        }
        # A machine of our own: steps that ask for one of GitHub's are left out.
        runner = {"os": "Linux", "arch": "X64", "environment": "self-hosted"}
        return {"github": github, "runner": runner}

    def _scope(self, frame: _Frame) -> Scope:
        functions: Mapping[str, Function] = {
            "always": lambda: True,
            "cancelled": lambda: False,
            "failure": lambda: frame.failed,
            "success": lambda: not frame.failed,
            "hashFiles": self._hash,
        }
        return Scope({**frame.contexts, "env": frame.env, "steps": frame.outputs}, functions)

    def _hash(self, *patterns: str) -> str:
        files = sorted({file for pattern in patterns for file in self._machine.workspace.glob(pattern)})
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest() if files else ""


def _default_shell(defaults: Mapping[str, Any]) -> str:
    if defaults not in ({}, {"run": {"shell": "bash"}}):
        message = f"defaults: {defaults}: only bash is understood here"
        raise WorkflowError(message)
    return "bash" if defaults else ""
