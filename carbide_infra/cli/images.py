"""`carbide-infra images`: a stack's images by digest, as a table or as the file of another tool."""

import json
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from carbide_infra.cli.options import StackName, Wide, named_stack
from carbide_infra.cli.outcome import WELL, ends
from carbide_infra.cli.saved import saved_outputs
from carbide_infra.cli.tables import Column, common_to, print_columns, short_digest, wide_console
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
    stack: StackName = "",
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
    wide: Wide = False,  # noqa: FBT002
) -> int:
    """Print a stack's images by digest: as a table, or as the file of another tool."""
    outputs = saved_outputs(source) if source is not None else _exported(stack)
    chosen = Format.JSON if as_json else form
    if chosen is Format.TABLE:
        _print_table(outputs, wide=wide)
    else:
        sys.stdout.write(_WRITERS[chosen](outputs))
    return WELL


def _exported(given: str) -> StackOutputs:
    stack = named_stack(given)
    return understood(open_stack(stack).outputs(), f"stack {stack}")


def _print_table(outputs: StackOutputs, *, wide: bool) -> None:
    console, images = wide_console(), outputs.images
    ports = ["-" if image.port is None else str(image.port) for image in images.values()]
    platforms = [", ".join(image.platforms) for image in images.values()]
    if wide or not console.is_terminal:
        columns = [
            Column("Image", list(images)),
            Column("Reference", [f"{image.repository}:{image.tags[0]}" for image in images.values()]),
            Column("Digest", [image.digest for image in images.values()]),
            Column("Platforms", platforms),
            Column("Port", ports),
        ]
        print_columns(columns, console, fold=True)
        return
    common = common_to({name: (image.repository, image.tags[0]) for name, image in images.items()})
    console.print(Text(common.sentence))
    columns = [
        Column("Image", list(images)),
        Column("Tag", [image.tags[0].removeprefix(common.tag) for image in images.values()], rank=1),
        Column("Digest", [short_digest(image.digest) for image in images.values()]),
        Column("Port", ports, rank=2),
        Column("Platforms", [text.replace("linux/", "") for text in platforms], rank=3),
    ]
    print_columns(columns, console)
