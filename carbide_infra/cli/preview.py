"""`carbide-infra preview`: what an update would change."""

import typer

from carbide_infra.cli.options import StackName, named_stack
from carbide_infra.cli.outcome import acts
from carbide_infra.cli.prepared import prepared

app = typer.Typer(add_completion=False)


@app.command()
@acts
def preview(stack: StackName = "") -> int:
    """Show what `up` would change, building nothing; the exit code is that of `pulumi preview`."""
    return prepared(named_stack(stack)).show_preview()
