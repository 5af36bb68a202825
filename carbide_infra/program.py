"""The steps of `__main__`: from stack config to plans, with every error in the stack's terms."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from carbide_infra.catalogue.checks import check_images
from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.problems import CatalogueError
from carbide_infra.endpoint import read_endpoint, registry_server, require_running
from carbide_infra.errors import UserError
from carbide_infra.images.build_secrets import build_secrets, require_agent
from carbide_infra.images.component import BuildTarget
from carbide_infra.images.plan import ImagePlan, Stack, context_path, dockerfile_of, plan_image
from carbide_infra.paths import cache_dir
from carbide_infra.settings import (
    LOCAL_REGISTRY,
    SECRET_KEYS,
    ConfigError,
    Selection,
    Settings,
    load_settings,
    selected_images,
)
from carbide_infra.source.facts import REF_VARIABLE, revisions_of
from carbide_infra.source.images import Sources, read_sources, wanted_by
from carbide_infra.source.inputs import Inputs, inputs_of
from carbide_infra.source.staging import StagingError, collect_garbage, stage
from carbide_infra.stack.stack_file import require_quoted

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _reported(step: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Show what the user can fix as a message, not as a stack trace."""

    @wraps(step)
    def wrapper(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        try:
            return step(*args, **kwargs)
        except (UserError, StagingError) as error:
            raise pulumi.RunError(str(error)) from None

    return wrapper


def leave_out_debug_messages() -> None:
    """Keep the SDK from telling the engine every step of a registration.

    It waits for an answer to each such message, and a preview in which nothing changes has 146 of them: see
    bench/preview.py. With CARBIDE_SDK_DEBUG=1 they are sent, to be seen with `pulumi preview --debug`.
    """
    if os.environ.get("CARBIDE_SDK_DEBUG") != "1":
        pulumi.log.debug = lambda *_args, **_options: None


@_reported
def stack_settings() -> Settings:
    """The stack's configuration, validated."""
    require_quoted(Path.cwd(), pulumi.get_stack())
    namespace = f"{pulumi.get_project()}:"
    values = {key.removeprefix(namespace): value for key, value in CONFIG.get().items() if key.startswith(namespace)}
    for key in SECRET_KEYS:
        if values.get(key) and not is_config_secret(namespace + key):
            msg = f"{key}: is stored in plain text; replace it with pulumi config set --secret {key}"
            raise ConfigError(msg)
    settings = load_settings(values, os.environ)
    _require_password(settings)
    return settings


@_reported
def stack_images(settings: Settings) -> Selection:
    """The images of the catalogue, with what the stack says of them."""
    return selected_images(settings, Path.cwd())


@_reported
def stack_source(settings: Settings, selection: Selection) -> Sources:
    """The source tree, checked against configuration and catalogue."""
    root = settings.source_root(Path.cwd())
    _require_checked(settings, selection, root)
    sources = read_sources(settings, selection.images, root, full_ref=os.environ.get(REF_VARIABLE))
    for warning in sources.warnings:
        pulumi.log.warn(warning)
    return sources


def _require_checked(settings: Settings, selection: Selection, root: Path) -> None:
    """Say all that can be said of catalogue and tree before anything is built."""
    found = check_images(
        selection.catalogue,
        settings.said_of_images,
        selection.images,
        root,
        is_development=settings.registry_server == LOCAL_REGISTRY,
    )
    for warning in found.warnings:
        pulumi.log.warn(str(warning))
    if found.errors:
        raise CatalogueError(found.errors)


@_reported
def build_target(settings: Settings) -> BuildTarget:
    """Registry, builder and secrets of this stack on this machine."""
    password = settings.registry_password
    if settings.ssh_agent and not pulumi.runtime.is_dry_run():
        require_agent(os.environ)
    return BuildTarget(
        server=_server(settings),
        username=settings.registry_username,
        password=password.get_secret_value() if password else None,
        builder=settings.builder,
        secrets=build_secrets(settings, os.environ),
        cache_from=settings.cache_from,
        cache_to=settings.cache_to,
        ssh=settings.ssh_agent,
    )


@_reported
def resolved_bases(settings: Settings, selection: Selection, target: BuildTarget) -> Selection:
    """The images with their bases' digests, where the stack tracks them."""
    if not settings.track_base_images:
        return selection
    # pulumi-docker serves this key alone, and importing it takes a tenth of a whole preview.
    from carbide_infra.images.base_images import with_tracked_bases  # noqa: PLC0415

    return replace(selection, images=tuple(with_tracked_bases(selection.images, target)))


@_reported
def plan_images(settings: Settings, selection: Selection, sources: Sources, target: BuildTarget) -> Sequence[ImagePlan]:
    """Find and stage each image's inputs, and decide the image from them."""
    project, images = Path.cwd(), selection.images
    endpoint = read_endpoint(project)
    stand_ins = endpoint.stand_ins if endpoint else ()
    stack = Stack(pulumi.get_stack(), project, target.server, settings, stand_ins)
    inputs = _staged_inputs(stack, images, sources.root)
    revisions = revisions_of(
        sources.of(images[0]), {name: [file.path for file in found.files] for name, found in inputs.items()}
    )
    folder = settings.catalogue_file(project).parent
    own = {image.name: image for image in selection.catalogue.images}
    return [
        plan_image(
            image,
            # The bases that a stack has are build arguments; the file's are those of the catalogue.
            dockerfile_of(image.on_bases_of(own[image.name]), project, folder, ssh=settings.ssh_agent),
            inputs[image.name],
            revisions[image.name],
            sources.of(image),
            stack,
        )
        for image in images
    ]


def _staged_inputs(stack: Stack, images: Sequence[Image], root: Path) -> dict[str, Inputs]:
    """Each image's inputs, staged as its build context."""
    inputs = inputs_of(root, {image.name: wanted_by(image, root) for image in images}, cache_dir())
    for reason in sorted({found.fallback for found in inputs.values() if found.fallback}):
        pulumi.log.warn(reason)
    for name, found in inputs.items():
        stage(root, found, stack.project / context_path(stack.name, name))
    collect_garbage((stack.project / context_path(stack.name, images[0].name)).parent, inputs.keys())
    return inputs


def _server(settings: Settings) -> str:
    server = registry_server(settings.registry_server, Path.cwd())
    # A preview needs no registry; an update would fail once for each image, in the builder's words.
    if settings.registry_server == LOCAL_REGISTRY and not pulumi.runtime.is_dry_run():
        require_running(server)
    return server


def _require_password(settings: Settings) -> None:
    """A preview, as of a fork's pull request, does without credentials; an update cannot."""
    if settings.registry_username and settings.registry_password is None and not pulumi.runtime.is_dry_run():
        msg = (
            f"registryPassword: is not set, and {settings.registry_server} wants a login as "
            f"{settings.registry_username}; pulumi config set --secret registryPassword"
        )
        raise ConfigError(msg)
