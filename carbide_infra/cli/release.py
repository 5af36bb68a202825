"""`carbide-infra release`: the images of a release tag's commit get the tag's version; nothing is built."""

import os
from pathlib import Path
from typing import Annotated

import typer

from carbide_infra.cli.options import StackName, named_stack
from carbide_infra.cli.outcome import WELL, ends, print_json, progress
from carbide_infra.endpoint import registry_server
from carbide_infra.errors import CommandError
from carbide_infra.images.tags import sanitised
from carbide_infra.paths import cache_dir
from carbide_infra.registry.releases import Released, images_of, tagged
from carbide_infra.settings import Settings, load_settings, selected_images
from carbide_infra.source.facts import REF_VARIABLE, release_tag
from carbide_infra.source.images import read_sources
from carbide_infra.source.origins import differing
from carbide_infra.stack.pulumi_stack import open_stack
from carbide_infra.stack.registry_access import registries_of

_TAGS = "refs/tags/"

app = typer.Typer()


@app.command()
@ends
def release(
    stack: StackName = "",
    tag: Annotated[
        str,
        typer.Option(help=f"Release tag, such as v1.4.0, of the commit that is checked out; else {REF_VARIABLE}'s."),
    ] = "",
    wait: Annotated[int, typer.Option(help="Minutes to wait until the commit's images are there.", min=0)] = 0,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Tag the images that main's update has built from a release tag's commit with the version.

    They are found by the tag that has the commit's SHA. Digests stay, nothing is built, and all images are there
    before the first is tagged. From then on the program leaves that version's tags alone, and main works on the
    next VERSION.
    """
    opened = open_stack(named_stack(stack))
    settings = load_settings(opened.values(), os.environ)
    names, version, commit = _checked_out(tag, settings, opened.project)
    repositories = {name: f"{settings.registry_repository}/{name}" for name in names}
    with registries_of(settings, opened.project, opened.environment) as registries:
        client = registries.client(registry_server(settings.registry_server, opened.project))
        digests = images_of(commit, repositories, client, 60.0 * wait, progress)
        released = tagged(digests, repositories, sanitised(version), client)
    if as_json:
        print_json([vars(item) for item in released])
    else:
        typer.echo(_table(version, commit, released))
    return WELL


def _checked_out(tag: str, settings: Settings, project: Path) -> tuple[list[str], str, str]:
    """The images that the tag releases, their version, and the commit of the release."""
    tag = tag or os.environ.get(REF_VARIABLE, "").removeprefix(_TAGS)
    root = settings.source_root(project)
    settings = settings.model_copy(update={"require_history": True})
    images = [
        image for image in selected_images(settings, project).images if release_tag(image.tag_prefix).fullmatch(tag)
    ]
    if not images:
        message = f"--tag {tag!r}: is not a release tag; a good value: v1.4.0"
        raise CommandError(message)
    sources = read_sources(settings, images, root, full_ref=None)
    # Another image may have a version of its own.
    named = [image for image in images if f"{image.tag_prefix}v{sources.of(image).version}" == tag]
    source = read_sources(settings, named[:1] or images[:1], root, full_ref=f"{_TAGS}{tag}").of((named or images)[0])
    if source.revision is None or source.revision != source.released or differing(source, cache_dir()):
        message = f"--tag {tag}: is not what is checked out here; git checkout {tag}"
        raise CommandError(message)
    return [image.name for image in named], source.version, source.revision


def _table(version: str, commit: str, released: list[Released]) -> str:
    """Markdown, because a job's summary shows it."""
    lines = [
        f"Released {version} from commit `{commit}`",
        "",
        "| Image | Reference | Digest | Tag was |",
        "|---|---|---|---|",
    ]
    for item in released:
        was = "new" if item.before is None else "there already" if item.before == item.digest else f"`{item.before}`"
        lines.append(f"| {item.image} | `{item.reference}` | `{item.digest}` | {was} |")
    return "\n".join(lines)
