"""`carbide-infra images`: a stack's images by digest, as a table or as the file of another tool."""

import json
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from carbide_infra.cli.outcome import WELL, ends
from carbide_infra.cli.saved import saved_outputs
from carbide_infra.cli.tables import shown_digest, wide_console
from carbide_infra.errors import CommandError
from carbide_infra.outputs import StackOutputs, formats
from carbide_infra.stack.deployed import understood
from carbide_infra.stack.pulumi_stack import open_stack

app = typer.Typer(add_completion=False)


class Format(StrEnum):
    """What the images can be printed as."""

    TABLE = "table"
    JSON = "json"
    IMAGES = "images"
    ENV = "env"
    HELM_VALUES = "helm-values"
    KUSTOMIZE = "kustomize"
    COMPOSE = "compose"


def _images_alone(outputs: StackOutputs) -> str:
    return json.dumps(outputs.exported()["images"], indent=2) + "\n"


_WRITERS: Mapping[Format, Callable[[StackOutputs], str]] = {
    Format.JSON: formats.as_json,
    Format.IMAGES: _images_alone,
    Format.ENV: formats.env,
    Format.HELM_VALUES: formats.helm_values,
    Format.KUSTOMIZE: formats.kustomize,
    Format.COMPOSE: formats.compose,
}

_FORMATS = (
    "table; json: the outputs as the contract has them; images: the images alone, in JSON; "
    "env: lines for a shell, CARBIDE_REST_API_IMAGE=…; "
    "helm-values: <image>.image.{repository,tag,digest}; kustomize: a component with images; compose: an override file."
)


@app.command()
@ends
def images(
    stack: Annotated[
        str | None,
        typer.Option("--stack", envvar="STACK", help="Stack, such as prod or my-org/carbide-infra/prod."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Read what `pulumi stack output --json` printed, in place of the stack; - is stdin. Needs no Pulumi.",
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", metavar="FORMAT", help=_FORMATS)] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,  # noqa: FBT002
) -> int:
    """Print a stack's images by digest: as a table, or as the file of another tool."""
    outputs = saved_outputs(source) if source is not None else _exported(stack)
    chosen = Format.JSON if as_json else form
    if chosen is Format.TABLE:
        _print_table(outputs)
    else:
        sys.stdout.write(_WRITERS[chosen](outputs))
    return WELL


def _exported(stack: str | None) -> StackOutputs:
    if stack is None:
        message = "no stack is named: add --stack prod, or --from FILE with what `pulumi stack output --json` printed"
        raise CommandError(message)
    return understood(open_stack(stack).outputs(), f"stack {stack}")


def _print_table(outputs: StackOutputs) -> None:
    """Print whole digests where it is not a terminal, as `make up` does."""
    console = wide_console()
    table = Table("Image", "Reference", "Digest", "Platforms", "Port", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for name, image in outputs.images.items():
        digest = shown_digest(image.digest, console)
        port = "–" if image.port is None else str(image.port)  # noqa: RUF001 - a dash for "none", as in the docs
        table.add_row(name, f"{image.repository}:{image.tags[0]}", digest, ", ".join(image.platforms), port)
    console.print(table)
