"""`carbide-infra up`: build and push what changed, and show all images."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from carbide_infra.cli.failing import told as told_failures
from carbide_infra.cli.failing import updated
from carbide_infra.cli.options import StackName
from carbide_infra.cli.outcome import WELL, acts, progress
from carbide_infra.cli.prepared import prepared
from carbide_infra.cli.tables import shown_digest, wide_console
from carbide_infra.paths import state_dir
from carbide_infra.stack.event_log import has_changes, image_seconds
from carbide_infra.stack.failures import failures_in
from carbide_infra.stack.registry_access import images_client
from carbide_infra.stack.stack_file import DEV_STACK
from carbide_infra.stack.summary import image_sizes, markdown_summary, over_budget, told

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
    state = state_dir(opened.project)
    state.mkdir(parents=True, exist_ok=True)
    event_logs = [state / "events.json", state / "events-again.json"]
    for event_log in event_logs:
        event_log.unlink(missing_ok=True)
    if opened.release_dead_lock():
        progress("The last update was killed: releasing its lock on the stack")
    code = updated(opened, *event_logs)
    last = next(event_log for event_log in reversed(event_logs) if event_log.exists() or event_log == event_logs[0])
    failures = failures_in(last)
    failed = {failure.image for failure in failures if not failure.kind}
    seconds = image_seconds(event_logs[0]) | image_seconds(event_logs[1])
    images: dict[str, Any] = opened.outputs().get("images", {})
    if images:
        sizes = image_sizes(images, images_client(opened, images))
        _print_table(images, seconds, failed, sizes)
        for warning in over_budget(images, sizes):
            progress(f"WARNING: {warning}")
    if summary_file and images:
        with summary_file.open("a", encoding="utf-8") as file:
            file.write(markdown_summary(images, seconds, failed))
    if code:
        for line in told_failures(opened, last):
            progress(line)
        can_be_repeated = not failures or not all(failure.is_immutable for failure in failures)
        rest = f"`make up STACK={stack}` does the rest" if can_be_repeated else "that tag stays where it is"
        progress(f"Not all is well: see above. What is finished stays; {rest}.")
        return code
    if not any(map(has_changes, event_logs)):
        progress("No changes: every image is as this source tree and stack want it.")
    return WELL


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
