"""`carbide-infra images`: a stack's images by digest, as a table or as the file of another tool."""

import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from carbide_infra.cli.outcome import WELL, CommandError, ends
from carbide_infra.cli.saved import saved_outputs, understood
from carbide_infra.cli.stacks import open_stack
from carbide_infra.outputs import StackOutputs, formats
from carbide_infra.stack.summary import FILE_WIDTH, SHORT_DIGEST

app = typer.Typer(add_completion=False)


class Format(StrEnum):
    """What the images can be printed as."""

    TABLE = "table"
    JSON = "json"
    ENV = "env"
    HELM_VALUES = "helm-values"
    KUSTOMIZE = "kustomize"
    COMPOSE = "compose"


_WRITERS: Mapping[Format, Callable[[StackOutputs], str]] = {
    Format.JSON: formats.as_json,
    Format.ENV: formats.env,
    Format.HELM_VALUES: formats.helm_values,
    Format.KUSTOMIZE: formats.kustomize,
    Format.COMPOSE: formats.compose,
}

_FORMATS = (
    "table; json: the outputs as the contract has them; env: lines for a shell, CARBIDE_REST_API_IMAGE=…; "
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
    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    table = Table("Image", "Reference", "Digest", "Platforms", "Port", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for name, image in outputs.images.items():
        digest = f"{image.digest[:SHORT_DIGEST]}…" if console.is_terminal else image.digest
        port = "–" if image.port is None else str(image.port)  # noqa: RUF001 - a dash for "none", as in the docs
        table.add_row(name, f"{image.repository}:{image.tags[0]}", digest, ", ".join(image.platforms), port)
    console.print(table)
