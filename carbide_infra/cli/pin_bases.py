"""`carbide-infra pin-bases`: the base images' current digests, written into the stack's configuration."""

import os

import typer

from carbide_infra.cli.options import StackName, named_stack
from carbide_infra.cli.outcome import WELL, acts, progress
from carbide_infra.endpoint import read_endpoint
from carbide_infra.paths import project_root
from carbide_infra.programs import find_buildx
from carbide_infra.settings import load_settings
from carbide_infra.stack.pinning import (
    NOWHERE,
    catalogue_bases,
    catalogue_pins,
    find_pins,
    unpinned_bases,
    write_catalogue_pins,
)
from carbide_infra.stack.pulumi_stack import open_stack
from carbide_infra.stack.stack_file import ANY_REGISTRY, read_stack_file

app = typer.Typer(add_completion=False)


@app.command()
@acts
def pin_bases(stack: StackName = "") -> int:
    """Write the current digests of the base images into the stack's configuration and into the catalogue."""
    stack, project = named_stack(stack), project_root()
    values = read_stack_file(project, stack)
    bases = unpinned_bases(values, catalogue_bases(values, project))
    settings = load_settings(ANY_REGISTRY | values | bases, os.environ)
    opened = open_stack(stack)
    endpoint = read_endpoint(project) or NOWHERE
    for pin in find_pins(bases, values, endpoint, str(find_buildx()), opened.environment):
        opened.configure(pin.key, pin.new)
        progress(str(pin))
    file = settings.catalogue_file(project)
    pins = catalogue_pins(file, settings.catalogue, endpoint, str(find_buildx()), opened.environment)
    for pin in pins:
        progress(str(pin))
    if write_catalogue_pins(file, pins):
        progress("The catalogue has changed: make generate writes the Dockerfiles anew")
    return WELL
