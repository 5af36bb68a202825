"""`carbide-infra check-bases`: whether the pinned base images are still what their tags give."""

import os
import sys

import typer

from carbide_infra.cli.options import StackName, named_stack
from carbide_infra.cli.outcome import DIFFERENT, WELL, ends
from carbide_infra.messages import progress
from carbide_infra.paths import cache_dir, project_root
from carbide_infra.remedies import typed
from carbide_infra.settings import load_settings
from carbide_infra.stack.kept_bases import kept_bases
from carbide_infra.stack.pinning import (
    catalogue_bases,
    catalogue_pins,
    catalogue_references,
    find_pins,
    pins_at,
    unpinned_bases,
)
from carbide_infra.stack.pulumi_stack import open_stack
from carbide_infra.stack.registry_access import registries_for
from carbide_infra.stack.stack_file import ANY_REGISTRY, read_stack_file

app = typer.Typer(add_completion=False)


@app.command()
@ends
def check_bases(stack: StackName = "") -> int:
    """Tell whether the pinned base images are still what their tags give; exit code 1 if not, 2 if nobody knows."""
    stack, project = named_stack(stack), project_root()
    values = read_stack_file(project, stack)
    settings = load_settings(ANY_REGISTRY | values, os.environ)
    bases = unpinned_bases(values, catalogue_bases(values, project))
    file, kept = settings.catalogue_file(project), kept_bases(settings, project, cache_dir())
    references = [*bases.values(), *catalogue_references(file, kept.in_catalogue), *kept.references]
    with registries_for(references, settings, open_stack(stack)) as registries:
        pins = find_pins(bases, values, {}, registries)
        pins += catalogue_pins(file, settings.catalogue, {}, registries, kept.in_catalogue)
        pins += pins_at(kept.in_dockerfiles, {}, registries)
    for pin in pins:
        sys.stdout.write(f"{pin}\n")
    if not all(pin.is_pinned for pin in pins):
        progress(f"What is not pinned may change with any build: {typed('pin-bases', stack)}")
    if any(pin.has_moved for pin in pins):
        progress(f"Base images have moved. To take the new ones: {typed('pin-bases', stack)}")
        return DIFFERENT
    return WELL
