"""`carbide-infra up`: build and push what changed, and show all images."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from carbide_infra.cli.options import StackName
from carbide_infra.cli.outcome import WELL, acts, progress
from carbide_infra.cli.prepared import prepared
from carbide_infra.cli.tables import shown_digest, wide_console
from carbide_infra.paths import state_dir
from carbide_infra.stack.builder import chosen_builder, require_builder
from carbide_infra.stack.event_log import build_failures, has_begun, has_changes, image_seconds, new_event_log
from carbide_infra.stack.pulumi_stack import PulumiStack
from carbide_infra.stack.registry_access import images_client
from carbide_infra.stack.stack_file import DEV_STACK, read_stack_file
from carbide_infra.stack.summary import image_sizes, markdown_summary, told

app = typer.Typer(add_completion=False)
SummaryFile = Annotated[
    Path | None,
    typer.Option("--summary", envvar="SUMMARY", help="File to add the table of images to, in Markdown."),
]


@app.command()
@acts
def up(stack: StackName = DEV_STACK, summary_file: SummaryFile = None) -> int:
    """Build and push what changed, and show all images.

    An image that fails does not stop the others. The exit code is that of `pulumi up`.
    """
    opened = prepared(stack)
    require_builder(_builder(opened), opened.environment)
    event_log = new_event_log(state_dir(opened.project), stack)
    if opened.release_dead_lock():
        progress("The last update was killed: releasing its lock on the stack")
    code = opened.update(event_log)
    if code and not has_begun(event_log):
        # Pulumi has said why, and what the stack had before says nothing of it.
        return code
    failures, seconds = build_failures(event_log), image_seconds(event_log)
    images: dict[str, Any] = opened.outputs().get("images", {})
    if images:
        _print_table(images, seconds, failures, image_sizes(images, images_client(opened, images)))
    if summary_file and images:
        with summary_file.open("a", encoding="utf-8") as file:
            file.write(markdown_summary(images, seconds, failures))
    for image, lines in failures.items():
        progress("\n    ".join([f"{image} failed:", *lines]))
    if code:
        progress(f"Not all is well: see above. What is finished stays; `make up STACK={stack}` does the rest.")
        return code
    if not has_changes(event_log):
        progress("No changes: every image is as this source tree and stack want it.")
    return WELL


def _builder(stack: PulumiStack) -> str | None:
    values = read_stack_file(stack.project, stack.name)
    return chosen_builder(values.get("builder"), str(values.get("registryServer")), stack.environment)


def _print_table(
    images: Mapping[str, Mapping[str, Any]],
    seconds: Mapping[str, int],
    failed: Collection[str],
    sizes: Mapping[str, Mapping[str, int]],
) -> None:
    """Print the table to stdout, whole digests where it is not a terminal; a failed image as it was before."""
    console = wide_console()
    table = Table("Image", "Reference", "Digest", "Platforms", "Compressed size", "Seconds", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for name, image in images.items():
        table.add_row(
            name,
            f"{image['repository']}:{image['tags'][0]}",
            shown_digest(image["digest"], console),
            "\n".join(image["platforms"]),
            "\n".join(_megabytes(sizes.get(name, {}).get(platform)) for platform in image["platforms"]),
            told(name, seconds, failed),
        )
    console.print(table)


def _megabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 1e6:.1f} MB"
