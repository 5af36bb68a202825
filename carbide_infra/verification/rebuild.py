"""Rebuilding: the recorded inputs, built once more without pushing, must give the digest that runs."""

import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carbide_infra.outputs import ImageOutput
from carbide_infra.paths import state_dir
from carbide_infra.processes import run
from carbide_infra.registry.client import Manifest, RegistryClient
from carbide_infra.registry.errors import Corrupt, NotFound
from carbide_infra.registry.images import platforms_of, split_reference
from carbide_infra.source.inputs import Inputs
from carbide_infra.source.staging import Place, stage
from carbide_infra.state_files import make_private
from carbide_infra.verification.build_record import BuildRecord
from carbide_infra.verification.checks import Check
from carbide_infra.verification.layers import ABSENT

# What the stack's own builds have, in a folder in the place of a registry.
_PUSHED, _KEPT = "type=registry,", "type=oci,tar=false,"
_SCRATCH = "build-"
_OUTPUT = f"{_PUSHED}oci-mediatypes=true"


@dataclass(frozen=True)
class RebuildEnvironment:
    """What a rebuild needs beside the record.

    Attributes:
        project: the folder with Pulumi.yaml.
        source: the source tree as it is now.
        buildx: the program.
        variables: for buildx.
        secrets: contents of the BuildKit secrets by id; they change no byte of an image.
        run: names this verification, as no other is named.
        cold: whether downloaded modules and compiled packages are made anew as well.
    """

    project: Path
    source: Path
    buildx: Path
    variables: Mapping[str, str] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    run: str
    cold: bool = False

    @property
    def no_cache(self) -> tuple[str, ...]:
        """Arguments that let no step find an earlier result.

        `--no-cache` would do, and also empty the cache mounts that the stack's own builds share.
        """
        # A part of each step's key, and of no layer.
        fresh = ("--add-host", f"{self.run}.invalid:127.0.0.1")
        return (*fresh, "--build-arg", f"BUILDKIT_CACHE_MOUNT_NS={self.run}") if self.cold else fresh


def rebuild(
    record: BuildRecord, promised: ImageOutput, environment: RebuildEnvironment, client: RegistryClient
) -> list[Check]:
    """Build an image from its recorded inputs, each step anew, and compare digests.

    Raises:
        InputsMissing: the recorded inputs are not at hand.
        SetupError: the build fails; in the builder's words.
    """
    with _scratch(environment.project) as scratch:
        layout = _build(record, environment, scratch)
        (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
        found = Check(record.image, "built again: index", promised.digest, entry["digest"])
        if found.agrees:
            return [found]
        made = _platforms(layout, entry)
        return [found, *_by_platform(record.image, promised, made, client)]


@contextmanager
def _scratch(project: Path) -> Iterator[Path]:
    """An empty folder that nobody else can read; what a killed run has left there goes."""
    folder = make_private(state_dir(project) / "rebuild")
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(f"{_SCRATCH}*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=folder) as name:
            yield Path(name)


def _build(record: BuildRecord, environment: RebuildEnvironment, scratch: Path) -> Path:
    tree = scratch / "tree"
    tree.mkdir()
    place = Place(scratch / "contexts", record.image, "again")
    text = record.dockerfile_text(environment.project)
    stage(record.source(environment.source, tree), Inputs(record.files, None, folder=record.folder), text, place)
    layout = scratch / "layout"
    given = {f"CARBIDE_SECRET_{name.upper()}": environment.secrets.get(name, "") for name in record.secret_ids}
    command = [
        *(str(environment.buildx), "build", *environment.no_cache, "--provenance=false", "--progress=plain"),
        *(("--builder", record.builder) if record.builder else ()),
        *("--platform", ",".join(record.platforms)),
        *(word for name, value in record.build_args.items() for word in ("--build-arg", f"{name}={value}")),
        *(word for name, value in record.labels.items() for word in ("--label", f"{name}={value}")),
        *(word for name in record.secret_ids for word in ("--secret", f"id={name},env=CARBIDE_SECRET_{name.upper()}")),
        *(("--ssh", "default") if record.ssh else ()),
        *(("--target", record.target) if record.target else ()),
        *("--file", place.dockerfile, "--output", _output(record, layout), place.context / record.folder),
    ]
    run(command, {**environment.variables, **given}, f"Building {record.image} again")
    return layout


def _output(record: BuildRecord, layout: Path) -> str:
    """The options of the push, the index's annotations among them, for a folder instead of a registry."""
    return f"{(record.export or _OUTPUT).replace(_PUSHED, _KEPT, 1)},dest={layout}"


def _platforms(layout: Path, entry: Mapping[str, Any]) -> dict[str, str]:
    body = (layout / "blobs" / str(entry["digest"]).replace(":", "/")).read_bytes()
    manifest = Manifest(entry["digest"], entry["mediaType"], body)
    return platforms_of(manifest) if manifest.is_index else {}


def _by_platform(image: str, promised: ImageOutput, made: Mapping[str, str], client: RegistryClient) -> Iterator[Check]:
    """Which platform it is that came out otherwise."""
    _, repository = split_reference(promised.repository)
    try:
        pushed = platforms_of(client.manifest(repository, promised.digest))
    except (NotFound, Corrupt):
        return
    for platform in promised.platforms:
        expected = pushed.get(platform, ABSENT)
        yield Check(image, f"built again: {platform}", expected, made.get(platform, ABSENT))
