"""What the doctor checks, in its order: the machine, the stack and its source, builder and registry."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from carbide_infra.catalogue.problems import CatalogueError
from carbide_infra.diagnosis.base_images import check_bases
from carbide_infra.diagnosis.builder import check_builder
from carbide_infra.diagnosis.finding import Finding, fail, ok, warn
from carbide_infra.diagnosis.machine import check_machine
from carbide_infra.diagnosis.registry import check_registry, check_store
from carbide_infra.diagnosis.source_tree import check_source
from carbide_infra.endpoint import registry_server, stand_ins_of
from carbide_infra.errors import CommandError, MissingPrerequisite, SetupError, UserError
from carbide_infra.paths import cache_dir, state_dir
from carbide_infra.programs import find_buildx
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import RegistryError
from carbide_infra.registry.image_facts import answers_now
from carbide_infra.registry.images import platforms_in, read_platform, split_reference
from carbide_infra.remedies import typed
from carbide_infra.settings import ConfigError, Selection, Settings, load_settings, selected_images
from carbide_infra.stack.builder import ask_builder, chosen_builder
from carbide_infra.stack.deployed import deployed_by
from carbide_infra.stack.pulumi_stack import PulumiStack, open_stack
from carbide_infra.stack.registry_access import base_registries, registries_of
from carbide_infra.stack.stack_file import read_stack_file, require_quoted

_NO_SUCH_STACK = "no stack named"


def checked(root: Path, name: str) -> Iterator[Finding]:
    """Everything that an update of a stack of this project depends on."""
    yield from check_machine(_places(root))
    stack = _stack(name)
    values, findings = _configuration(root, name, stack)
    yield from findings
    yield from check_state(stack)
    try:
        require_quoted(root, name)
        settings = load_settings(values, os.environ)
        selection = selected_images(settings, root)
    except CatalogueError as error:
        yield fail("catalogue", str(error), "change the catalogue, or the stack's configuration, as it says")
        return
    except ConfigError as error:
        yield fail("configuration", str(error), f"change Pulumi.{name}.yaml as it says")
        return
    yield ok("configuration", f"Pulumi.{name}.yaml")
    yield from check_source(settings, selection, root)
    yield from _bases(root, settings, selection)
    yield from _builder(settings, selection)
    yield from check_store(os.environ)
    yield from _registry(root, settings, stack, selection.images[0].name)


def check_state(stack: PulumiStack | None) -> Iterator[Finding]:
    """Look whether a stack's state can be read, where it is a file; of the rest, Pulumi tells."""
    if stack and (damage := stack.damage()):
        yield fail("state", damage.told, damage.fix(typed("up", stack.name)))


def _stack(name: str) -> PulumiStack | None:
    try:
        return open_stack(name)
    except MissingPrerequisite:
        return None


def _bases(root: Path, settings: Settings, selection: Selection) -> Iterator[Finding]:
    stand_ins = stand_ins_of(settings.registry_server, root)
    try:
        with base_registries(settings, root, os.environ) as registries:
            yield from check_bases(settings, selection, stand_ins, lambda texts: answers_now(texts, registries))
    except UserError as error:
        yield fail("base image", str(error), "change it as it says")


def _builder(settings: Settings, selection: Selection) -> Iterator[Finding]:
    try:
        buildx = find_buildx()
    except MissingPrerequisite:
        return
    name = chosen_builder(settings.builder, settings.registry_server, os.environ)
    yield from check_builder(ask_builder(buildx, name, os.environ), selection.platforms)


def _places(root: Path) -> list[Path]:
    """The folders that are written to, one for each disk."""
    by_disk: dict[int, Path] = {}
    for place in (state_dir(root), cache_dir()):
        nearest = next(folder for folder in (place, *place.parents) if folder.exists())
        by_disk.setdefault(nearest.stat().st_dev, place)
    return list(by_disk.values())


def _configuration(root: Path, name: str, stack: PulumiStack | None) -> tuple[dict[str, Any], list[Finding]]:
    """The stack's values: from Pulumi with its secrets, else from its file."""
    written = read_stack_file(root, name)
    if not written:
        told = f"Pulumi.{name}.yaml has no configuration of ours"
        return written, [fail("stack", told, f"pulumi config set --stack {name}, see docs/configuration.md")]
    if stack is None:
        return written, [warn("stack", "is not asked: pulumi is missing", "see pulumi")]
    backend = stack.environment.get("PULUMI_BACKEND_URL", "Pulumi's own")
    try:
        return dict(stack.values()), [ok("stack", f"{name} in the backend {backend}; its secrets can be read")]
    except SetupError as error:
        told = str(error).strip().splitlines()[-1].removeprefix("error: ")
        if _NO_SUCH_STACK in str(error):
            fix = f"none needed: {typed('up', name)} makes it, and so does pulumi stack init {name}"
            return written, [warn("stack", f"{name} does not exist in the backend {backend} yet", fix)]
        fix = "check PULUMI_CONFIG_PASSPHRASE, PULUMI_BACKEND_URL and the login to the backend"
        return written, [fail("stack", told, fix)]


def _registry(root: Path, settings: Settings, stack: PulumiStack | None, image: str) -> Iterator[Finding]:
    try:
        server = registry_server(settings.registry_server, root)
    except SetupError:
        yield fail("registry", "no local registry was set up in this checkout", "make local-up")
        return
    if settings.registry_username and not settings.own_login:
        fix = "pulumi config set --secret registryPassword, or CARBIDE_REGISTRY_PASSWORD"
        yield fail("login", f"{server} wants a login as {settings.registry_username}; no password is set", fix)
    repository = f"{settings.registry_repository}/{image}"
    yield from check_registry(
        lambda: registries_of(settings, root, os.environ).client(server),
        repository,
        lambda client: _present_blob(client, repository, stack),
    )


def _present_blob(client: RegistryClient, repository: str, stack: PulumiStack | None) -> str | None:
    """The config of an image that the stack has pushed there."""
    if stack is None:
        return None
    try:
        for output in deployed_by(stack).images.values():
            if split_reference(output.repository) == (client.server, repository):
                index = client.manifest(repository, output.digest)
                manifest = next(iter(platforms_in(client, repository, index).values()))
                return read_platform(client, repository, manifest).config_digest
    except (SetupError, CommandError, RegistryError, StopIteration):
        return None
    return None
