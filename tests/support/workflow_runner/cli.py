"""The command: which event, where, and with what settings of the repository."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tests.support.workflow_runner.errors import WorkflowError
from tests.support.workflow_runner.events import Event, on_main, pull_request, push, workflow_run
from tests.support.workflow_runner.repository import Remote
from tests.support.workflow_runner.runner import Machine

Settings = Annotated[list[str] | None, typer.Option(help="NAME=VALUE, or NAME for the shell's own; may be repeated.")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(  # noqa: PLR0913 - each is one thing that GitHub knows of a run
    workflow: Annotated[str, typer.Argument(help="File in .github/workflows, as the event's commit has it.")],
    *,
    remote: Annotated[Path, typer.Option(help="Bare repository that stands for the one on GitHub.")],
    workspace: Annotated[Path, typer.Option(help="Folder to check out in; what git ignores in it stays.")],
    kept: Annotated[Path, typer.Option(help="Folder for artifacts, caches and summaries.")],
    event: Annotated[
        str, typer.Option(help="push, pull_request, workflow_run, schedule or workflow_dispatch.")
    ] = "push",
    ref: Annotated[str, typer.Option(help="What was pushed.")] = "refs/heads/main",
    number: Annotated[int, typer.Option(help="Number of the pull request.", min=1)] = 1,
    base: Annotated[str, typer.Option(help="Branch that the pull request is for.")] = "main",
    head: Annotated[str, typer.Option(help="Branch that the pull request is from.")] = "",
    variable: Settings = None,
    secret: Settings = None,
    other: Annotated[list[str] | None, typer.Option(help="OWNER/REPOSITORY=PATH of another bare repository.")] = None,
    token: Annotated[list[str] | None, typer.Option(help="OWNER/REPOSITORY=TOKEN: it is private.")] = None,
) -> None:
    """Run a workflow of GitHub's on this machine.

    Its commands run as they stand; checkouts come from the bare repository, artifacts, caches and job summaries go to
    a folder, and what sets up a machine is left out. Exit code 1: a job failed; 2: something is not understood here.
    """
    try:
        repository = Remote(remote)
        machine = Machine(
            repository,
            workspace.absolute(),
            kept.absolute(),
            _values(variable or ()),
            _values(secret or ()),
            others={name: Remote(Path(path).absolute()) for name, path in _values(other or ()).items()},
            tokens=_values(token or ()),
        )
        ended = machine.run(workflow, _event(repository, event, ref, number, base, head))
    except WorkflowError as error:
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
        raise typer.Exit(2) from None
    for job, result in ended.items():
        typer.echo(f"{job}: {result}")
    raise typer.Exit(int("failure" in ended.values()))


def _event(remote: Remote, name: str, ref: str, number: int, base: str, head: str) -> Event:
    match name:
        case "push":
            return push(remote, ref)
        case "pull_request":
            return pull_request(remote, number, base, head)
        case "workflow_run":
            return workflow_run(remote, head)
        case "schedule" | "workflow_dispatch":
            return on_main(remote, name)
    message = f"--event {name}: is not known here"
    raise WorkflowError(message)


def _values(given: Sequence[str]) -> dict[str, str]:
    pairs = (item.partition("=") for item in given)
    return {name: value if sign else os.environ.get(name, "") for name, sign, value in pairs}
