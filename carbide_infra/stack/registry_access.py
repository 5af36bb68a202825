"""The registry of a stack, as a client with the stack's own login."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from carbide_infra.paths import state_dir
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.docker_config import BrokenStore, broken_store, without_store
from carbide_infra.registry.images import split_reference
from carbide_infra.stack.pulumi_stack import PulumiStack
from carbide_infra.stack.stack_file import read_stack_file


def registry_password(values: Mapping[str, str]) -> str | None:
    """The stack's password for its registry, else the environment's."""
    return values.get("registryPassword") or os.environ.get("CARBIDE_REGISTRY_PASSWORD")


def without_broken_store(stack: PulumiStack) -> tuple[PulumiStack, BrokenStore | None]:
    """The stack with a Docker configuration that its provider can use, and the credential store that it cannot.

    The provider lists that store as it starts, also for a preview, and where all logins stand elsewhere.
    """
    broken = broken_store(stack.environment)
    if broken is None:
        return stack, None
    environment = without_store(stack.environment, state_dir(stack.project) / "docker")
    return replace(stack, environment=environment), broken


def client_of(stack: PulumiStack, images: Mapping[str, Any]) -> RegistryClient:
    """Give a client of the registry that a stack's `images` output names."""
    # Most development stacks have no login, and to ask the CLI for the secrets takes time.
    wants_login = "registryUsername" in read_stack_file(stack.project, stack.name)
    values = stack.values() if wants_login else {}
    server, _ = split_reference(next(iter(images.values()))["repository"])
    return RegistryClient.connected(
        server, stack.environment, values.get("registryUsername"), registry_password(values)
    )
