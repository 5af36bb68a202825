"""One stack, asked and changed by the Pulumi CLI: the only code that runs it.

Pulumi's Automation API runs the same CLI, and was tried beside this: it would be in the way. To ask for a stack's
outputs took 1.30 s instead of 0.25 s (0.79 s without its Stack class): importing it takes 0.4 s, and each question
becomes four runs of the CLI. It selects the stack that it opens, which the user's next `pulumi` command then works
on; it reads the CLI through pipes, and the display at a terminal is lost; it has no method for `preview --json
--show-sames`.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carbide_infra.errors import CommandError, SetupError
from carbide_infra.names import STACK_TYPE
from carbide_infra.paths import project_root, state_dir
from carbide_infra.processes import last_lines, run
from carbide_infra.programs import find_pulumi
from carbide_infra.remedies import typed
from carbide_infra.stack.damaged_state import DamagedState, damaged_state
from carbide_infra.stack.display import shown
from carbide_infra.stack.event_log import has_begun
from carbide_infra.stack.following import Watch, followed
from carbide_infra.stack.locks import has_dead_lock, note_update, running_update
from carbide_infra.stack.policy_pack import is_production, policy_arguments, violations, with_violations
from carbide_infra.stack.ssh_agent import without_agent
from carbide_infra.stack.stack_file import DEV_STACK, project_name
from carbide_infra.state_files import PRIVATE_UMASK

_BEGUN = "creating"


@dataclass(frozen=True)
class PulumiStack:
    """A stack and the CLI.

    Attributes:
        name: the stack's name, qualified where no project says whose.
        pulumi: the program.
        project: the folder that it runs in: the project's, else the current one.
        environment: all its variables.
    """

    name: str
    pulumi: Path
    project: Path
    environment: Mapping[str, str] = field(repr=False)

    def select(self) -> None:
        """Make it the selected stack, creating it on first use."""
        self._run("stack", "select", "--create", self.name)

    def selected(self) -> str:
        """The selected stack, whichever this one is."""
        return self._run("stack", "--show-name").strip()

    def outputs(self) -> dict[str, Any]:
        """Its outputs; empty before its first update.

        Raises:
            SetupError: there is no such stack, or the backend does not answer; in Pulumi's words.
            CommandError: its state is damaged.
        """
        self._require_whole_state()
        return self._json("stack", "output", "--json")

    def exported(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """Its state.

        Raises:
            CommandError: it is damaged.
        """
        self._require_whole_state()
        return self._json("stack", "export", *(("--show-secrets",) if show_secrets else ()))

    def resources(self) -> list[dict[str, Any]]:
        """The resources in its state, with their inputs and outputs."""
        return list((self.exported().get("deployment") or {}).get("resources") or [])

    def values(self) -> dict[str, str]:
        """Its configuration with the project's defaults, by plain key, secrets in clear."""
        answer, prefix = self._json("config", "--json", "--show-secrets"), f"{project_name(self.project)}:"
        return {key.removeprefix(prefix): entry["value"] for key, entry in answer.items() if key.startswith(prefix)}

    def configure(self, key: str, value: str) -> None:
        """Set one config key in its file."""
        self._run("config", "set", key, value, *self._chosen)

    def create(self) -> None:
        """Create it in the backend, leaving the selection as it is."""
        self._run("stack", "init", "--no-select", *self._chosen)

    def restore(self, state: Path) -> None:
        """Replace its state by an exported one."""
        self._run("stack", "import", "--file", str(state.absolute()), *self._chosen)

    def forget(self, urn: str) -> None:
        """Take a resource, and those that depend on it, out of the state; the registry keeps what it is."""
        self._require_whole_state()
        self._run("state", "delete", urn, "--target-dependents", "--yes", *self._chosen)

    def preview(self) -> dict[str, Any]:
        """What `pulumi preview --json` prints: steps with old and new state, and diagnostics, its own failure's too.

        Raises:
            SetupError: it did not come so far; in Pulumi's words.
            CommandError: its state is damaged.
        """
        self._require_whole_state()
        with tempfile.TemporaryDirectory() as folder:
            # The JSON has nothing of what the rules say; the log has.
            log = Path(folder) / "events.json"
            rules = self._rules_of_previews
            how = (*rules, "--event-log", str(log)) if rules else ()
            done = subprocess.run(
                [str(self.pulumi), "preview", "--json", "--show-sames", *how, *self._chosen, "--non-interactive"],
                cwd=self.project,
                env={**self._logging, **self._alone()},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            said = list(violations(log))
        try:
            return with_violations(dict(json.loads(done.stdout)), said)
        except ValueError:
            message = f"`pulumi preview --stack {self.name}` failed:\n{last_lines(done.stderr + done.stdout)}"
            raise SetupError(message) from None

    def require_policy(self) -> None:
        """Refuse an update outside development that a rule refuses, before anything of it is made.

        Raises:
            CommandError: a line for each violation.
        """
        if not self._rules_of_previews:
            return
        refused = [entry for entry in self.preview().get("diagnostics", ()) if entry.get("rule")]
        if not refused:
            return
        told = [f"stack {self.name} is not what its rules ask for:", *(entry["message"] for entry in refused)]
        raise CommandError("\n    ".join(told))

    def show_preview(self) -> int:
        """Show what an update would change; gives the CLI's exit code."""
        self._require_whole_state()
        return self._show("preview", *self._rules_of_previews, environment=self._alone())

    def update(self, event_log: Path, watch: Watch | None = None) -> int:
        """Update it, writing the engine's events; gives the CLI's exit code.

        An image that fails does not stop the others. Only the development stack is
        updated unasked at a terminal; elsewhere, as in CI, nobody is there to ask.

        Args:
            event_log: file to write the engine's events to.
            watch: shows the images' progress in the place of Pulumi's own display, unless that has to ask.

        Raises:
            CommandError: another update runs, or the state is damaged.
        """
        self._require_no_other_update()
        self._require_whole_state()
        consent = self._consent()
        how = ("up", "--continue-on-error", "--suppress-outputs", "--event-log", str(event_log), *consent)
        how += policy_arguments(self.project)
        if watch is None or not consent:
            code = self._show(*how, event_log=event_log, started=self._note)
        else:
            command = [str(self.pulumi), *how, *self._chosen]
            code = followed(command, self._logging, self.project, event_log, watch, self._note)
        if code and not has_begun(event_log):
            # Another one may have begun since the look above; Pulumi's advice is to cancel that.
            self._require_no_other_update()
        return code

    def refresh(self) -> int:
        """Bring the state up to what the registry has; gives the CLI's exit code."""
        self._require_no_other_update()
        self._require_whole_state()
        # What a killed update had begun to make, the next one makes again: the same bytes, under the same names.
        how = ("--suppress-outputs", "--clear-pending-creates", *self._consent())
        return self._show("refresh", *how, started=self._note)

    def clear_pending(self) -> list[str]:
        """Have Pulumi forget what it had begun to make when it was killed, and has made since; gives its names.

        An update leaves such a note in the state, so that each one after it warns of it.
        """
        deployment = self.exported().get("deployment") or {}
        begun = [one["resource"]["urn"] for one in deployment.get("pending_operations") or () if one["type"] == _BEGUN]
        if begun:
            stack = next(item["urn"] for item in deployment["resources"] if item["type"] == STACK_TYPE)
            # Nothing else is looked at.
            self._run("refresh", "--clear-pending-creates", "--target", stack, "--yes", *self._chosen)
        return sorted({urn.rpartition("::")[2] for urn in begun})

    def release_dead_lock(self) -> bool:
        """Cancel the update of a process that was killed; tell whether there was one."""
        dead = has_dead_lock(self._backend, self.project, self.name)
        if dead:
            self._require_whole_state()
            self._run("cancel", "--yes", self.name)
        return dead

    def damage(self) -> DamagedState | None:
        """What is wrong with its state; None where it is whole, or nobody here can know."""
        return damaged_state(self._backend, self.project, project_name(self.project), self.name)

    def _require_whole_state(self) -> None:
        if damage := self.damage():
            message = f"stack {self.name}: {damage.told}; {damage.fix(typed('up', self.name))}"
            raise CommandError(message)

    def _require_no_other_update(self) -> None:
        other = running_update(self._backend, self.name, project_name(self.project))
        if other:
            message = f"stack {self.name}: {other}"
            raise CommandError(message)

    @property
    def _backend(self) -> str:
        return self.environment.get("PULUMI_BACKEND_URL", "")

    @property
    def _chosen(self) -> tuple[str, str]:
        return "--stack", self.name

    @property
    def _rules_of_previews(self) -> tuple[str, ...]:
        """Nothing for development, where rules only advise: to start them takes a tenth of a preview's time."""
        return policy_arguments(self.project) if is_production(self.project, self.name) else ()

    def _consent(self) -> list[str]:
        asked = sys.stdin.isatty() and self.name != DEV_STACK
        return [] if asked else ["--yes", "--skip-preview"]

    def _note(self, pid: int) -> None:
        note_update(self.project, self.name, pid)

    def _alone(self) -> dict[str, str]:
        """The environment of what builds nothing."""
        return without_agent(self.environment, state_dir(self.project))

    def _show(
        self,
        *arguments: str,
        event_log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        started: Callable[[int], None] = lambda _: None,
    ) -> int:
        environment = {**self._logging, **(environment or {})}
        command = [str(self.pulumi), *arguments, *self._chosen]
        return shown(command, environment, self.project, event_log, started)

    @property
    def _logging(self) -> dict[str, str]:
        """The environment in which Pulumi takes --event-log, as its own Automation API has it."""
        return {**self.environment, "PULUMI_DEBUG_COMMANDS": "true"}

    def _json(self, *arguments: str) -> dict[str, Any]:
        answer = self._run(*arguments, *self._chosen)
        return dict(json.loads(answer)) if answer.strip() else {}

    def _run(self, *arguments: str) -> str:
        command: list[str | Path] = [self.pulumi, *arguments, "--non-interactive"]
        purpose = f"`pulumi {' '.join(arguments)}`"
        return run(command, self.environment, purpose, cwd=self.project, umask=PRIVATE_UMASK)


def selected_stack() -> str:
    """The name of the stack that `pulumi stack select` has selected here; empty where there is none.

    Raises:
        SetupError: Pulumi has no answer.
    """
    return open_stack("").selected()


def open_stack(name: str) -> PulumiStack:
    """Give a stack of the project, or of the current folder where there is none.

    Raises:
        MissingPrerequisite: there is no Pulumi CLI on PATH.
    """
    try:
        project = project_root()
    except SetupError:
        project = Path.cwd()
    return PulumiStack(name, find_pulumi(), project, dict(os.environ))
