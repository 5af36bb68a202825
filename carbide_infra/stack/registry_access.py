"""The registries of a stack, with the logins that its configuration has for them."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carbide_infra.catalogue.bases import NOTHING
from carbide_infra.endpoint import read_endpoint, registry_server, stand_ins_of
from carbide_infra.paths import state_dir
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.credentials import Credentials
from carbide_infra.registry.docker_config import BrokenStore, broken_store, without_store
from carbide_infra.registry.image_facts import ATTEMPTS, TIMEOUT_SECONDS
from carbide_infra.registry.images import split_reference
from carbide_infra.registry.reference import Reference
from carbide_infra.registry.registries import Registries
from carbide_infra.settings import Settings, load_settings
from carbide_infra.stack.stack_file import keys_in_stack_file

if TYPE_CHECKING:
    from carbide_infra.stack.pulumi_stack import PulumiStack


def registries_of(settings: Settings, project: Path, environment: Mapping[str, str]) -> Registries:
    """Give the registries, as a stack's configuration lets us in.

    Raises:
        UserError: no local registry was set up, or the environment cannot be used.
    """
    return Registries(environment, _logins(settings, project))


def without_broken_store(stack: "PulumiStack") -> "tuple[PulumiStack, BrokenStore | None]":
    """The stack with a Docker configuration that its provider can use, and the credential store that it cannot.

    The provider lists that store as it starts, also for a preview, and where all logins stand elsewhere.
    """
    broken = broken_store(stack.environment)
    if broken is None:
        return stack, None
    environment = without_store(stack.environment, state_dir(stack.project) / "docker")
    return replace(stack, environment=environment), broken


def base_registries(settings: Settings, project: Path, environment: Mapping[str, str]) -> Registries:
    """Give the same for looking up base images: quick to give up, and with the stand-ins that a builder here takes.

    Raises:
        UserError: as for `registries_of`.
    """
    return Registries(
        environment,
        _logins(settings, project),
        stand_ins=_stand_in_registry(settings, project),
        timeout=TIMEOUT_SECONDS,
        attempts=ATTEMPTS,
    )


def registries_with(values: Mapping[str, str], project: Path, environment: Mapping[str, str]) -> Registries:
    """Give the registries with the logins among a stack's values; where there are none, with Docker's.

    Raises:
        UserError: the values are not a configuration, or as for `registries_of`.
    """
    return registries_of(load_settings(values, os.environ), project, environment) if values else Registries(environment)


def registries_asked_once(stack: "PulumiStack") -> Registries:
    """Give the registries as the stack's configuration lets us in, without patience: to hear what they answer.

    Raises:
        UserError: as for `registries_with`, or the secrets cannot be read.
    """
    settings = load_settings(stack.values(), os.environ)
    return Registries(stack.environment, _logins(settings, stack.project), attempts=1)


def registries_for(references: Iterable[str], settings: Settings, stack: "PulumiStack") -> Registries:
    """Give the registries for looking up images; the stack is asked for its secrets where an image may need them.

    Raises:
        UserError: as for `registries_of`, or the secrets cannot be read.
    """
    keys = keys_in_stack_file(stack.project, stack.name)
    servers = {Reference.of(text).server for text in references if text != NOTHING}
    if "registryLogins" in keys or ("registryUsername" in keys and settings.registry_server in servers):
        settings = load_settings(stack.values(), os.environ)
    return registries_of(settings, stack.project, stack.environment)


def images_client(stack: "PulumiStack", images: Mapping[str, Any]) -> RegistryClient:
    """Give the client of the registry that a stack's `images` output names.

    Raises:
        UserError: as for `registries_with`.
    """
    # Most development stacks have no login, and to ask the CLI for the secrets takes time.
    wants_login = "registryUsername" in keys_in_stack_file(stack.project, stack.name)
    registries = registries_with(stack.values() if wants_login else {}, stack.project, stack.environment)
    server, _ = split_reference(next(iter(images.values()))["repository"])
    return registries.client(server)


def _logins(settings: Settings, project: Path) -> dict[str, Credentials]:
    own = settings.own_login
    others = {name: Credentials(*login) for name, login in settings.other_logins.items()}
    return others | ({registry_server(settings.registry_server, project): Credentials(*own)} if own else {})


def _stand_in_registry(settings: Settings, project: Path) -> str | None:
    endpoint = read_endpoint(project)
    return endpoint.registry if endpoint and stand_ins_of(settings.registry_server, project) else None
