"""`carbide-infra preview`: what an update would change."""

import typer

from carbide_infra.cli.options import StackName
from carbide_infra.cli.outcome import acts
from carbide_infra.cli.prepared import prepared
from carbide_infra.stack.stack_file import DEV_STACK

app = typer.Typer(add_completion=False)


@app.command()
@acts
def preview(stack: StackName = DEV_STACK) -> int:
    """Show what `up` would change, building nothing; the exit code is that of `pulumi preview`."""
    return prepared(stack).show_preview()
