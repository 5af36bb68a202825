"""Runs a workflow's jobs: its own commands for real, GitHub's actions as what they amount to on this machine."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.workflow_runner.errors import WorkflowError
from tests.support.workflow_runner.events import REPOSITORY, Event
from tests.support.workflow_runner.expressions import Function, Scope
from tests.support.workflow_runner.repository import Remote

_WORKFLOW = {"name", "on", "permissions", "concurrency", "defaults", "env", "jobs"}
# What says where and for how long a job may run means nothing here.
_JOB = {"name", "if", "runs-on", "timeout-minutes", "environment", "permissions", "concurrency", "env", "steps"}
_STEP = {"id", "name", "if", "uses", "with", "run", "env"}
_BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
_STDERR = 2
_SET_UP_HERE = frozenset({"actions/setup-python", "actions/setup-go", "actions/cache"})
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
        _known(workflow, _WORKFLOW, name)
        if not event.triggers(workflow["on"]):
            message = f"{name} does not run on {event.name} of {event.ref}"
            raise WorkflowError(message)
        return {job: _Job(self, event, workflow, job).run() for job in workflow["jobs"]}


class _Job:
    """One job of a run."""

    def __init__(self, machine: Machine, event: Event, workflow: Mapping[str, Any], name: str) -> None:
        self._machine = machine
        self._event = event
        self._name = name
        self._job = dict(workflow["jobs"][name])
        self._failed = False
        self._outputs: dict[str, dict[str, dict[str, str]]] = {}
        _known(self._job, _JOB, f"jobs.{name}")
        defaults = workflow.get("defaults", {"run": {"shell": "bash"}})
        if defaults != {"run": {"shell": "bash"}}:
            message = f"defaults: {defaults}: only bash is understood here"
            raise WorkflowError(message)
        self._env: dict[str, str] = {}
        for env in (workflow.get("env", {}), self._job.get("env", {})):
            self._env |= self._filled(env)

    def run(self) -> str:
        if not self._scope().holds(self._job.get("if", "")):
            _tell(f"Job {self._name}: skipped")
            return "skipped"
        _tell(f"Job {self._name}")
        with tempfile.TemporaryDirectory(prefix="carbide-runner-") as temporary:
            for number, step in enumerate(self._job["steps"], start=1):
                _known(step, _STEP, f"jobs.{self._name}.steps[{number}]")
                self._step(step, Path(temporary))
        return "failure" if self._failed else "success"

    def _step(self, step: Mapping[str, Any], temporary: Path) -> None:
        title = step.get("name") or step.get("uses", step.get("run", ""))
        if not self._scope().holds(step.get("if", "")):
            _tell(f"- {title}: skipped")
            return
        _tell(f"- {title}")
        start = time.monotonic()
        if "uses" in step:
            self._action(step["uses"].partition("@")[0], self._filled(step.get("with", {})))
        else:
            self._command(step, temporary)
        _tell(f"  {'failed' if self._failed else 'done'} in {time.monotonic() - start:.1f} s")

    def _command(self, step: Mapping[str, Any], temporary: Path) -> None:
        output = temporary / "output"
        output.write_text("")
        self._summary.parent.mkdir(parents=True, exist_ok=True)
        environment = {
            **self._machine.environment,
            **self._default_environment(temporary),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self._summary),
            **self._env,
            **self._filled(step.get("env", {})),
        }
        command = [*_BASH, self._scope().filled(step["run"])]
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
            _tell(f"  exit code {done.returncode}")
            self._failed = True
        if "id" in step:
            entries = (line.partition("=") for line in output.read_text().splitlines())
            self._outputs[step["id"]] = {"outputs": {key: value for key, _, value in entries}}

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

    # ---- Actions.

    def _action(self, name: str, given: Mapping[str, str]) -> None:
        if name in _SET_UP_HERE:
            _tell("  nothing to do: this machine has it")
            return
        actions: Mapping[str, Callable[[Mapping[str, str]], None]] = {
            "actions/checkout": self._check_out,
            "actions/upload-artifact": self._upload,
            "actions/download-artifact": self._download,
            "actions/cache/save": self._save,
            "actions/cache/restore": self._restore,
        }
        if name not in actions:
            message = f"uses: {name}: is not known here"
            raise WorkflowError(message)
        actions[name](given)

    def _check_out(self, given: Mapping[str, str]) -> None:
        ref = given.get("ref") or self._event.ref
        full = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
        self._machine.remote.check_out(full, self._machine.workspace, int(given.get("fetch-depth", "1")))

    def _upload(self, given: Mapping[str, str]) -> None:
        files = [self._machine.workspace / line for line in given["path"].split()]
        missing = [str(file) for file in files if not file.is_file()]
        if missing:
            _tell(f"  there is no {', '.join(missing)}")
            self._failed = True
            return
        # Paths in an artifact begin at the lowest folder that all its files have in common.
        above = Path(os.path.commonpath([file.parent for file in files]))
        for file in files:
            target = self._artifact(given) / file.relative_to(above)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)

    def _download(self, given: Mapping[str, str]) -> None:
        shutil.copytree(self._artifact(given), self._machine.workspace / given["path"], dirs_exist_ok=True)

    def _artifact(self, given: Mapping[str, str]) -> Path:
        return self._machine.kept / "artifacts" / given["name"]

    def _save(self, given: Mapping[str, str]) -> None:
        shutil.copytree(self._machine.workspace / given["path"], self._caches / given["key"], dirs_exist_ok=True)

    def _restore(self, given: Mapping[str, str]) -> None:
        prefixes = given.get("restore-keys", "").split()
        kept = sorted(self._caches.glob("*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
        matching = (folder for prefix in (given["key"], *prefixes) for folder in kept if folder.name.startswith(prefix))
        found = next(matching, None)
        target = self._machine.workspace / given["path"]
        if found is None:
            _tell("  nothing is kept under that key")
            return
        shutil.copytree(found, target, dirs_exist_ok=True)

    @property
    def _caches(self) -> Path:
        return self._machine.kept / "caches"

    # ---- Expressions.

    def _filled(self, values: Mapping[str, str]) -> dict[str, str]:
        scope = self._scope()
        return {name: scope.filled(value) for name, value in values.items()}

    def _scope(self) -> Scope:
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
        contexts = {
            "env": self._env,
            "github": github,
            "runner": {"os": "Linux", "arch": "X64"},
            "secrets": machine.secrets,
            "steps": self._outputs,
            "vars": machine.variables,
        }
        functions: Mapping[str, Function] = {
            "always": lambda: True,
            "cancelled": lambda: False,
            "failure": lambda: self._failed,
            "success": lambda: not self._failed,
            "hashFiles": self._hash,
        }
        return Scope(contexts, functions)

    def _hash(self, *patterns: str) -> str:
        files = sorted({file for pattern in patterns for file in self._machine.workspace.glob(pattern)})
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest() if files else ""


def _known(mapping: Mapping[str, Any], names: set[str], where: str) -> None:
    unknown = mapping.keys() - names
    if unknown:
        message = f"{where}.{min(unknown)}: is not understood here"
        raise WorkflowError(message)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
