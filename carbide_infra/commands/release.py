"""`carbide-infra release`: the images of a release tag's commit get the tag's version; nothing is built."""

import os
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from carbide_infra.commands.outcome import WELL, CommandError, ends, print_json, progress
from carbide_infra.commands.stacks import StackName, open_stack
from carbide_infra.local.builder import docker_answers
from carbide_infra.local.endpoint import read_endpoint
from carbide_infra.local.summary import docker_login
from carbide_infra.local.toolchain import ensure_tools
from carbide_infra.settings import LOCAL_REGISTRY, Settings, load_settings
from carbide_infra.source import REF_VARIABLE, RELEASE_TAG, read_source
from carbide_infra.tags import sanitised

_PAUSE_SECONDS = 20.0
_TAGS = "refs/tags/"

app = typer.Typer()


@dataclass(frozen=True)
class Registry:
    """What buildx reads and writes in a registry."""

    buildx: Path
    environment: Mapping[str, str] = field(repr=False)

    def digest(self, reference: str) -> str | None:
        """The digest behind a tag; None when the registry has no such tag.

        Raises:
            CommandError: the registry does not tell; its words are in the message.
        """
        done = self._imagetools("inspect", "--format", "{{.Manifest.Digest}}", reference)
        if done.returncode == 0:
            return done.stdout.strip()
        if "not found" in done.stderr.lower():
            return None
        message = f"{reference} could not be looked up: {done.stderr.strip()}"
        raise CommandError(message)

    def tag(self, reference: str, source: str) -> None:
        """Let a tag point at what is there already."""
        done = self._imagetools("create", "--tag", reference, source)
        if done.returncode:
            message = f"{reference} could not be written: {done.stderr.strip()}"
            raise CommandError(message)

    def _imagetools(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.buildx), "imagetools", *arguments]
        return subprocess.run(command, env=dict(self.environment), capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Released:
    """One image of a release."""

    image: str
    reference: str
    digest: str
    before: str | None


@app.command()
@ends
def release(
    stack: StackName,
    tag: Annotated[
        str,
        typer.Option(help=f"Release tag, such as v1.4.0, of the commit that is checked out; else {REF_VARIABLE}'s."),
    ] = "",
    wait: Annotated[int, typer.Option(help="Minutes to wait until the commit's images are there.", min=0)] = 0,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Tag the images that main's update has built from a release tag's commit with the version.

    They are found by the tag that has the commit's SHA. Digests stay, nothing is built, and all images are there
    before the first is tagged. From then on the program leaves that version's tags alone, and main goes on with the
    next VERSION.
    """
    opened = open_stack(stack)
    config = {key.rpartition(":")[2]: entry.get("value") for key, entry in opened.config().items()}
    settings = load_settings({key: value for key, value in config.items() if value is not None}, os.environ)
    version, commit = _checked_out(tag, settings, opened.folder)
    tools = ensure_tools(progress, embedded=not docker_answers())
    with docker_login(opened.environment, _login(settings)) as environment:
        registry = Registry(tools.buildx, environment)
        repositories = _repositories(settings, opened.folder)
        digests = _awaited(repositories, commit, registry, 60.0 * wait)
        released = [
            _released(image, f"{repositories[image]}:{sanitised(version)}", digest, registry)
            for image, digest in digests.items()
        ]
    if as_json:
        print_json([vars(item) for item in released])
    else:
        typer.echo(_table(version, commit, released))
    return WELL


def _checked_out(tag: str, settings: Settings, project: Path) -> tuple[str, str]:
    """The version and the commit of the release."""
    tag = tag or os.environ.get(REF_VARIABLE, "").removeprefix(_TAGS)
    if not RELEASE_TAG.fullmatch(tag):
        message = f"--tag {tag!r}: is no release tag; a good value: v1.4.0"
        raise CommandError(message)
    source = read_source(
        settings.source_root(project), settings.version, require_history=True, full_ref=f"{_TAGS}{tag}"
    )
    if source.revision is None or source.revision != source.released or not source.is_commit:
        message = f"--tag {tag}: is not what is checked out here; git checkout {tag}"
        raise CommandError(message)
    return source.version, source.revision


def _login(settings: Settings) -> dict[str, str]:
    if settings.registry_username is None or settings.registry_password is None:
        return {}
    return {
        "registryServer": settings.registry_server,
        "registryUsername": settings.registry_username,
        "registryPassword": settings.registry_password.get_secret_value(),
    }


def _repositories(settings: Settings, project: Path) -> dict[str, str]:
    server = settings.registry_server
    if server == LOCAL_REGISTRY:
        endpoint = read_endpoint(project)
        if endpoint is None:
            message = "registryServer = 'local': no local registry was set up in this checkout; run make local-up"
            raise CommandError(message)
        server = endpoint.registry
    services = settings.selected_services
    return {service.image: f"{server}/{settings.registry_repository}/{service.image}" for service in services}


def _awaited(repositories: Mapping[str, str], commit: str, registry: Registry, seconds: float) -> dict[str, str]:
    """The digest of each image of a commit, once all are there."""
    deadline = time.monotonic() + seconds
    while True:
        with ThreadPoolExecutor() as pool:
            found = dict(
                zip(
                    repositories,
                    pool.map(lambda name: registry.digest(f"{name}:{commit}"), repositories.values()),
                    strict=True,
                )
            )
        digests = {image: digest for image, digest in found.items() if digest}
        missing = sorted(found.keys() - digests.keys())
        if not missing:
            return digests
        if time.monotonic() + _PAUSE_SECONDS > deadline:
            message = (
                f"commit {commit}: {', '.join(missing)} was never built from it, there is no tag {commit}; "
                "tag a commit of main that an update has finished for, or let that update run first"
            )
            raise CommandError(message)
        progress(f"Waiting for {', '.join(missing)} of {commit}…")
        time.sleep(_PAUSE_SECONDS)


def _released(image: str, reference: str, digest: str, registry: Registry) -> Released:
    before = registry.digest(reference)
    if before != digest:
        registry.tag(reference, f"{reference.rpartition(':')[0]}@{digest}")
    return Released(image, reference, digest, before)


def _table(version: str, commit: str, released: list[Released]) -> str:
    """Markdown, because a job's summary shows it."""
    lines = [
        f"Released {version} from commit `{commit}`",
        "",
        "| Image | Reference | Digest | Tag was |",
        "|---|---|---|---|",
    ]
    for item in released:
        was = "new" if item.before is None else "there already" if item.before == item.digest else f"`{item.before}`"
        lines.append(f"| {item.image} | `{item.reference}` | `{item.digest}` | {was} |")
    return "\n".join(lines)
