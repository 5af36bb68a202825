"""The steps of `__main__`: from stack config to plans, with every error in the stack's terms."""

import os
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from carbide_infra.endpoint import read_endpoint, registry_server, require_running
from carbide_infra.errors import UserError
from carbide_infra.images.build_secrets import build_secrets
from carbide_infra.images.component import BuildTarget
from carbide_infra.images.plan import ImagePlan, Stack, context_path, plan_image
from carbide_infra.paths import cache_dir
from carbide_infra.services import Service
from carbide_infra.settings import LOCAL_REGISTRY, SECRET_KEYS, ConfigError, Settings, load_settings
from carbide_infra.source.facts import (
    REF_VARIABLE,
    Source,
    read_source,
    require_go_version,
    require_packages,
    revisions_of,
)
from carbide_infra.source.inputs import Inputs, inputs_of
from carbide_infra.source.staging import StagingError, collect_garbage, stage

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
def stack_source(settings: Settings) -> Source:
    """The source tree, checked against the configuration."""
    root = settings.source_root(Path.cwd())
    require_go_version(root, settings.go_version)
    require_packages(root, settings.selected_services)
    source = read_source(
        root, settings.version, require_history=settings.require_history, full_ref=os.environ.get(REF_VARIABLE)
    )
    for warning in source.warnings:
        pulumi.log.warn(warning)
    return source


@_reported
def build_target(settings: Settings) -> BuildTarget:
    """Registry, builder and secrets of this stack on this machine."""
    password = settings.registry_password
    return BuildTarget(
        server=_server(settings),
        username=settings.registry_username,
        password=password.get_secret_value() if password else None,
        builder=settings.builder,
        secrets=build_secrets(settings, os.environ),
        cache_from=settings.cache_from,
        cache_to=settings.cache_to,
        go_version=settings.go_version,
    )


@_reported
def resolved_bases(settings: Settings, target: BuildTarget) -> Settings:
    """The settings with the base images' digests, where the stack tracks them."""
    if not settings.track_base_images:
        return settings
    # pulumi-docker serves this key alone, and importing it takes a tenth of a whole preview.
    from carbide_infra.images.base_images import with_tracked_bases  # noqa: PLC0415

    return with_tracked_bases(settings, target)


@_reported
def plan_images(settings: Settings, source: Source, target: BuildTarget) -> Sequence[ImagePlan]:
    """Find and stage each image's inputs, and decide the image from them."""
    endpoint = read_endpoint(Path.cwd())
    stand_ins = endpoint.stand_ins if endpoint else ()
    stack = Stack(pulumi.get_stack(), Path.cwd(), target.server, settings, source, stand_ins)
    services = settings.selected_services
    inputs = _staged_inputs(stack, services)
    revisions = revisions_of(source, {image: [file.path for file in found.files] for image, found in inputs.items()})
    return [plan_image(service, inputs[service.image], revisions[service.image], stack) for service in services]


def _staged_inputs(stack: Stack, services: Sequence[Service]) -> dict[str, Inputs]:
    """Each image's inputs, staged as its build context."""
    settings, root = stack.settings, stack.source.root
    packages = [service.package for service in services]
    found = inputs_of(root, packages, settings.platforms, cache_dir(), go_version=settings.go_version)
    for reason in sorted({inputs.fallback for inputs in found.values() if inputs.fallback}):
        pulumi.log.warn(reason)
    inputs = {service.image: found[service.package] for service in services}
    for service in services:
        stage(root, inputs[service.image], stack.project / context_path(stack.name, service))
    collect_garbage((stack.project / context_path(stack.name, services[0])).parent, inputs.keys())
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
