"""The Pulumi CLI as make targets use it: one stack, its configuration, its operations."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbide_infra.processes import run, start_time
from carbide_infra.progress import Report
from carbide_infra.stack.stack_file import PROJECT
from carbide_infra.state_files import read_json

DEV_STACK = "dev"

# As in " +  docker-build:index:Image carbide-rest-api creating (8s) #14 DONE 7.2s"; of an update,
# the text after the time begins with the changed inputs in brackets.
_STEP = re.compile(r"(?P<step>\s*\S*\s+\S+:\S+ \S+ (?P<verb>\w+)) (?P<time>\([\d.]+s\)) (\[diff: .*\]; )?(#.*)?$")


@dataclass(frozen=True)
class Engine:
    """The CLI in one checkout, for one stack.

    Attributes:
        pulumi: the program.
        root: the project's folder.
        stack: the stack's name.
        environment: variables of every call.
        report: where progress is told.
    """

    pulumi: Path
    root: Path
    stack: str
    environment: Mapping[str, str]
    report: Report

    def select(self) -> None:
        """Make the stack the selected one, creating it on first use."""
        self._capture("stack", "select", "--create", self.stack)

    def config(self) -> dict[str, str]:
        """The stack's configuration with the project's defaults, secrets in clear, by plain key."""
        answer = json.loads(self._capture("config", "--json", "--show-secrets", "--stack", self.stack))
        prefix = f"{PROJECT}:"
        return {key.removeprefix(prefix): entry["value"] for key, entry in answer.items() if key.startswith(prefix)}

    def configure(self, key: str, value: str) -> None:
        """Set one config key in the stack's file."""
        self._capture("config", "set", key, value, "--stack", self.stack)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs; empty before the first successful update."""
        answer = self._capture("stack", "output", "--json", "--stack", self.stack)
        return dict(json.loads(answer)) if answer.strip() else {}

    def preview(self, arguments: Sequence[str] = ()) -> int:
        """Show what an update would change; gives the CLI's exit code."""
        return self._show("preview", *arguments)

    def up(self, event_log: Path) -> int:
        """Update the stack, writing the engine's events; gives the CLI's exit code.

        An image that fails does not stop the others. Only the development stack is
        updated unasked at a terminal; elsewhere, as in CI, nobody is there to ask.
        """
        self._release_dead_lock()
        how = ("--continue-on-error", "--suppress-outputs", "--event-log", str(event_log))
        return self._show("up", *how, *self._consent())

    def refresh(self) -> int:
        """Bring the state up to what the registry has; gives the CLI's exit code."""
        self._release_dead_lock()
        return self._show("refresh", "--suppress-outputs", *self._consent())

    def resources(self) -> list[dict[str, Any]]:
        """The resources in the stack's state."""
        deployment = json.loads(self._capture("stack", "export", "--stack", self.stack)).get("deployment") or {}
        return list(deployment.get("resources") or [])

    def forget(self, urn: str) -> None:
        """Take a resource, and those that depend on it, out of the state; the registry keeps what it is."""
        self._capture("state", "delete", urn, "--target-dependents", "--yes", "--stack", self.stack)

    def _consent(self) -> list[str]:
        asked = sys.stdin.isatty() and self.stack != DEV_STACK
        return [] if asked else ["--yes", "--skip-preview"]

    def _show(self, *arguments: str) -> int:
        command = [str(self.pulumi), *arguments, "--stack", self.stack]
        # PULUMI_DEBUG_COMMANDS unlocks --event-log, as Pulumi's own Automation API does.
        environment = {**self.environment, "PULUMI_DEBUG_COMMANDS": "true"}
        # The terminal sends Ctrl-C to the CLI as well, which cancels in good order: wait for it.
        previous = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            if sys.stdout.isatty():
                return subprocess.run(command, cwd=self.root, env=environment, check=False).returncode
            return self._print_steps([*command, "--non-interactive"], environment)
        finally:
            signal.signal(signal.SIGINT, previous)

    def _print_steps(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run the CLI for a log: without a terminal it prints each line of BuildKit's progress."""
        with subprocess.Popen(command, cwd=self.root, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            for line in steps(process.stdout):
                sys.stdout.write(line)
                sys.stdout.flush()
            return process.wait()

    def _capture(self, *arguments: str) -> str:
        command: list[str | Path] = [self.pulumi, *arguments, "--non-interactive"]
        return run(command, self.environment, f"`pulumi {' '.join(arguments)}`", cwd=self.root)

    def _release_dead_lock(self) -> None:
        """Cancel the update of a process that was killed: in a folder backend its lock stays for ever."""
        backend = self.environment.get("PULUMI_BACKEND_URL", "")
        if not backend.startswith("file://"):
            return
        folder = Path(backend.removeprefix("file://")) / ".pulumi/locks/organization" / PROJECT / self.stack
        locks = [read_json(file) for file in folder.glob("*.json")]
        if locks and all(_is_dead(lock) for lock in locks):
            self.report("The last update was killed: releasing its lock on the stack")
            self._capture("cancel", "--yes", self.stack)


def steps(lines: Iterable[str]) -> Iterator[str]:
    """Keep of the CLI's output what a log is read for: each step's start and end, without BuildKit's chatter."""
    started = set()
    for line in lines:
        step = _STEP.match(line)
        if step is None:
            yield line
        elif not step["verb"].endswith("ing"):
            yield f"{step['step']} {step['time']}\n"
        elif step["step"] not in started:
            started.add(step["step"])
            yield f"{step['step']}\n"


def _is_dead(lock: Mapping[str, Any]) -> bool:
    return lock.get("hostname") == socket.gethostname() and start_time(int(lock["pid"])) is None
