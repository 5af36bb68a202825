"""The stack's file and source tree: configuration, history, base images."""

import os
from collections.abc import Iterator
from pathlib import Path

from carbide_infra.catalogue.checks import check_images
from carbide_infra.diagnosis.finding import Finding, fail, ok, warn
from carbide_infra.settings import LOCAL_REGISTRY, ConfigError, Selection, Settings
from carbide_infra.source.facts import REF_VARIABLE, Source
from carbide_infra.source.images import read_sources


def check_source(settings: Settings, selection: Selection, project: Path) -> Iterator[Finding]:
    """Look at the tree that is built, and its history."""
    try:
        root = settings.source_root(project)
        found = check_images(
            selection.catalogue,
            settings.said_of_images,
            selection.images,
            root,
            is_development=settings.registry_server == LOCAL_REGISTRY,
        )
        if found.errors:
            yield _wrong("\n".join(map(str, found.errors)))
            return
        sources = read_sources(settings, selection.images, root, full_ref=os.environ.get(REF_VARIABLE))
    except ConfigError as error:
        yield _wrong(str(error))
        return
    for warning in found.warnings:
        yield warn("catalogue", str(warning), "change the catalogue as it says, if that is not meant")
    source = sources.of(selection.images[0])
    yield ok("source", f"{root}, version {source.version}, {len(selection.images)} services")
    yield from _history(source)


def _wrong(problem: str) -> Finding:
    return fail("source", problem, "change the stack's configuration, the catalogue or the source tree as it says")


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
