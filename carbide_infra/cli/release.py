"""`carbide-infra release`: the images of a release tag's commit get the tag's version; nothing is built."""

import os
from pathlib import Path
from typing import Annotated

import typer

from carbide_infra.cli.options import StackName
from carbide_infra.cli.outcome import WELL, ends, print_json, progress
from carbide_infra.endpoint import registry_server
from carbide_infra.errors import CommandError
from carbide_infra.images.tags import sanitised
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.releases import Released, images_of, tagged
from carbide_infra.settings import Settings, load_settings
from carbide_infra.source.facts import REF_VARIABLE, RELEASE_TAG, read_source
from carbide_infra.stack.pulumi_stack import open_stack

_TAGS = "refs/tags/"

app = typer.Typer()


@app.command()
@ends
def release(
    stack: StackName,
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
    opened = open_stack(stack)
    settings = load_settings(opened.values(), os.environ)
    version, commit = _checked_out(tag, settings, opened.project)
    repositories = {
        service.image: f"{settings.registry_repository}/{service.image}" for service in settings.selected_services
    }
    password = settings.registry_password
    with RegistryClient.connected(
        registry_server(settings.registry_server, opened.project),
        opened.environment,
        settings.registry_username,
        password.get_secret_value() if password else None,
    ) as client:
        digests = images_of(commit, repositories, client, 60.0 * wait, progress)
        released = tagged(digests, repositories, sanitised(version), client)
    if as_json:
        print_json([vars(item) for item in released])
    else:
        typer.echo(_table(version, commit, released))
    return WELL


def _checked_out(tag: str, settings: Settings, project: Path) -> tuple[str, str]:
    """The version and the commit of the release."""
    tag = tag or os.environ.get(REF_VARIABLE, "").removeprefix(_TAGS)
    if not RELEASE_TAG.fullmatch(tag):
        message = f"--tag {tag!r}: is not a release tag; a good value: v1.4.0"
        raise CommandError(message)
    source = read_source(
        settings.source_root(project), settings.version, require_history=True, full_ref=f"{_TAGS}{tag}"
    )
    if source.revision is None or source.revision != source.released or not source.is_commit:
        message = f"--tag {tag}: is not what is checked out here; git checkout {tag}"
        raise CommandError(message)
    return source.version, source.revision


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
