"""`carbide-infra release`: the images of a release tag's commit get the tag's version; nothing is built."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from carbide_infra.cli.options import StackName, named_stack
from carbide_infra.cli.outcome import WELL, ends, print_json
from carbide_infra.endpoint import registry_server
from carbide_infra.errors import CommandError, UserError
from carbide_infra.images.own_tags import own_tags
from carbide_infra.images.tags import sanitised
from carbide_infra.messages import progress
from carbide_infra.names import IMAGE_TYPE
from carbide_infra.paths import cache_dir
from carbide_infra.registry.releases import Released, Wanted, images_of, tagged
from carbide_infra.settings import Selection, Settings, load_settings, selected_images
from carbide_infra.source.facts import REF_VARIABLE, Source, release_tag
from carbide_infra.source.git import Git
from carbide_infra.source.images import Sources, read_sources
from carbide_infra.source.origins import differing
from carbide_infra.stack.pulumi_stack import PulumiStack, open_stack
from carbide_infra.stack.registry_access import base_registries, registries_of

_TAGS = "refs/tags/"

_REMOTE, _LOCAL = "refs/remotes/origin/", "refs/heads/"
_COMMIT = re.compile(r"[0-9a-f]{40}")

app = typer.Typer()


@dataclass(frozen=True)
class _Candidate:
    """What a tag would release.

    Attributes:
        tag: the git tag.
        selection: the images that it is for.
        sources: facts about the tree, for each of them.
        source: those of the tag.
    """

    tag: str
    selection: Selection
    sources: Sources
    source: Source


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

    They are found by the tag that has the commit's SHA, else by their own, which this commit gives where its bases
    are those of the stack. The commit has to be on main. Digests stay, nothing is built, and all images are there
    before the first is tagged. A version that was released stays as it is: the program leaves its tags alone, and main
    works on the next VERSION.
    """
    opened = open_stack(named_stack(stack))
    settings = load_settings(opened.values(), os.environ)
    candidate = _checked_out(tag, settings, opened.project)
    _require_on_main(candidate)
    repositories = {image.name: f"{settings.registry_repository}/{image.name}" for image in candidate.selection.images}
    wanted = Wanted(
        candidate.source.revision or "",
        repositories,
        own_tags=lambda: _own_tags(candidate, settings, opened),
        passed=lambda: _passed(candidate, opened),
    )
    with registries_of(settings, opened.project, opened.environment) as registries:
        client = registries.client(registry_server(settings.registry_server, opened.project))
        digests = images_of(wanted, client, 60.0 * wait, progress)
        released = tagged(digests, repositories, sanitised(candidate.source.version), client)
    if as_json:
        print_json([vars(item) for item in released])
    else:
        typer.echo(_table(candidate.source.version, wanted.commit, released))
    return WELL


def _checked_out(tag: str, settings: Settings, project: Path) -> _Candidate:
    """The images that the tag releases, and the facts about its commit."""
    tag = tag or os.environ.get(REF_VARIABLE, "").removeprefix(_TAGS)
    root = settings.source_root(project)
    settings = settings.model_copy(update={"require_history": True})
    selection = selected_images(settings, project)
    images = [image for image in selection.images if release_tag(image.tag_prefix).fullmatch(tag)]
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
    return _Candidate(tag, replace(selection, images=tuple(named)), sources, source)


def _require_on_main(candidate: _Candidate) -> None:
    """Release what main has, and nothing that was merely pushed.

    Raises:
        CommandError: the commit is not there, or there is no main here to look at.
    """
    git, commit = Git(candidate.source.root), candidate.source.revision or ""
    mains = candidate.source.main_branches
    refs = [f"{place}{name}" for place in (_REMOTE, _LOCAL) for name in mains]
    heads = [ref for ref in refs if git.found("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")]
    # What is pushed counts: a branch of this clone's own says nothing of it.
    heads = [ref for ref in heads if ref.startswith(_REMOTE)] or heads
    if not heads:
        other = "" if len(mains) == 1 else ", or name another one by mainBranch"
        message = (
            f"--tag {candidate.tag}: there is no {mains[0]} branch here to look at; git fetch origin {mains[0]}{other}"
        )
        raise CommandError(message)
    if not any(git.found("merge-base", commit, head) == commit for head in heads):
        branch = heads[0].removeprefix("refs/remotes/").removeprefix(_LOCAL)
        message = (
            f"--tag {candidate.tag}: its commit {commit} is not on {branch}; only what was merged is released: delete "
            "the tag, merge the commit, and tag it then"
        )
        raise CommandError(message)


def _own_tags(candidate: _Candidate, settings: Settings, stack: PulumiStack) -> dict[str, str]:
    """The images' own tags, which need no commit; none where this machine or the state cannot tell."""
    try:
        inputs = {
            str(item["urn"]).rsplit("::", 1)[1]: item.get("inputs") or {}
            for item in stack.resources()
            if item["type"] == IMAGE_TYPE
        }
        with base_registries(settings, stack.project, stack.environment) as registries:
            return own_tags(settings, candidate.selection, candidate.sources, stack.project, inputs, lambda: registries)
    except UserError as error:
        progress(f"The images are looked for by the commit alone: {error}")
        return {}


def _passed(candidate: _Candidate, stack: PulumiStack) -> str | None:
    """The commit of the stack's last update, where that is not one before the release's own.

    Updates run one after the other, and GitHub keeps one that waits: what the last one has passed is not made up for.
    """
    images = stack.outputs().get("images", {})
    commits = {tag for image in images.values() for tag in image["tags"] if _COMMIT.fullmatch(tag)}
    git, commit = Git(candidate.source.root), candidate.source.revision or ""
    # One that git does not know here is newer than this clone.
    newer = (each for each in sorted(commits) if git.found("merge-base", each, commit) != each)
    return next(newer, None)


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
