"""Stacks: what subcommands ask the Pulumi CLI, in a checkout of the project or anywhere else."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from carbide_infra.cli.outcome import CommandError, progress
from carbide_infra.errors import SetupError
from carbide_infra.paths import project_root
from carbide_infra.processes import last_lines, run

StackName = Annotated[
    str, typer.Option("--stack", envvar="STACK", help="Stack, such as prod or my-org/carbide-infra/prod.")
]


@dataclass(frozen=True)
class StackCli:
    """The Pulumi CLI for one stack.

    Attributes:
        name: the stack's name, qualified where no checkout says the project.
        pulumi: the program.
        folder: where it runs: the checkout, else the current folder.
        environment: all its variables.
    """

    name: str
    pulumi: Path
    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs; empty before its first update.

        Raises:
            SetupError: there is no such stack, or the backend does not answer; in Pulumi's words.
        """
        return self._json("stack", "output", "--json")

    def resources(self) -> list[dict[str, Any]]:
        """The resources in the stack's state, with their inputs and outputs."""
        deployment = self._json("stack", "export").get("deployment") or {}
        return list(deployment.get("resources") or [])

    def config(self) -> dict[str, Any]:
        """The stack's configuration as `pulumi config --json` gives it, secrets in clear."""
        return self._json("config", "--json", "--show-secrets")

    def preview(self) -> dict[str, Any]:
        """What `pulumi preview --json` prints: steps with old and new state, and diagnostics, its own failure's too.

        Raises:
            CommandError: it did not come so far; in Pulumi's words.
        """
        command: list[str | Path] = [
            self.pulumi,
            "preview",
            "--json",
            "--show-sames",
            "--stack",
            self.name,
            "--non-interactive",
        ]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            return dict(json.loads(done.stdout))
        except ValueError:
            message = f"`pulumi preview --stack {self.name}` failed:\n{last_lines(done.stderr + done.stdout)}"
            raise CommandError(message) from None

    def _json(self, *arguments: str) -> dict[str, Any]:
        command: list[str | Path] = [self.pulumi, *arguments, "--stack", self.name, "--non-interactive"]
        answer = run(command, self.environment, f"`pulumi {' '.join(arguments)}`", cwd=self.folder)
        return dict(json.loads(answer)) if answer.strip() else {}


def open_stack(name: str) -> StackCli:
    """Find the CLI: in a checkout the one that make uses, elsewhere the one on PATH.

    Raises:
        CommandError: there is no Pulumi CLI.
    """
    try:
        root = project_root()
    except SetupError:
        return _outside(name)
    # An installed wheel lacks what these modules need, and needs none of it.
    from devenv.builder import docker_answers  # noqa: PLC0415
    from devenv.environment import child_environment  # noqa: PLC0415
    from devenv.toolchain import ensure_tools, install_plugin  # noqa: PLC0415

    found = ensure_tools(progress, embedded=not docker_answers())
    environment = child_environment(root, found, name)
    install_plugin(found, Path(environment["PULUMI_HOME"]))
    return StackCli(name, found.pulumi, root, environment)


def _outside(name: str) -> StackCli:
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        message = "pulumi: is not on PATH; install it from https://www.pulumi.com/docs/install"
        raise CommandError(message)
    return StackCli(name, Path(pulumi), Path.cwd(), dict(os.environ))
