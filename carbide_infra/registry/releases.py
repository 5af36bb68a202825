"""Releases: digests that are in a registry get a version, and nothing is built."""

import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

_PAUSE_SECONDS = 20.0


class ReleaseError(Exception):
    """No image was given a version, or not all; the message says what is in the way."""


@dataclass(frozen=True)
class Registry:
    """What buildx reads and writes in a registry."""

    buildx: Path
    environment: Mapping[str, str] = field(repr=False)

    def digest(self, reference: str) -> str | None:
        """The digest behind a tag; None when the registry has no such tag.

        Raises:
            ReleaseError: the registry does not tell; its words are in the message.
        """
        done = self._imagetools("inspect", "--format", "{{.Manifest.Digest}}", reference)
        if done.returncode == 0:
            return done.stdout.strip()
        if "not found" in done.stderr.lower():
            return None
        message = f"{reference} could not be looked up: {done.stderr.strip()}"
        raise ReleaseError(message)

    def tag(self, reference: str, source: str) -> None:
        """Let a tag point at what is there already."""
        done = self._imagetools("create", "--tag", reference, source)
        if done.returncode:
            message = f"{reference} could not be written: {done.stderr.strip()}"
            raise ReleaseError(message)

    def _imagetools(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.buildx), "imagetools", *arguments]
        return subprocess.run(command, env=dict(self.environment), capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Released:
    """One image of a release.

    Attributes:
        image: its name.
        reference: with the version as tag.
        digest: what that points at now.
        before: what it pointed at; None when there was no such tag.
    """

    image: str
    reference: str
    digest: str
    before: str | None


def tagged(digests: Mapping[str, str], repositories: Mapping[str, str], tag: str, registry: Registry) -> list[Released]:
    """Let a tag of each image point at its digest, where it does not yet."""
    return [_tagged(image, f"{repositories[image]}:{tag}", digest, registry) for image, digest in digests.items()]


def images_of(
    commit: str, repositories: Mapping[str, str], registry: Registry, seconds: float, report: Callable[[str], None]
) -> dict[str, str]:
    """The digest of each image of a commit, by the tag that has its SHA; waits until all are there.

    Raises:
        ReleaseError: some are not there in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        with ThreadPoolExecutor() as pool:
            answers = list(pool.map(lambda name: registry.digest(f"{name}:{commit}"), repositories.values()))
        digests = {image: digest for image, digest in zip(repositories, answers, strict=True) if digest}
        missing = sorted(repositories.keys() - digests.keys())
        if not missing:
            return digests
        if time.monotonic() + _PAUSE_SECONDS > deadline:
            message = (
                f"commit {commit}: {', '.join(missing)} was never built from it, there is no tag {commit}; "
                "tag a commit of main that an update has finished for, or let that update run first"
            )
            raise ReleaseError(message)
        report(f"Waiting for {', '.join(missing)} of {commit}…")
        time.sleep(_PAUSE_SECONDS)


def _tagged(image: str, reference: str, digest: str, registry: Registry) -> Released:
    before = registry.digest(reference)
    if before != digest:
        registry.tag(reference, f"{reference.rpartition(':')[0]}@{digest}")
    return Released(image, reference, digest, before)
