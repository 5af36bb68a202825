"""`carbide-infra pin-bases`: the base images' current digests, written into the stack's configuration."""

import os
from collections.abc import Iterable
from pathlib import Path

import typer

from carbide_infra.cli.options import StackName, named_stack
from carbide_infra.cli.outcome import WELL, acts
from carbide_infra.endpoint import stand_ins_of
from carbide_infra.errors import UserError
from carbide_infra.images.build_secrets import build_secrets
from carbide_infra.images.inputs import inputs_of_images
from carbide_infra.messages import progress
from carbide_infra.paths import cache_dir, project_root
from carbide_infra.settings import load_settings, selected_images
from carbide_infra.stack.kept_bases import kept_bases
from carbide_infra.stack.pinning import (
    Pin,
    catalogue_bases,
    catalogue_pins,
    catalogue_references,
    find_pins,
    pins_at,
    unpinned_bases,
    write_catalogue_pins,
)
from carbide_infra.stack.pulumi_stack import open_stack
from carbide_infra.stack.registry_access import base_registries, registries_for
from carbide_infra.stack.stack_file import ANY_REGISTRY, read_stack_file

app = typer.Typer(add_completion=False)


@app.command()
@acts
def pin_bases(stack: StackName = "") -> int:
    """Write the current digests of the base images into the stack's configuration and into the catalogue.

    A Dockerfile that an image keeps is its owner's: what to write there is printed.
    """
    stack, project = named_stack(stack), project_root()
    values = read_stack_file(project, stack)
    bases = unpinned_bases(values, catalogue_bases(values, project))
    settings = load_settings(ANY_REGISTRY | values | bases, os.environ)
    opened = open_stack(stack)
    stand_ins = stand_ins_of(settings.registry_server, project)
    file, kept = settings.catalogue_file(project), kept_bases(settings, project, cache_dir())
    references = [*bases.values(), *catalogue_references(file, kept.in_catalogue), *kept.references]
    with registries_for(references, settings, opened) as registries:
        own = find_pins(bases, values, stand_ins, registries)
        pins = catalogue_pins(file, settings.catalogue, stand_ins, registries, kept.in_catalogue)
        others = pins_at(kept.in_dockerfiles, stand_ins, registries)
    for pin in own:
        opened.configure(pin.key, pin.new)
        progress(str(pin))
    _warn_of_old_go(project, stack)
    for pin in (*pins, *others):
        progress(str(pin))
    if write_catalogue_pins(file, pins, kept.in_catalogue):
        progress("The catalogue has changed: make generate writes the Dockerfiles anew")
    if any(pin.old != pin.new for pin in others):
        progress(f"The Dockerfiles that images keep are left as they are: write the digests of {_places(others)} there")
    return WELL


def _places(pins: Iterable[Pin]) -> str:
    return ", ".join(pin.key for pin in pins if pin.old != pin.new)


def _warn_of_old_go(project: Path, stack: str) -> None:
    """The newest image of a tag may have an older Go than a go.mod asks for: then every build fails."""
    try:
        settings = load_settings(ANY_REGISTRY | read_stack_file(project, stack), os.environ)
        images, root = selected_images(settings, project).images, settings.source_root(project)
        secrets = build_secrets(settings, os.environ)
        inputs_of_images(images, root, secrets, lambda: base_registries(settings, project, os.environ))
    except UserError as error:
        progress(f"WARNING: {error}")
