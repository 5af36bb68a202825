"""Releases: digests that are in a registry get a version, and nothing is built."""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from carbide_infra.names import RELEASE_MARK
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import RegistryError, Unreachable
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


def mark_of(tag: str) -> str:
    """The tag that keeps, beside a released version's own, what was released under it."""
    return f"{RELEASE_MARK}{tag}"


def released_digest(client: RegistryClient, repository: str, tag: str) -> str | None:
    """What was released under a version's tag; None where nothing was."""
    return client.digest_of(repository, mark_of(tag))


def releases_in(client: RegistryClient, repository: str, tags: Iterable[str]) -> dict[str, str]:
    """What was released in a repository: digests by the version's tag.

    Args:
        client: of the registry.
        repository: without the server.
        tags: the versions that are asked for where the registry lists no tags.
    """
    try:
        listed = client.tags(repository)
        asked = [tag.removeprefix(RELEASE_MARK) for tag in listed if tag.startswith(RELEASE_MARK)]
    except Unreachable:
        raise
    except RegistryError:
        asked = list(tags)
    found = {tag: released_digest(client, repository, tag) for tag in asked}
    return {tag: digest for tag, digest in found.items() if digest}


def tagged(
    digests: Mapping[str, str], repositories: Mapping[str, str], tag: str, client: RegistryClient
) -> list[Released]:
    """Let a tag of each image point at its digest, where it does not yet, and keep that it was released.

    Raises:
        ReleaseError: an image was released under that tag with another digest; or something else moves the tag.
    """
    marks = {image: released_digest(client, repositories[image], tag) for image in digests}
    _require_same(digests, marks, tag)
    for image, mark in marks.items():
        if mark is None:
            client.tag(repositories[image], mark_of(tag), digests[image])
    released = [_tagged(image, repositories[image], tag, digest, client) for image, digest in digests.items()]
    # An update that began before the marks were there may have moved the tag since, and another release the mark.
    _require_same(digests, {image: released_digest(client, repositories[image], tag) for image in digests}, tag)
    for image, digest in digests.items():
        if _tagged(image, repositories[image], tag, digest, client).before != digest:
            message = (
                f"{image}: {tag} was moved while it was released, and is back at {digest}; wait for the update that "
                "runs, and release once more"
            )
            raise ReleaseError(message)
    return released


def _require_same(digests: Mapping[str, str], marks: Mapping[str, str | None], tag: str) -> None:
    for image, mark in marks.items():
        if mark not in {None, digests[image]}:
            message = (
                f"{image}: {tag} was released as {mark}, and this commit's image is {digests[image]}; a released "
                "version never moves: put the git tag back, or raise VERSION and tag that"
            )
            raise ReleaseError(message)


@dataclass(frozen=True)
class Wanted:
    """What a release is made from.

    Attributes:
        commit: full SHA.
        repositories: without the server, by image name.
        own_tags: the images' own tags as this commit gives them, as far as that is known here; asked at most once.
        passed: SHA of another commit that an update has run for since, so that none will run for this one; None where
            it may still come.
    """

    commit: str
    repositories: Mapping[str, str]
    own_tags: Callable[[], Mapping[str, str]]
    passed: Callable[[], str | None]


def images_of(wanted: Wanted, client: RegistryClient, seconds: float, report: Callable[[str], None]) -> dict[str, str]:
    """The digest of each image of a commit: by the tag that has its SHA, else by its own; waits for an update's end.

    Raises:
        ReleaseError: some are not there in time, or will not come.
        RegistryError: the registry does not tell.
    """
    deadline = time.monotonic() + seconds
    own_tags = cache(wanted.own_tags)
    while True:
        tags = dict.fromkeys(wanted.repositories, wanted.commit)
        digests = _found(tags, wanted.repositories, client)
        if len(digests) < len(tags):
            others = {image: tag for image, tag in own_tags().items() if image in tags.keys() - digests.keys()}
            digests |= _found(others, wanted.repositories, client)
        missing = sorted(tags.keys() - digests.keys())
        if not missing:
            return {image: digests[image] for image in tags}
        never = f"commit {wanted.commit}: {', '.join(missing)} was never built from it"
        if passed := wanted.passed():
            message = (
                f"{never}, and none will be: an update has run for commit {passed} since; put the tag on that commit, "
                'or on one that has its SHA as a tag, or click "Run workflow" and release what it builds'
            )
            raise ReleaseError(message)
        if time.monotonic() + _PAUSE_SECONDS > deadline:
            message = (
                f"{never}, there is no tag {wanted.commit}; "
                "tag a commit of main that an update has finished for, or let that update run first"
            )
            raise ReleaseError(message)
        report(f"Waiting for {', '.join(missing)} of {wanted.commit}…")
        time.sleep(_PAUSE_SECONDS)


def _found(tags: Mapping[str, str], repositories: Mapping[str, str], client: RegistryClient) -> dict[str, str]:
    """The digests of the tags that are there, by image."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = pool.map(lambda image: client.digest_of(repositories[image], tags[image]), tags)
        return {image: digest for image, digest in zip(tags, answers, strict=True) if digest}


def _tagged(image: str, repository: str, tag: str, digest: str, client: RegistryClient) -> Released:
    before = client.digest_of(repository, tag)
    if before != digest:
        client.tag(repository, tag, digest)
    return Released(image, f"{client.server}/{repository}:{tag}", digest, before)
