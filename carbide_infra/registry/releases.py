"""Releases: digests that are in a registry get a version, and nothing is built."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import RegistryError
from carbide_infra.registry.images import PARALLEL

_PAUSE_SECONDS = 20.0


class ReleaseError(RegistryError):
    """No image was given a version, or not all; the message says what is in the way."""


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


def tagged(
    digests: Mapping[str, str], repositories: Mapping[str, str], tag: str, client: RegistryClient
) -> list[Released]:
    """Let a tag of each image point at its digest, where it does not yet."""
    return [_tagged(image, repositories[image], tag, digest, client) for image, digest in digests.items()]


def images_of(
    commit: str, repositories: Mapping[str, str], client: RegistryClient, seconds: float, report: Callable[[str], None]
) -> dict[str, str]:
    """The digest of each image of a commit, by the tag that has its SHA; waits until all are there.

    `repositories` are without the server, by image name.

    Raises:
        ReleaseError: some are not there in time.
        RegistryError: the registry does not tell.
    """
    deadline = time.monotonic() + seconds
    while True:
        with ThreadPoolExecutor(PARALLEL) as pool:
            answers = list(pool.map(lambda name: client.digest_of(name, commit), repositories.values()))
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


def _tagged(image: str, repository: str, tag: str, digest: str, client: RegistryClient) -> Released:
    before = client.digest_of(repository, tag)
    if before != digest:
        client.tag(repository, tag, digest)
    return Released(image, f"{client.server}/{repository}:{tag}", digest, before)
