"""`carbide-infra refresh`: what was lost or moved in the registry."""

import typer

from carbide_infra.cli.options import StackName, named_stack
from carbide_infra.cli.outcome import WELL, acts
from carbide_infra.cli.prepared import prepared
from carbide_infra.messages import progress
from carbide_infra.remedies import typed
from carbide_infra.stack.drift import drift_in, moved_releases
from carbide_infra.stack.registry_access import images_client

app = typer.Typer(add_completion=False)


@app.command()
@acts
def refresh(stack: StackName = "") -> int:
    """Bring the state up to what the registry has: what was lost or moved there, the next `up` repairs."""
    stack = named_stack(stack)
    opened = prepared(stack)
    if opened.release_dead_lock():
        progress("The last update was killed: releasing its lock on the stack")
    if code := opened.refresh():
        return code
    if images := opened.outputs().get("images", {}):
        client = images_client(opened, images)
        for drift in drift_in(opened.resources(), client):
            opened.forget(drift.urn)
            progress(f"{drift.reason}; {typed('up', stack)} repairs it")
        for sentence in moved_releases(images, client):
            progress(f"{sentence}; carbide-infra release --stack {stack} at its git tag puts it back")
    return WELL
