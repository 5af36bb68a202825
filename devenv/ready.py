"""From a bare machine to one that the program runs on: binaries, environment, and on demand the daemons."""

import os
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from enum import Enum
from pathlib import Path
from typing import Any

from carbide_infra.catalogue.model import Image
from carbide_infra.endpoint import read_endpoint
from carbide_infra.errors import SetupError, UserError
from carbide_infra.paths import cache_dir, project_root
from carbide_infra.progress import Report
from carbide_infra.registry.reference import Reference
from carbide_infra.settings import Settings, load_settings, selected_images
from carbide_infra.source.kept.context import images_of
from carbide_infra.stack.builder import VARIABLE
from carbide_infra.stack.pinning import catalogue_bases, unpinned_bases
from carbide_infra.stack.stack_file import ANY_REGISTRY, DEV_STACK, read_stack_file
from devenv.bases import BaseImages
from devenv.builder import can_build, can_embed, clear_after_killed, docker_answers, require_builder, use_builder
from devenv.environment import brought_builder, child_environment
from devenv.prerequisites import check_prerequisites
from devenv.toolchain import Tools, ensure_tools, install_plugin
from devenv.trust import trust_of
from devenv.up import local_registry, local_up


class Start(Enum):
    """When to start the builder and the local registry, and see to the base images."""

    NEVER = "never"
    LOCAL = "for a stack whose images go to the local registry"
    ONCE = "unless they were set up for the stack's base images before"
    ALWAYS = "always"
    UNPINNED = "always, for the stack's base images without their digests"


def ensure(stack: str = DEV_STACK, start: Start = Start.NEVER, report: Report = lambda _: None) -> dict[str, str]:
    """Give the environment in which everything runs, after finding or building what is missing.

    Raises:
        UserError: what is in the way, in one sentence.
    """
    root = project_root()
    clear_after_killed(root)
    # Before minutes are spent on tools.
    settings = None if start is Start.NEVER else _settings(root, stack, start)
    brought = None if start is Start.UNPINNED else brought_builder(root, stack)
    if settings and not brought and _is_wanted(start, settings, root):
        tools = _started(root, settings, start, report)
    else:
        tools = needed_tools(report)
    environment = child_environment(root, tools, stack)
    install_plugin(tools, Path(environment["PULUMI_HOME"]))
    if brought and brought == os.environ.get(VARIABLE):
        # A preview, or a shell, needs no builder: only an update must find it.
        with nullcontext() if start is Start.ALWAYS else suppress(SetupError):
            use_builder(tools, brought, environment)
    return environment


def needed_tools(report: Report) -> Tools:
    """Find or build the binaries that this machine can use: a BuildKit of our own is for root, without Docker."""
    return ensure_tools(report, embedded=not docker_answers() and can_embed())


def required_tools(report: Report) -> Tools:
    """Find or build the binaries of a machine that can also build images."""
    check_prerequisites()
    require_builder()
    return needed_tools(report)


def _started(root: Path, settings: Settings, start: Start, report: Report) -> Tools:
    """Start what is to be started; a preview builds nothing, so it does without a builder where there can be none."""
    if start is Start.ONCE and not can_build():
        if settings.is_development:
            local_registry(root, report)
        return needed_tools(report)
    tools = required_tools(report)
    start_daemons(root, tools, settings, report)
    return tools


def start_daemons(root: Path, tools: Tools, settings: Settings, report: Report) -> None:
    """Start builder and registry, and see to the base images; does nothing where all is as it should be."""
    local_up(root, tools, _bases(settings, root), report, trust_of(settings, root))


def _bases(settings: Settings, root: Path) -> BaseImages:
    selection = selected_images(settings, root)
    builders, runtimes = dict.fromkeys(selection.builders), {name: set(on) for name, on in selection.bases.items()}
    for image in selection.images:
        for reference in _named_by_kept(image, settings, root):
            if Reference.of(reference).is_golang:
                builders.setdefault(reference)
            else:
                runtimes.setdefault(reference, set()).update(image.platforms)
    return BaseImages(tuple(builders), {name: tuple(sorted(on)) for name, on in runtimes.items()})


def _named_by_kept(image: Image, settings: Settings, root: Path) -> Sequence[str]:
    """What an image's own Dockerfile builds on; one that cannot be read is for the program to tell of."""
    if image.kept is None:
        return ()
    try:
        return sorted(images_of(image, settings.source_root(root), cache_dir()))
    except UserError:
        return ()


def _settings(root: Path, stack: str, start: Start) -> Settings:
    values: dict[str, Any] = ANY_REGISTRY | read_stack_file(root, stack)
    if start is Start.UNPINNED:
        return load_settings(values | unpinned_bases(values, catalogue_bases(values, root)), os.environ)
    settings = load_settings(values, os.environ)
    settings.source_root(root)
    return settings


def _is_wanted(start: Start, settings: Settings, root: Path) -> bool:
    if start is Start.LOCAL:
        return settings.is_development
    if start is Start.ONCE:
        endpoint = read_endpoint(root)
        return endpoint is None or not set(_bases(settings, root).references) <= set(endpoint.bases)
    return True
