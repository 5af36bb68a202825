"""`carbide-infra up`: build and push what changed, and show all images."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from carbide_infra.cli.failing import told as told_failures
from carbide_infra.cli.failing import updated
from carbide_infra.cli.live import shown_live
from carbide_infra.cli.options import StackName, Wide, named_stack
from carbide_infra.cli.outcome import acts, print_json, stdout_kept_for_data
from carbide_infra.cli.prepared import prepared
from carbide_infra.cli.tables import Column, common_to, print_columns, short_digest, wide_console
from carbide_infra.messages import progress
from carbide_infra.paths import state_dir
from carbide_infra.remedies import typed
from carbide_infra.stack.builder import builder_of, require_builder
from carbide_infra.stack.event_log import (
    found_pending,
    has_begun,
    has_changes,
    image_seconds,
    new_digests,
    new_event_log,
)
from carbide_infra.stack.failures import failures_in
from carbide_infra.stack.pulumi_stack import PulumiStack
from carbide_infra.stack.registry_access import images_client
from carbide_infra.stack.summary import Outcome, image_sizes, markdown_summary, over_budget

app = typer.Typer(add_completion=False)
SummaryFile = Annotated[
    Path | None,
    typer.Option("--summary", envvar="SUMMARY", help="File to add the table of images to, in Markdown."),
]
Verbose = Annotated[bool, typer.Option("--verbose", help="At a terminal, show Pulumi's own display.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what became of the images in JSON; all else is on stderr.")]

_NO_CHANGES = "No changes: every image is as this source tree and stack want it."


@app.command()
@acts
def up(
    stack: StackName = "",
    summary_file: SummaryFile = None,
    wide: Wide = False,  # noqa: FBT002 - a flag of the command line
    verbose: Verbose = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
) -> int:
    """Build and push what changed, and show all images.

    An image that fails does not stop the others. The exit code is that of `pulumi up`.
    """
    opened = prepared(named_stack(stack))
    require_builder(builder_of(opened.project, opened.name, opened.environment), opened.environment)
    opened.require_policy()
    first = new_event_log(state_dir(opened.project), opened.name)
    event_logs = (first, first.with_name(f"{first.stem}-again.json"))
    if opened.release_dead_lock():
        progress("The last update was killed: releasing its lock on the stack")
    with stdout_kept_for_data() if as_json else nullcontext():
        code = _updated(opened, event_logs, live=not verbose and not as_json)
    if code and not has_begun(first):
        # Pulumi has said why, and what the stack had before says nothing of it.
        return code
    if not code and any(map(found_pending, event_logs)) and (begun := opened.clear_pending()):
        progress(f"What an update before was killed at is pending no more: {', '.join(begun)}")
    last = next(event_log for event_log in reversed(event_logs) if event_log.exists())
    failures = failures_in(last)
    outcome = Outcome(
        image_seconds(event_logs[0]) | image_seconds(event_logs[1]),
        new_digests(event_logs[0]) | new_digests(event_logs[1]),
        frozenset(failure.image for failure in failures if not failure.kind),
    )
    images: dict[str, Any] = opened.outputs().get("images", {})
    sizes = image_sizes(images, images_client(opened, images)) if images else {}
    sentence = outcome.sentence if any(map(has_changes, event_logs)) else _NO_CHANGES
    reasons = list(told_failures(opened, last)) if code else []
    if as_json:
        print_json(as_data(images, outcome, sizes, "" if code else sentence, reasons))
    elif images:
        print_images(images, outcome, sizes, wide_console(), wide=wide)
    for warning in over_budget(images, sizes):
        progress(f"WARNING: {warning}")
    if summary_file and images:
        with summary_file.open("a", encoding="utf-8") as file:
            file.write(markdown_summary(images, outcome))
    for line in reasons:
        progress(line)
    if code:
        can_be_repeated = not failures or not all(failure.is_immutable for failure in failures)
        rest = f"`{typed('up', opened.name)}` does the rest" if can_be_repeated else "that tag stays where it is"
        sentence = f"Not all is well: see above. What is finished stays; {rest}."
    progress(sentence)
    return code


def as_data(
    images: Mapping[str, Mapping[str, Any]],
    outcome: Outcome,
    sizes: Mapping[str, Mapping[str, int]],
    sentence: str,
    failures: Iterable[str],
) -> dict[str, Any]:
    """What `up --json` prints.

    Gives `sentence` (what the update means; empty where it failed), `failures` (texts) and, by image name, `became`
    (failed, digest new, as before, unchanged), `seconds` (null where none was built), `reference`, `digest`, and
    `bytes` (compressed, by platform).
    """
    return {
        "sentence": sentence,
        "failures": list(failures),
        "images": {
            name: {
                "became": outcome.of(name),
                "seconds": outcome.seconds.get(name),
                "reference": f"{image['repository']}:{image['tags'][0]}",
                "digest": image["digest"],
                "bytes": dict(sizes.get(name, {})),
            }
            for name, image in images.items()
        },
    }


def _updated(stack: PulumiStack, event_logs: tuple[Path, Path], *, live: bool) -> int:
    """Update it, showing the images' progress at a terminal in the place of Pulumi's own display, if `live`."""
    console = wide_console()
    if not console.is_terminal or not live:
        return updated(stack, *event_logs)
    with shown_live(console) as watch:
        return updated(stack, *event_logs, watch)


def print_images(
    images: Mapping[str, Mapping[str, Any]],
    outcome: Outcome,
    sizes: Mapping[str, Mapping[str, int]],
    console: Console,
    *,
    wide: bool,
) -> None:
    """Print the table; a failed image as it was before."""
    is_whole = wide or not console.is_terminal
    common = common_to({name: (image["repository"], image["tags"][0]) for name, image in images.items()})
    became = [
        Column("Digest is", [outcome.of(name) for name in images]),
        Column("Sec.", [outcome.seconds_of(name) for name in images], rank=2),
    ]
    size = [
        " ".join(_megabytes(sizes.get(name, {}).get(it)) for it in image["platforms"]) for name, image in images.items()
    ]
    if is_whole:
        columns = [
            Column("Image", list(images)),
            Column("Reference", [f"{image['repository']}:{image['tags'][0]}" for image in images.values()]),
            Column("Digest", [image["digest"] for image in images.values()]),
            Column("Platforms", [" ".join(image["platforms"]) for image in images.values()]),
            Column("MB", size),
            *became,
        ]
    else:
        console.print(Text(common.sentence))
        columns = [
            Column("Image", list(images)),
            Column("Tag", [image["tags"][0].removeprefix(common.tag) for image in images.values()], rank=3),
            Column("Digest", [short_digest(image["digest"]) for image in images.values()], rank=1),
            Column("MB", size, rank=4),
            *became,
        ]
    print_columns(columns, console, fold=is_whole)


def _megabytes(size: int | None) -> str:
    """Of one platform, compressed."""
    return "?" if size is None else f"{size / 1e6:.1f}"
