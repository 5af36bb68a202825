"""`carbide-infra baseline`: previews without credentials, from a stack's last known state."""

import json
from pathlib import Path
from typing import Annotated

import typer

from carbide_infra.cli.options import StackName, named_stack
from carbide_infra.cli.outcome import WELL, ends
from carbide_infra.errors import CommandError, SetupError
from carbide_infra.messages import progress
from carbide_infra.stack.baseline import without_encryption, without_secrets
from carbide_infra.stack.pulumi_stack import open_stack

BaselineFile = Annotated[Path, typer.Option("--file", help="The baseline, in JSON.")]

app = typer.Typer(name="baseline", no_args_is_help=True)


@app.callback()
def baseline() -> None:
    """Preview without credentials: a stack's state, stripped of every secret, and a throw-away stack made from it."""


@app.command()
@ends
def save(file: BaselineFile, stack: StackName = "") -> int:
    """Write the stack's state without its secrets."""
    exported = open_stack(named_stack(stack)).exported(show_secrets=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(without_secrets(exported), indent=1), encoding="utf-8")
    progress(f"Wrote {file}")
    return WELL


@app.command()
@ends
def load(file: BaselineFile, stack: StackName = "") -> int:
    """Make the stack from a baseline, in a backend that does not have it yet; an empty one without a file.

    For a checkout that is thrown away, as in CI: Pulumi.<stack>.yaml loses what is encrypted in it, because the
    passphrase is not there. The new stack's passphrase may be any, as PULUMI_CONFIG_PASSPHRASE.
    """
    stack = named_stack(stack)
    opened = open_stack(stack)
    config = opened.project / f"Pulumi.{stack}.yaml"
    if not config.is_file():
        message = f"--stack {stack}: there is no {config}"
        raise CommandError(message)
    before = config.read_text(encoding="utf-8")
    config.write_text(without_encryption(before), encoding="utf-8")
    try:
        opened.create()
    except SetupError:
        config.write_text(before, encoding="utf-8")
        raise
    if not file.is_file():
        progress(f"There is no baseline {file}: to this preview, every image is new")
        return WELL
    opened.restore(file)
    progress(f"Stack {stack} is as {file} has it")
    return WELL
