"""The commands behind the make targets: set up the machine, run the engine, show the result."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from rich.console import Console

from carbide_infra.endpoint import Endpoint
from carbide_infra.errors import SetupError
from carbide_infra.paths import project_root, state_dir
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.docker_hub import find_docker_hub
from carbide_infra.registry.errors import RegistryError
from carbide_infra.registry.images import split_reference
from carbide_infra.settings import ConfigError, Settings, load_settings
from carbide_infra.stack.drift import Drift, damaged_images, moved_aliases
from carbide_infra.stack.engine import DEV_STACK, Engine
from carbide_infra.stack.pinning import current_pins, find_pins, unpinned_bases
from carbide_infra.stack.stack_file import ANY_REGISTRY, read_stack_file
from carbide_infra.stack.summary import (
    build_failures,
    has_changes,
    image_seconds,
    image_sizes,
    markdown_summary,
    print_summary,
)
from devenv.bases import BaseImages
from devenv.builder import docker_answers, require_builder, use_builder
from devenv.certificates import ensure_bundle
from devenv.environment import brings_builder, child_environment, export_lines
from devenv.prerequisites import check_prerequisites
from devenv.toolchain import Tools, ensure_actionlint, ensure_registry_server, ensure_tools, install_plugin
from devenv.up import local_down, local_up

DIFFERENT, NO_ANSWER, INTERRUPTED = 1, 2, 130
# Whether a machine has these two must not decide what is found; the steps are one command each anyhow.
ACTIONLINT_ARGUMENTS = ("-shellcheck=", "-pyflakes=")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_progress = Console(stderr=True, highlight=False)
_Arguments = ParamSpec("_Arguments")
StackName = Annotated[str, typer.Option("--stack", envvar="STACK", help="Name of the stack.")]


def _report(line: str) -> None:
    _progress.print(line, markup=False, soft_wrap=True)


def _reported(command: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
    """Show an error that the user can mend as one message, and leave with its exit code."""

    @wraps(command)
    def wrapper(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (SetupError, ConfigError, RegistryError) as error:
            _progress.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            _report("Interrupted; the same command goes on from here.")
            raise typer.Exit(INTERRUPTED) from None

    return wrapper


@app.command()
@_reported
def tools() -> None:
    """Find or build the engine: pulumi, its plugins, BuildKit, buildx, a registry."""
    found = _tools()
    ensure_registry_server(_report)
    _report(f"Engine is in {found.bin_dir}")


@app.command()
@_reported
def lint_workflows() -> None:
    """Check GitHub's workflows with actionlint."""
    command = [str(ensure_actionlint(_report)), *ACTIONLINT_ARGUMENTS]
    raise typer.Exit(subprocess.run(command, cwd=project_root(), check=False).returncode)


@app.command()
@_reported
def start(stack: StackName = DEV_STACK) -> None:
    """Start the local builder and registry, and see to the base images."""
    root = project_root()
    _start(root, _tools(), load_settings(ANY_REGISTRY | read_stack_file(root, stack), os.environ))


@app.command()
@_reported
def down() -> None:
    """Stop the local builder and registry; their data stay."""
    local_down(project_root(), _report)


@app.command()
@_reported
def up(
    stack: StackName = DEV_STACK,
    summary_file: Annotated[
        Path | None,
        typer.Option("--summary", envvar="SUMMARY", help="File to add the table of images to, in Markdown."),
    ] = None,
) -> None:
    """Build and push what changed, and show all images."""
    engine = _prepare(stack)
    event_log = state_dir(engine.root) / "events.json"
    event_log.unlink(missing_ok=True)
    code = engine.up(event_log)
    failures = build_failures(event_log)
    seconds = image_seconds(event_log)
    built = _show(engine, seconds, failures)
    if summary_file and built:
        with summary_file.open("a", encoding="utf-8") as file:
            file.write(markdown_summary(built, seconds, failures))
    for image, lines in failures.items():
        _report("\n    ".join([f"{image} failed:", *lines]))
    if code:
        _report(f"Not all is well: see above. What is finished stays; `make up STACK={stack}` does the rest.")
        raise typer.Exit(code)
    if not has_changes(event_log):
        _report("No changes: every image is as this source tree and stack want it.")


@app.command()
@_reported
def preview(stack: StackName = DEV_STACK) -> None:
    """Show what `up` would change, building nothing."""
    engine = _prepare(stack)
    raise typer.Exit(engine.preview())


@app.command()
@_reported
def refresh(stack: StackName = DEV_STACK) -> None:
    """Bring the state up to what the registry has: what was lost or moved there, the next `up` repairs."""
    engine = _prepare(stack)
    code = engine.refresh()
    if code:
        raise typer.Exit(code)
    for drift in _drift(engine):
        engine.forget(drift.urn)
        _report(f"{drift.reason}; make up STACK={stack} repairs it")


@app.command()
@_reported
def images(stack: StackName = DEV_STACK) -> None:
    """Print the stack's `images` output as JSON."""
    engine = _engine(stack, _tools())
    found = engine.outputs().get("images")
    if found is None:
        message = f"stack {stack} has no images yet: run make up STACK={stack}"
        raise SetupError(message)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


@app.command()
@_reported
def env(stack: StackName = DEV_STACK) -> None:
    """Print the shell variables that make plain `pulumi` work here."""
    root, found = project_root(), _tools()
    _provide(root, found, stack, load_settings(ANY_REGISTRY | read_stack_file(root, stack), os.environ))
    engine = _engine(stack, found)
    # Other stacks are the user's to make, with a passphrase or backend that we do not know.
    if stack == DEV_STACK:
        engine.select()
    sys.stdout.write(export_lines(engine.environment))


@app.command()
@_reported
def pin_bases(stack: StackName = DEV_STACK) -> None:
    """Write the current digests of the base images into the stack's configuration."""
    root, found = project_root(), _tools()
    values = read_stack_file(root, stack)
    bases = unpinned_bases(values)
    unpinned = {"builderImage": bases.builder, "runtimeImage": bases.runtime}
    settings = load_settings(ANY_REGISTRY | values | unpinned, os.environ)
    endpoint = _start(root, found, settings)
    engine = _engine(stack, found)
    for pin in find_pins(bases, values, endpoint, str(found.buildx), engine.environment):
        engine.configure(pin.key, pin.new)
        _report(str(pin))


@app.command()
@_reported
def check_bases(stack: StackName = DEV_STACK) -> None:
    """Tell whether the pinned base images are still what their tags give; exit code 1 if not, 2 if nobody knows."""
    root, found = project_root(), _tools()
    environment = child_environment(root, found, stack)
    values = read_stack_file(root, stack)
    try:
        hub = find_docker_hub(environment, ensure_bundle(root), _report)
        pins = current_pins(values, hub, str(found.buildx), environment)
    except SetupError as error:
        _progress.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(NO_ANSWER) from None
    for pin in pins:
        sys.stdout.write(f"{pin}\n")
    if not all(pin.is_pinned for pin in pins):
        _report(f"What is not pinned may change with any build: make pin-bases STACK={stack}")
    if any(pin.has_moved for pin in pins):
        _report(f"Base images have moved. To take the new ones: make pin-bases STACK={stack}")
        raise typer.Exit(DIFFERENT)


def _tools() -> Tools:
    check_prerequisites()
    require_builder()
    return ensure_tools(_report, embedded=not docker_answers())


def _engine(stack: str, found: Tools) -> Engine:
    root = project_root()
    environment = child_environment(root, found, stack)
    install_plugin(found, Path(environment["PULUMI_HOME"]))
    return Engine(found.pulumi, root, stack, environment, _report)


def _prepare(stack: str) -> Engine:
    """Everything that a command of the engine needs, the stack itself included."""
    root = project_root()
    settings = load_settings(read_stack_file(root, stack), os.environ)
    settings.source_root(root)
    found = _tools()
    _provide(root, found, stack, settings)
    engine = _engine(stack, found)
    engine.select()
    return engine


def _provide(root: Path, found: Tools, stack: str, settings: Settings) -> None:
    """See to a builder and a registry, where the machine does not bring a builder for a stack with another registry."""
    if brings_builder(root, stack):
        use_builder(found, os.environ["BUILDX_BUILDER"], child_environment(root, found, stack))
    else:
        _start(root, found, settings)


def _start(root: Path, found: Tools, settings: Settings) -> Endpoint:
    bases = BaseImages(builder=settings.builder_base, runtime=settings.runtime_image)
    return local_up(root, found, bases, settings.platforms, _report)


def _show(engine: Engine, seconds: Mapping[str, int], failed: Collection[str]) -> dict[str, Any]:
    """Print the table of images, and give those that there are."""
    built: dict[str, Any] = engine.outputs().get("images", {})
    if built:
        print_summary(built, seconds, failed, image_sizes(built, _registry(engine, built)))
    return built


def _drift(engine: Engine) -> list[Drift]:
    """What the provider's own refresh leaves as it is; an alias goes with its image."""
    resources, built = engine.resources(), engine.outputs().get("images", {})
    if not built:
        return []
    damaged = damaged_images(resources, _registry(engine, built))
    gone = {drift.urn for drift in damaged}
    dependents = {item["urn"] for item in resources if gone & set(item.get("dependencies") or ())}
    return [*damaged, *(drift for drift in moved_aliases(resources) if drift.urn not in dependents)]


def _registry(engine: Engine, built: Mapping[str, Any]) -> RegistryClient:
    wants_login = "registryUsername" in read_stack_file(engine.root, engine.stack)
    config = engine.config() if wants_login else {}
    password = config.get("registryPassword") or os.environ.get("CARBIDE_REGISTRY_PASSWORD")
    server, _ = split_reference(next(iter(built.values()))["repository"])
    return RegistryClient.connected(server, engine.environment, config.get("registryUsername"), password)
