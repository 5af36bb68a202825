"""What buildx knows of a checkout's builder, and what Docker runs for it."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carbide_infra.errors import SetupError
from carbide_infra.paths import state_dir
from carbide_infra.processes import run
from carbide_infra.state_files import read_json, write_json

BUILDER = "carbide-local"
CONTAINER = "docker-container"


@dataclass(frozen=True)
class Builder:
    """How to build images with buildx.

    Attributes:
        name: what buildx calls the builder.
        environment: variables for buildx.
    """

    buildx: Path
    name: str = BUILDER
    environment: dict[str, str] = field(default_factory=dict, repr=False)

    def run(self, purpose: str, *arguments: str | Path) -> str:
        """Run buildx, and give its output."""
        return run([self.buildx, *arguments], self.environment, purpose)

    def is_registered(self) -> bool:
        """Whether buildx knows the builder and reaches it, starting a stopped container."""
        try:
            self.run("Asking the builder", "inspect", "--bootstrap", self.name)
        except SetupError:
            return False
        return True

    def is_known(self) -> bool:
        """Whether buildx has a builder of this name."""
        return self.name in self.run("Listing builders", "ls", "--format", "{{.Name}}").split()

    def remove(self) -> None:
        """Let buildx forget the builder, with its container; the cache stays."""
        self.run("Removing the old builder", "rm", "--force", "--keep-state", self.name)


def register(root: Path, builder: Builder, driver: str, arguments: Sequence[str], config: str) -> None:
    """Make buildx know the builder by what it is now; does nothing where it does.

    Args:
        root: the checkout.
        builder: its name, and the buildx that is told.
        driver: what kind of builder it is.
        arguments: of `buildx create`.
        config: all that it is configured with.

    Raises:
        SetupError: it does not start; in buildx's words.
    """
    wanted = {
        "driver": driver,
        "config": builder.environment["BUILDX_CONFIG"],
        "buildx": str(builder.buildx),
        "fingerprint": fingerprint([*arguments, config]),
        "root": str(root),
    }
    found = read_json(_record(root))
    if found == wanted and builder.is_registered():
        return
    _forget_copy(root, found)
    # Before anything is made: a container that is created and then does not start is to be found by `make down`.
    write_json(_record(root), {**wanted, "fingerprint": ""})
    if builder.is_known():
        _remove(builder)
    builder.run("Registering the builder", "create", "--name", builder.name, *arguments)
    write_json(_record(root), wanted)


def unregister(root: Path) -> bool:
    """Remove the builder's container, started or not; tell whether there was one."""
    kept = read_json(_record(root))
    _forget_copy(root, kept)
    if kept.get("driver") != CONTAINER or not _is_ours(root, kept):
        return False
    environment = os.environ | {"BUILDX_CONFIG": str(kept["config"])}
    builder = Builder(Path(kept["buildx"]), environment=environment)
    _record(root).unlink()
    if not builder.is_known():
        return False
    try:
        builder.remove()
    except SetupError:
        # Docker has gone, and its containers with it; buildx forgets the builder at the second asking.
        if builder.is_known():
            builder.remove()
        return False
    return True


def fingerprint(parts: Sequence[str]) -> str:
    """Tell one way to make a builder from any other."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _remove(builder: Builder) -> None:
    try:
        builder.remove()
    except SetupError:
        # Where Docker has gone, buildx fails and has forgotten it, or does so when it is asked again.
        if builder.is_known():
            builder.remove()


def _forget_copy(root: Path, kept: Mapping[str, Any]) -> None:
    """Drop what came with a copy of another checkout: its buildx would remove that one's container."""
    copied = Path(str(kept.get("config", "")))
    if kept and not _is_ours(root, kept):
        _record(root).unlink(missing_ok=True)
        if copied.is_relative_to(str(kept["root"])):
            shutil.rmtree(state_dir(root) / "buildx", ignore_errors=True)


def _is_ours(root: Path, kept: Mapping[str, Any]) -> bool:
    """Whether a record was written here, by an earlier version, or before this checkout was moved."""
    other = kept.get("root")
    return other in {None, str(root)} or not Path(str(other)).exists()


def _record(root: Path) -> Path:
    return state_dir(root) / "builder.json"
