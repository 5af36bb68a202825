"""`carbide-infra baseline`: previews without credentials, from a stack's last known state."""

import json
from pathlib import Path
from typing import Annotated

import typer

from carbide_infra.cli.outcome import WELL, CommandError, ends, progress
from carbide_infra.cli.stacks import StackCli, StackName, open_stack
from carbide_infra.errors import SetupError
from carbide_infra.processes import run
from carbide_infra.stack.baseline import without_encryption, without_secrets

BaselineFile = Annotated[Path, typer.Option("--file", help="The baseline, in JSON.")]

app = typer.Typer(name="baseline", no_args_is_help=True)


@app.callback()
def baseline() -> None:
    """Preview without credentials: a stack's state, stripped of every secret, and a throw-away stack made from it."""


@app.command()
@ends
def save(stack: StackName, file: BaselineFile) -> int:
    """Write the stack's state without its secrets."""
    exported = json.loads(_pulumi(open_stack(stack), "export", "--show-secrets"))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(without_secrets(exported), indent=1), encoding="utf-8")
    progress(f"Wrote {file}")
    return WELL


@app.command()
@ends
def load(stack: StackName, file: BaselineFile) -> int:
    """Make the stack from a baseline, in a backend that does not have it yet; an empty one without a file.

    For a checkout that is thrown away, as in CI: Pulumi.<stack>.yaml loses what is encrypted in it, because the
    passphrase is not there. The new stack's passphrase may be any, as PULUMI_CONFIG_PASSPHRASE.
    """
    opened = open_stack(stack)
    config = opened.folder / f"Pulumi.{stack}.yaml"
    if not config.is_file():
        message = f"--stack {stack}: there is no {config}"
        raise CommandError(message)
    before = config.read_text(encoding="utf-8")
    config.write_text(without_encryption(before), encoding="utf-8")
    try:
        _pulumi(opened, "init", "--no-select")
    except SetupError:
        config.write_text(before, encoding="utf-8")
        raise
    if not file.is_file():
        progress(f"There is no baseline {file}: to this preview, every image is new")
        return WELL
    _pulumi(opened, "import", "--file", str(file.absolute()))
    progress(f"Stack {stack} is as {file} has it")
    return WELL


def _pulumi(stack: StackCli, verb: str, *arguments: str) -> str:
    command: list[str | Path] = [stack.pulumi, "stack", verb, *arguments, "--stack", stack.name]
    return run([*command, "--non-interactive"], stack.environment, f"`pulumi stack {verb}`", cwd=stack.folder)
