"""Runs a workflow's jobs: its commands for real, GitHub's actions as what they amount to on this machine."""

import graphlib
import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.workflow_runner.actions import Actions
from tests.support.workflow_runner.composite import read_composite
from tests.support.workflow_runner.errors import WorkflowError, require_known
from tests.support.workflow_runner.events import REPOSITORY, Event
from tests.support.workflow_runner.expressions import Function, Scope
from tests.support.workflow_runner.outputs import read_outputs
from tests.support.workflow_runner.progress import tell
from tests.support.workflow_runner.repository import Remote
from tests.support.workflow_runner.workflows import Workflow, require_granted

# What says where and for how long a job may run means nothing here.
_WHERE = {"name", "if", "needs", "permissions", "concurrency"}
_JOB = _WHERE | {"runs-on", "timeout-minutes", "environment", "env", "steps", "outputs"}
_CALLING_JOB = _WHERE | {"uses", "with", "secrets"}
_STEP = {"id", "name", "if", "uses", "with", "run", "shell", "env", "working-directory", "continue-on-error"}
# Who asks for bash gets more of it than who asks for nothing.
_SHELLS = {"": ("bash", "-ec"), "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")}
_STDERR = 2
# A machine of our own: steps that ask for one of GitHub's are left out.
RUNNER = "self-hosted"
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
        others: other repositories, by name: of workflows that are called, and of what is checked out beside.
        tokens: of those that not everybody may read, what opens them.
    """

    remote: Remote
    workspace: Path
    kept: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment: Mapping[str, str] = field(default_factory=lambda: fresh(os.environ), repr=False)
    others: Mapping[str, Remote] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)

    def run(self, file: str, event: Event) -> dict[str, str]:
        """Run the workflow that the event's commit has, and tell of each job how it ended: success, failure, skipped.

        Raises:
            WorkflowError: the event does not trigger it, or something in it is not understood here.
        """
        workflow = Workflow.read(self.remote, event.commit, f".github/workflows/{file}")
        if not event.triggers(workflow.data["on"]):
            message = f"{workflow.name} does not run on {event.name} of {event.ref}"
            raise WorkflowError(message)
        run = _Run(self, event, workflow, self.secrets)
        run.finish()
        return run.results


class _Run:
    """One workflow's jobs, each run after those that it needs.

    Attributes:
        results: by job, how it has ended.
        outputs: what the workflow gives its caller.
    """

    def __init__(
        self,
        machine: Machine,
        event: Event,
        workflow: Workflow,
        secrets: Mapping[str, str],
        inputs: Mapping[str, Any] | None = None,
        granted: object = None,
    ) -> None:
        self.machine, self.event, self.workflow = machine, event, workflow
        self.results: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self._outputs_of_jobs: dict[str, dict[str, str]] = {}
        self._granted = granted
        self.contexts = {
            **contexts_of(machine, event),
            "secrets": secrets,
            "vars": machine.variables,
            "inputs": inputs or {},
        }

    def finish(self) -> None:
        """Run them all."""
        jobs = self.workflow.data["jobs"]
        for name in _in_order(jobs):
            job = jobs[name]
            self.results[name], self._outputs_of_jobs[name] = self._ended(name, job)
        ended = {name: {"result": self.results[name], "outputs": self._outputs_of_jobs[name]} for name in jobs}
        self.outputs = self.workflow.outputs(Scope({**self.contexts, "jobs": ended}))

    def _ended(self, name: str, job: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
        require_known(job, _CALLING_JOB if "uses" in job else _JOB, f"jobs.{name}")
        asked = job.get("permissions", self.workflow.data.get("permissions"))
        require_granted(asked, self._granted, f"{self.workflow.name}: jobs.{name}")
        contexts = {**self.contexts, "needs": self._needed(job)}
        results = {needed["result"] for needed in contexts["needs"].values()}
        scope = Scope(contexts, _status_functions(failed="failure" in results, succeeded=results <= {"success"}))
        if not scope.holds(job.get("if", "")):
            tell(f"Job {name}: skipped")
            return "skipped", {}
        if "uses" in job:
            return self._called(job, scope, asked if asked is not None else self._granted)
        return _Job(self, name, contexts).run()

    def _needed(self, job: Mapping[str, Any]) -> dict[str, Any]:
        return {each: {"result": self.results[each], "outputs": self._outputs_of_jobs[each]} for each in _needs(job)}

    def _called(self, job: Mapping[str, Any], scope: Scope, granted: object) -> tuple[str, dict[str, str]]:
        workflow = self.workflow.called(job["uses"], self.machine.others)
        given = {name: scope.filled(value) for name, value in job.get("with", {}).items()}
        secrets = job.get("secrets", {})
        if isinstance(secrets, Mapping):
            secrets = {name: scope.filled(value) for name, value in secrets.items()}
        token = {name: value for name, value in self.contexts["secrets"].items() if name == "GITHUB_TOKEN"}
        inputs = workflow.inputs(given, Scope(contexts_of(self.machine, self.event)))
        # Variables are the caller's; its env and its secrets are its own.
        run = _Run(self.machine, self.event, workflow, token | workflow.secrets(secrets), inputs, granted)
        run.finish()
        results = set(run.results.values())
        return ("failure" if "failure" in results else "success"), run.outputs


def _needs(job: Mapping[str, Any]) -> list[str]:
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else needs


def _in_order(jobs: Mapping[str, Any]) -> list[str]:
    """The jobs' names, each after those that it needs."""
    needs = {name: _needs(job) for name, job in jobs.items()}
    for name, needed in needs.items():
        require_known(needed, set(jobs), f"jobs.{name}.needs")
    return list(graphlib.TopologicalSorter(needs).static_order())


def contexts_of(machine: Machine, event: Event) -> dict[str, Any]:
    """What every expression can name: the run, which is the caller's, and the machine."""
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
    return {"github": github, "runner": {"os": "Linux", "arch": "X64", "environment": RUNNER}}


def _status_functions(*, failed: bool, succeeded: bool) -> Mapping[str, Function]:
    return {
        "always": lambda: True,
        "cancelled": lambda: False,
        "failure": lambda: failed,
        "success": lambda: succeeded,
    }


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
        root: the files of the repository that the steps are from; None where they are not at hand yet.
    """

    where: str
    shell: str
    env: dict[str, str]
    contexts: Mapping[str, Any] = field(repr=False)
    root: Path | None = None
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: bool = False


class _Job:
    """One job of a run."""

    def __init__(self, run: _Run, name: str, contexts: Mapping[str, Any]) -> None:
        self._machine, self._event, self._workflow = run.machine, run.event, run.workflow
        self._name = name
        self._job = dict(run.workflow.data["jobs"][name])
        self._actions = Actions(
            run.machine.remote, run.event, run.machine.workspace, run.machine.kept, run.machine.others,
            run.machine.tokens,
        )  # fmt: skip
        self._contexts = {name: contexts[name] for name in ("github", "runner")}
        # What steps have told the ones after them: variables, and folders for PATH.
        self._exported: dict[str, str] = {}
        self._paths: list[str] = []
        shell = _default_shell(run.workflow.data.get("defaults", {}))
        self._frame = _Frame(f"jobs.{name}", shell, {}, contexts)
        for env in (run.workflow.data.get("env", {}), self._job.get("env", {})):
            self._frame.env |= self._filled(env, self._frame)

    def run(self) -> tuple[str, dict[str, str]]:
        tell(f"Job {self._name}")
        self._machine.workspace.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="carbide-runner-") as temporary:
            self._contexts["runner"] = {**self._contexts["runner"], "temp": temporary}
            self._frame.contexts = {**self._frame.contexts, "runner": self._contexts["runner"]}
            self._steps(self._job["steps"], self._frame, Path(temporary))
        result = "failure" if self._frame.failed else "success"
        return result, self._filled(self._job.get("outputs", {}), self._frame)

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
        if uses.startswith(("./", "$/")):
            succeeded, outputs = self._composite(step, frame, temporary)
        elif uses:
            succeeded, outputs = (
                self._actions.run(uses.partition("@")[0], self._filled(step.get("with", {}), frame)),
                {},
            )
        else:
            succeeded, outputs = self._command(step, frame, temporary)
        frame.failed |= not succeeded and self._scope(frame).filled(step.get("continue-on-error", "")) != "true"
        if "id" in step:
            frame.outputs[step["id"]] = {"outputs": outputs, "outcome": "success" if succeeded else "failure"}
        tell(f"  {'done' if succeeded else 'failed'} in {time.monotonic() - start:.1f} s")

    def _composite(self, step: Mapping[str, Any], frame: _Frame, temporary: Path) -> tuple[bool, dict[str, str]]:
        root = frame.root if step["uses"].startswith("$/") else self._machine.workspace
        action = read_composite(root or self._exported_files(temporary), step["uses"])
        inputs = action.filled(self._filled(step.get("with", {}), frame))
        # It sees neither secrets nor variables, unless they are given to it.
        github = {**self._contexts["github"], "action_path": str(action.folder)}
        contexts = {**self._contexts, "github": github, "inputs": inputs}
        env = frame.env | self._filled(step.get("env", {}), frame) | {"GITHUB_ACTION_PATH": str(action.folder)}
        inner = _Frame(f"{action.name}: runs", "bash", env, contexts, root=root)
        self._steps(action.steps, inner, temporary)
        return not inner.failed, self._filled(action.outputs, inner)

    def _exported_files(self, temporary: Path) -> Path:
        """The files of the workflow's own repository, as the commit has them that the workflow is of."""
        folder = temporary / "actions" / self._workflow.commit
        if not folder.exists():
            self._workflow.remote.export(self._workflow.commit, folder)
        return folder

    def _command(self, step: Mapping[str, Any], frame: _Frame, temporary: Path) -> tuple[bool, dict[str, str]]:
        files = {name: temporary / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH")}
        for file in files.values():
            file.write_text("")
        self._summary.parent.mkdir(parents=True, exist_ok=True)
        environment = {
            **self._machine.environment,
            **self._default_environment(temporary),
            **{name: str(file) for name, file in files.items()},
            "GITHUB_STEP_SUMMARY": str(self._summary),
            **frame.env,
            **self._exported,
            **self._filled(step.get("env", {}), frame),
        }
        environment["PATH"] = os.pathsep.join([*reversed(self._paths), environment.get("PATH", os.defpath)])
        scope = self._scope(frame)
        folder = self._machine.workspace / scope.filled(step.get("working-directory", "."))
        if not folder.is_dir():
            tell(f"  there is no folder {folder}")
            return False, {}
        command = [*_SHELLS[step.get("shell", frame.shell)], scope.filled(step["run"])]
        # A step's output is progress here; how the jobs ended is the data.
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=_STDERR, check=False
        )
        if done.returncode:
            tell(f"  exit code {done.returncode}")
        self._exported |= read_outputs(files["GITHUB_ENV"].read_text(), "GITHUB_ENV")
        self._paths += files["GITHUB_PATH"].read_text().splitlines()
        return not done.returncode, read_outputs(files["GITHUB_OUTPUT"].read_text())

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
            "RUNNER_ENVIRONMENT": RUNNER,
            "RUNNER_TEMP": str(temporary),
            **({"GITHUB_API_URL": api} if api else {}),
        }

    # ---- Expressions.

    def _filled(self, values: Mapping[str, str], frame: _Frame) -> dict[str, str]:
        scope = self._scope(frame)
        return {name: scope.filled(value) for name, value in values.items()}

    def _scope(self, frame: _Frame) -> Scope:
        functions: Mapping[str, Function] = {
            **_status_functions(failed=frame.failed, succeeded=not frame.failed),
            "format": lambda text, *values: text.format(*values),
            "hashFiles": self._hash,
        }
        env = frame.env | self._exported
        return Scope({**frame.contexts, "env": env, "steps": frame.outputs}, functions)

    def _hash(self, *patterns: str) -> str:
        files = sorted({file for pattern in patterns for file in self._machine.workspace.glob(pattern)})
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest() if files else ""


def _default_shell(defaults: Mapping[str, Any]) -> str:
    if defaults not in ({}, {"run": {"shell": "bash"}}):
        message = f"defaults: {defaults}: only bash is understood here"
        raise WorkflowError(message)
    return "bash" if defaults else ""
