"""The steps of the program: from stack config to plans, with every error in the stack's terms."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from carbide_infra.catalogue.checks import check_images
from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.problems import CatalogueError
from carbide_infra.catalogue.template import render
from carbide_infra.endpoint import registry_server, require_running, stand_ins_of
from carbide_infra.errors import UserError
from carbide_infra.images.base_images import resolved
from carbide_infra.images.build_secrets import build_secrets, require_agent
from carbide_infra.images.component import BuildTarget
from carbide_infra.images.inputs import inputs_of_images
from carbide_infra.images.kept_rendering import kept_render
from carbide_infra.images.plan import ImagePlan, Stack, edited_dockerfile, plans_of
from carbide_infra.names import IMAGE_TYPE, INDEX_TYPE
from carbide_infra.paths import cache_dir, state_dir
from carbide_infra.registry.known_images import KnownImages
from carbide_infra.registry.told import Told
from carbide_infra.settings import (
    SECRET_KEYS,
    ConfigError,
    Selection,
    Settings,
    load_settings,
    selected_images,
)
from carbide_infra.source.facts import REF_VARIABLE
from carbide_infra.source.images import Sources, read_sources, unversioned
from carbide_infra.source.inputs import Inputs, ModuleAccess
from carbide_infra.source.kept.context import with_dockerfile
from carbide_infra.source.origin_warnings import warnings_of
from carbide_infra.source.origins import Origin, origins_of
from carbide_infra.source.private_modules import cause_of, git_says
from carbide_infra.source.staging import collect_garbage, stage
from carbide_infra.stack.locked_tools import differing_tools, require_tested_pulumi
from carbide_infra.stack.passphrase import require_own_passphrase
from carbide_infra.stack.stack_file import require_quoted
from carbide_infra.state_files import make_private

if TYPE_CHECKING:
    from carbide_infra.registry.client import RegistryClient
    from carbide_infra.registry.registries import Registries

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _reported(step: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Show what the user can fix as a message, not as a stack trace."""

    @wraps(step)
    def wrapper(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        try:
            return step(*args, **kwargs)
        except UserError as error:
            raise pulumi.RunError(str(error)) from None

    return wrapper


def leave_out_debug_messages() -> None:
    """Keep the SDK from telling the engine every step of a registration.

    It waits for an answer to each such message, and a preview in which nothing changes has 146 of them: see
    bench/preview.py. With CARBIDE_SDK_DEBUG=1 they are sent, to be seen with `pulumi preview --debug`.
    """
    if os.environ.get("CARBIDE_SDK_DEBUG") != "1":
        pulumi.log.debug = lambda *_args, **_options: None


def require_retained() -> None:
    """Refuse every image and tag that the registry would lose with its resource, whoever adds it to the program.

    No policy can: the engine does not tell it of this option.
    """
    pulumi.runtime.register_stack_transformation(_retained)


def _retained(args: pulumi.ResourceTransformationArgs) -> None:
    if args.type_ in {IMAGE_TYPE, INDEX_TYPE} and not args.opts.retain_on_delete:
        msg = (
            f"{args.name}: its manifest would be deleted from the registry with the resource, also for other tags and "
            "running containers; set retain_on_delete=True"
        )
        raise pulumi.RunError(msg)


@_reported
def stack_settings() -> Settings:
    """The stack's configuration, validated."""
    require_own_passphrase(pulumi.get_stack(), os.environ, Path.cwd())
    require_quoted(Path.cwd(), pulumi.get_stack())
    namespace = f"{pulumi.get_project()}:"
    values = {key.removeprefix(namespace): value for key, value in CONFIG.get().items() if key.startswith(namespace)}
    for key in SECRET_KEYS:
        if values.get(key) and not is_config_secret(namespace + key):
            msg = f"{key}: is stored in plain text; replace it with pulumi config set --secret {key}"
            raise ConfigError(msg)
    settings = load_settings(values, os.environ)
    _require_password(settings)
    _require_tools(settings)
    return settings


def _require_tools(settings: Settings) -> None:
    """A preview changes nothing, so it is told only of what an update would refuse."""
    require_tested_pulumi()
    if not settings.require_locked_tools:
        return
    differing = "; ".join(differing_tools(Path.cwd()))
    if not differing:
        return
    msg = f"requireLockedTools = true: {differing}; run make venv, then update with make, or after make env"
    if not pulumi.runtime.is_dry_run():
        raise ConfigError(msg)
    pulumi.log.warn(msg)


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
    for warning in (*sources.warnings, *unversioned(settings, selection.images, sources)):
        pulumi.log.warn(warning)
    return sources


def _require_checked(settings: Settings, selection: Selection, root: Path) -> None:
    """Say all that can be said of catalogue and tree before anything is built."""
    found = check_images(
        selection.catalogue,
        settings.said_of_images,
        selection.images,
        root,
        is_development=settings.is_development,
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
        logins=settings.other_logins,
        ssh=settings.ssh_agent,
        released=_releases(settings),
    )


def _releases(settings: Settings) -> Callable[[str, str], str | None]:
    """What the stack's registry says of releases when a tag is about to be moved."""

    @cache
    def client() -> "RegistryClient":
        # Not for a preview's time, as below.
        from carbide_infra.stack.registry_access import registries_of  # noqa: PLC0415

        return registries_of(settings, Path.cwd(), os.environ).client(_server(settings))

    @_reported
    def released(repository: str, tag: str) -> str | None:
        from carbide_infra.registry.releases import released_digest  # noqa: PLC0415

        return released_digest(client(), repository.partition("/")[2], tag)

    return released


@_reported
def resolved_bases(settings: Settings, selection: Selection) -> Selection:
    """The images with the digests of their bases; where all are pinned, nobody is asked."""
    project = Path.cwd()
    root = settings.source_root(project)
    images = tuple(with_dockerfile(image, root, cache_dir()) for image in selection.images)
    selection = replace(selection, images=images)

    def look_up(references: list[str]) -> Mapping[str, Told]:
        from carbide_infra.registry.image_facts import current_digests  # noqa: PLC0415 - as below

        with _base_registries(settings) as registries:
            return current_digests(references, registries, KnownImages.of_user())

    stand_ins = stand_ins_of(settings.registry_server, project)
    found = resolved(settings, selection, stand_ins, look_up, is_update=not pulumi.runtime.is_dry_run())
    for warning in found.warnings:
        pulumi.log.warn(warning)
    return found.selection


def _base_registries(settings: Settings) -> "Registries":
    # A tenth of a preview's imports, which a stack that pins its bases does without.
    from carbide_infra.stack.registry_access import base_registries  # noqa: PLC0415

    return base_registries(settings, Path.cwd(), os.environ)


@_reported
def plan_images(settings: Settings, selection: Selection, sources: Sources, target: BuildTarget) -> Sequence[ImagePlan]:
    """Find each image's inputs, decide the image from them, and stage what it is built from."""
    project = Path.cwd()
    # What is built is rendered then and there, whatever stands in the cache folder.
    renderer = kept_render if pulumi.runtime.is_dry_run() else render
    stack = Stack(project, target.server, settings, stand_ins_of(settings.registry_server, project), renderer)
    inputs = _inputs(settings, selection.images, sources.root, target)
    plans = plans_of(selection, inputs, _origins(sources, inputs), sources, stack)
    own, folder = {image.name: image for image in selection.catalogue.images}, settings.catalogue_file(project).parent
    for plan in plans:
        is_written = plan.dockerfile.location or plan.image.kept
        warning = None if is_written else edited_dockerfile(own[plan.image.name], folder, renderer)
        if warning:
            pulumi.log.warn(warning)
    _stage(plans, sources.root, project)
    return plans


def _inputs(settings: Settings, images: Sequence[Image], root: Path, target: BuildTarget) -> dict[str, Inputs]:
    inputs = inputs_of_images(images, root, target.secrets, lambda: _base_registries(settings))
    _require_exact(settings, inputs, ModuleAccess.of_secrets(target.secrets))
    for warning in sorted({warning for found in inputs.values() for warning in found.warnings}):
        pulumi.log.warn(warning)
    return inputs


def _require_exact(settings: Settings, inputs: Mapping[str, Inputs], access: ModuleAccess) -> None:
    """A preview may know too little; an update would push a tag that other machines give to other content."""
    coarse = {name: found.fallback for name, found in inputs.items() if found.fallback}
    for reason in sorted(set(coarse.values())):
        pulumi.log.warn(reason)
    if coarse and not settings.allow_coarse_inputs and not pulumi.runtime.is_dry_run():
        what = f"what {', '.join(sorted(coarse))} is made of is not known exactly here"
        if cause := _cause_in_modules(access, coarse.values()):
            # No build could get them either.
            msg = f"{what}: {cause}"
            raise ConfigError(msg)
        msg = (
            f"allowCoarseInputs = false: {what}; "
            "put that right (see the warning), or set allowCoarseInputs to push all the same"
        )
        raise ConfigError(msg)


def _cause_in_modules(access: ModuleAccess, reasons: Iterable[str]) -> str | None:
    """Why a module cannot be had, where that is it."""
    ssh, ask = bool(access.known_hosts), git_says(access, os.environ)
    causes = (cause_of([reason], access.netrc, ssh=ssh, ask=ask) for reason in sorted(set(reasons)))
    return next(filter(None, causes), None)


def _origins(sources: Sources, inputs: Mapping[str, Inputs]) -> dict[str, Origin]:
    """What each image may say of the commit; the user is told what keeps it from that."""
    files = {name: found.tree_files for name, found in inputs.items()}
    origins = origins_of(sources.by_image, files, cache_dir())
    for warning in warnings_of(origins):
        pulumi.log.warn(warning)
    return origins


def _stage(plans: Sequence[ImagePlan], root: Path, project: Path) -> None:
    make_private(state_dir(project))
    for plan in plans:
        place = plan.place.below(project)
        stage(root, plan.inputs, plan.dockerfile.text, place)
    collect_garbage(place.contexts)


def _server(settings: Settings) -> str:
    server = registry_server(settings.registry_server, Path.cwd())
    # A preview needs no registry; an update would fail once for each image, in the builder's words.
    if settings.is_development and not pulumi.runtime.is_dry_run():
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
