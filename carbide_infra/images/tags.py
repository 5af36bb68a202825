"""Tags: which names an image gets, all within the OCI grammar."""

import re
from dataclasses import dataclass

from carbide_infra.settings import Settings
from carbide_infra.source.facts import Source

VERSION = "version"
"""The kind of the alias that a release gives for good."""

_MAX_TAG = 128


def sanitised(text: str) -> str:
    """`text` as a tag: at most 128 of [A-Za-z0-9_.-], not led by a dot or dash."""
    return re.sub(r"[^\w.-]", "-", text, flags=re.ASCII).lstrip(".-")[:_MAX_TAG] or "_"


def own_tag(version: str, build_key: str) -> str:
    """The immutable tag of one build: `<version>-<build key>`."""
    suffix = f"-{build_key}"
    return sanitised(version)[: _MAX_TAG - len(suffix)] + suffix


@dataclass(frozen=True)
class Alias:
    """A movable tag: `kind` names its resource, `tag` is what the registry shows."""

    kind: str
    tag: str


def aliases(settings: Settings, source: Source, *, is_commit: bool) -> tuple[Alias, ...]:
    """The movable tags that this stack wants for an image.

    Only an image that is made of exactly what the commit holds gets a revision tag or `latest`: both would
    promise a source that nobody can check out. Only the main line has `latest`.
    """
    wanted = []
    if settings.tag_version and _has_version(settings, source, is_commit=is_commit):
        wanted.append(Alias(VERSION, sanitised(source.version)))
    if source.revision is not None and is_commit:
        if settings.tag_revision:
            wanted.append(Alias("revision", _revision_tag(source.revision, source)))
        if settings.tag_latest and source.is_main:
            wanted.append(Alias("latest", "latest"))
    return tuple(wanted)


def _has_version(settings: Settings, source: Source, *, is_commit: bool) -> bool:
    """Whether the plain version may point at an image: until its release the main line's, then the release's alone.

    Where git does not tell whether it is released, it may be: then only a development stack's tag moves.
    """
    if not source.has_known_release and not settings.is_development:
        return False
    if source.revision is None:
        return True
    if source.released is not None:
        return is_commit and source.released == source.revision and (source.is_main or source.tag is not None)
    return source.is_main


def _revision_tag(revision: str, source: Source) -> str:
    """The SHA on main and on a detached head, such as a release tag's; `<branch>-<SHA>` elsewhere."""
    if source.branch is None or source.is_main:
        return revision
    suffix = f"-{revision}"
    return sanitised(source.branch)[: _MAX_TAG - len(suffix)] + suffix
