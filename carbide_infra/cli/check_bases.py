"""`carbide-infra check-bases`: whether the pinned base images are still what their tags give."""

import os
import sys
from pathlib import Path

import typer

from carbide_infra.cli.options import StackName, named_stack
from carbide_infra.cli.outcome import DIFFERENT, WELL, ends, progress
from carbide_infra.paths import project_root
from carbide_infra.programs import find_buildx
from carbide_infra.registry.docker_hub import find_docker_hub
from carbide_infra.settings import load_settings
from carbide_infra.stack.pinning import NOWHERE, catalogue_bases, catalogue_pins, current_pins
from carbide_infra.stack.stack_file import ANY_REGISTRY, read_stack_file

app = typer.Typer(add_completion=False)


@app.command()
@ends
def check_bases(stack: StackName = "") -> int:
    """Tell whether the pinned base images are still what their tags give; exit code 1 if not, 2 if nobody knows."""
    stack, project = named_stack(stack), project_root()
    values = read_stack_file(project, stack)
    hub = find_docker_hub(os.environ, _trusted(), progress)
    settings = load_settings(ANY_REGISTRY | values, os.environ)
    buildx = str(find_buildx())
    pins = current_pins(values, catalogue_bases(values, project), hub, buildx, os.environ)
    pins += catalogue_pins(settings.catalogue_file(project), settings.catalogue, NOWHERE, buildx, os.environ)
    for pin in pins:
        sys.stdout.write(f"{pin}\n")
    if not all(pin.is_pinned for pin in pins):
        progress(f"What is not pinned may change with any build: make pin-bases STACK={stack}")
    if any(pin.has_moved for pin in pins):
        progress(f"Base images have moved. To take the new ones: make pin-bases STACK={stack}")
        return DIFFERENT
    return WELL


def _trusted() -> Path:
    # An installation that only reads outputs has no certifi, and still shows this command's help.
    import certifi  # noqa: PLC0415

    return Path(os.environ.get("SSL_CERT_FILE") or certifi.where())
