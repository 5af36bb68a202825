"""The stack's file and source tree: configuration, history, base images."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from carbide_infra.diagnosis.finding import Finding, fail, ok, warn
from carbide_infra.settings import ConfigError, Settings
from carbide_infra.source.facts import REF_VARIABLE, Source, read_source, require_go_version, require_packages


def check_source(settings: Settings, project: Path) -> Iterator[Finding]:
    """Look at the tree that is built, and its history."""
    try:
        root = settings.source_root(project)
        require_go_version(root, settings.go_version)
        require_packages(root, settings.selected_services)
        source = read_source(
            root, settings.version, require_history=settings.require_history, full_ref=os.environ.get(REF_VARIABLE)
        )
    except ConfigError as error:
        yield fail("source", str(error), "change the stack's configuration or the source tree as it says")
        return
    yield ok("source", f"{root}, version {source.version}, {len(settings.selected_services)} services")
    yield from _history(source)


def _history(source: Source) -> Iterator[Finding]:
    if source.revision is None:
        yield warn("git", source.warnings[0], "build from a git checkout: no git SHA tags otherwise")
        return
    tags = list(source.warnings)
    if source.is_shallow:
        yield warn("git depth", tags.pop(0), "git fetch --unshallow; in CI, fetch-depth: 0")
    else:
        yield ok("git depth", "full history")
    for warning in tags:
        yield warn("git ref", warning, "docs/diffs.md tells which tags follow what")
    if source.is_commit:
        yield ok("git tree", f"is commit {source.revision}")
    else:
        changed = sorted(source.changed or ())
        told = f"{len(changed)} uncommitted, such as {changed[0]}"
        yield warn("git tree", told, "commit: a dirty tree gets neither the git SHA nor latest as tags")


def check_bases(settings: Settings, stand_ins: Collection[str]) -> Iterator[Finding]:
    """Look at the base images, as the configuration names them."""
    for image in (settings.builder_base, settings.runtime_image):
        if image in stand_ins:
            fix = "let Docker Hub, or the mirror in CARBIDE_DOCKERHUB_MIRROR, answer; then make up"
            yield warn("base image", f"{image} is a stand-in, not for production", fix)
        elif "@" not in image and not settings.track_base_images:
            yield warn("base image", f"{image} is not pinned: it may move unseen", "make pin-bases")
        else:
            yield ok("base image", image)
