"""What the doctor looks at, in its order: the machine, the stack and its source, builder and registry."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from carbide_infra.cli.deployed import deployed_by, registry_password, stack_values
from carbide_infra.cli.outcome import CommandError
from carbide_infra.cli.stacks import StackCli, open_stack
from carbide_infra.diagnosis.builder import ask_buildx, examine_builder
from carbide_infra.diagnosis.finding import Finding, fail, ok, warn
from carbide_infra.diagnosis.machine import examine_engine, examine_machine, examine_plugin, missing_engine
from carbide_infra.diagnosis.registry import examine_registry
from carbide_infra.diagnosis.source_tree import examine_bases, examine_source
from carbide_infra.endpoint import read_endpoint
from carbide_infra.errors import SetupError
from carbide_infra.paths import cache_dir, state_dir
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import RegistryError
from carbide_infra.registry.images import platforms_in, read_platform, split_reference
from carbide_infra.settings import LOCAL_REGISTRY, SECRET_KEYS, ConfigError, Settings, load_settings
from carbide_infra.stack.stack_file import read_stack_file
from devenv.builder import docker_answers
from devenv.toolchain import ensure_tools

_NO_SUCH_STACK = "no stack named"


def examine(root: Path, stack: str) -> Iterator[Finding]:
    """Everything that an update of a stack in this checkout depends on."""
    yield from examine_machine(_places(root))
    missing = missing_engine()
    yield examine_engine(missing)
    cli = None if missing else open_stack(stack)
    values, findings = _configuration(root, stack, cli)
    yield from findings
    try:
        settings = load_settings(values, os.environ)
    except ConfigError as error:
        yield fail("configuration", str(error), f"change Pulumi.{stack}.yaml as it says")
        return
    yield ok("configuration", f"Pulumi.{stack}.yaml")
    endpoint = read_endpoint(root)
    yield from examine_source(settings, root)
    yield from examine_bases(settings, endpoint.stand_ins if endpoint else ())
    if cli is None:
        return
    yield examine_plugin(Path(cli.environment["PULUMI_HOME"]))
    buildx = ensure_tools(lambda _: None, embedded=not docker_answers()).buildx
    yield from examine_builder(ask_buildx(buildx, settings.builder, cli.environment), settings.platforms)
    yield from _registry(root, settings, values, cli)


def _places(root: Path) -> list[Path]:
    """The folders that are written to, one for each disk."""
    by_disk: dict[int, Path] = {}
    for place in (state_dir(root), cache_dir()):
        nearest = next(folder for folder in (place, *place.parents) if folder.exists())
        by_disk.setdefault(nearest.stat().st_dev, place)
    return list(by_disk.values())


def _configuration(root: Path, stack: str, cli: StackCli | None) -> tuple[dict[str, Any], list[Finding]]:
    """The stack's values: from the engine with its secrets, else from its file."""
    written = read_stack_file(root, stack)
    if not written:
        told = f"Pulumi.{stack}.yaml has no configuration of ours"
        return written, [fail("stack", told, f"pulumi config set --stack {stack}, see README's table")]
    if cli is None:
        return written, [warn("stack", "is not asked: the engine is missing", "make tools")]
    backend = cli.environment.get("PULUMI_BACKEND_URL", "Pulumi's own")
    try:
        return dict(stack_values(cli)), [ok("stack", f"{stack} in the backend {backend}; its secrets can be read")]
    except SetupError as error:
        told = str(error).strip().splitlines()[-1].removeprefix("error: ")
        if _NO_SUCH_STACK in str(error):
            fix = f"none needed: make up STACK={stack} makes it, and so does pulumi stack init {stack}"
            return written, [warn("stack", f"{stack} does not exist in the backend {backend} yet", fix)]
        fix = "check PULUMI_CONFIG_PASSPHRASE, PULUMI_BACKEND_URL and the login to the backend"
        return written, [fail("stack", told, fix)]


def _registry(root: Path, settings: Settings, values: Mapping[str, Any], cli: StackCli) -> Iterator[Finding]:
    server = settings.registry_server
    if server == LOCAL_REGISTRY:
        endpoint = read_endpoint(root)
        if endpoint is None:
            yield fail("registry", "no local registry was set up in this checkout", "make local-up")
            return
        server = endpoint.registry
    password = registry_password({key: str(values.get(key) or "") for key in SECRET_KEYS})
    if settings.registry_username and not password:
        fix = "pulumi config set --secret registryPassword, or CARBIDE_REGISTRY_PASSWORD"
        yield fail("login", f"{server} wants a login as {settings.registry_username}; no password is set", fix)
    repository = f"{settings.registry_repository}/{settings.selected_services[0].image}"
    yield from examine_registry(
        lambda: RegistryClient.connected(server, cli.environment, settings.registry_username, password),
        repository,
        lambda client: _present_blob(client, repository, cli),
    )


def _present_blob(client: RegistryClient, repository: str, cli: StackCli) -> str | None:
    """The config of an image that the stack has pushed there."""
    try:
        for output in deployed_by(cli).images.values():
            if split_reference(output.repository) == (client.server, repository):
                index = client.manifest(repository, output.digest)
                manifest = next(iter(platforms_in(client, repository, index).values()))
                return read_platform(client, repository, manifest).config_digest
    except (SetupError, CommandError, RegistryError, StopIteration):
        return None
    return None
