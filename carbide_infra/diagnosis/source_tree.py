"""The stack's file and source tree: configuration, history, base images."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from carbide_infra.catalogue.checks import check_images
from carbide_infra.catalogue.model import Image
from carbide_infra.diagnosis.finding import Finding, fail, ok, warn
from carbide_infra.errors import UserError
from carbide_infra.images.build_secrets import build_secrets
from carbide_infra.images.inputs import inputs_of_images
from carbide_infra.paths import cache_dir
from carbide_infra.settings import Selection, Settings
from carbide_infra.source.facts import REF_VARIABLE, Source
from carbide_infra.source.images import Sources, read_sources
from carbide_infra.source.origin_warnings import warnings_of
from carbide_infra.source.origins import origins_of
from carbide_infra.stack.registry_access import base_registries


def check_source(settings: Settings, selection: Selection, project: Path) -> Iterator[Finding]:
    """Look at the tree that is built, and its history."""
    try:
        root = settings.source_root(project)
        found = check_images(
            selection.catalogue,
            settings.said_of_images,
            selection.images,
            root,
            is_development=settings.is_development,
        )
        if found.errors:
            yield _wrong("\n".join(map(str, found.errors)))
            return
        sources = read_sources(settings, selection.images, root, full_ref=os.environ.get(REF_VARIABLE))
    except UserError as error:
        yield _wrong(str(error))
        return
    for warning in found.warnings:
        yield warn("catalogue", str(warning), "change the catalogue as it says, if that is not meant")
    source = sources.of(selection.images[0])
    yield ok("source", f"{root}, version {source.version}, {len(selection.images)} services")
    yield from _history(source)
    yield from _inputs(settings, project, sources, selection.images)


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


def _inputs(settings: Settings, project: Path, sources: Sources, images: Sequence[Image]) -> Iterator[Finding]:
    """Look whether the images can be built of the tree, and are made of what the commit holds."""
    secrets = build_secrets(settings, os.environ)
    try:
        inputs = inputs_of_images(images, sources.root, secrets, lambda: base_registries(settings, project, os.environ))
        files = {name: found.tree_files for name, found in inputs.items()}
        origins = origins_of(sources.by_image, files, cache_dir())
    except UserError as error:
        yield _wrong(str(error))
        return
    for warning in sorted({text for found in inputs.values() for text in (found.fallback, *found.warnings) if text}):
        yield warn("go", warning, "docs/diffs.md tells what Go is asked")
    if sources.of(images[0]).revision is None:
        return
    for warning in warnings_of(origins):
        yield warn("git tree", warning, "commit what the images are made of")
    if all(origin.is_commit for origin in origins.values()):
        yield ok("git tree", f"is commit {sources.of(images[0]).revision}")
