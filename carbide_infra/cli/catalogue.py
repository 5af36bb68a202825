"""`carbide-infra catalogue`: what can be done with a catalogue's file, without a stack."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from carbide_infra.catalogue.loading import load_catalogue
from carbide_infra.catalogue.migration import migrated
from carbide_infra.catalogue.template import package_template
from carbide_infra.cli.outcome import WELL, ends
from carbide_infra.errors import CommandError
from carbide_infra.messages import progress

app = typer.Typer(name="catalogue", no_args_is_help=True)


@app.callback()
def catalogue() -> None:
    """Bring a catalogue to this version of its language, or begin a Dockerfile template of one's own."""


@app.command()
@ends
def migrate(file: Annotated[Path, typer.Argument(help="The catalogue, such as services.yaml.")]) -> int:
    """Write a catalogue in the language of this carbide-infra; comments and order stay, and so do all images."""
    try:
        before = file.read_bytes().decode("utf-8-sig")
        after = migrated(before, str(file))
        if after != before:
            file.write_bytes(after.encode())
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file}: cannot be read and written ({error})"
        raise CommandError(message) from error
    load_catalogue(file)
    progress(f"{file} is as it was" if after == before else f"Wrote {file}")
    return WELL


@app.command()
@ends
def template() -> int:
    """Print the Dockerfile template of this carbide-infra; a catalogue with `template: FILE` has one of its own."""
    sys.stdout.write(package_template())
    return WELL
