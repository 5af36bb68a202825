"""What registries say of images that others have made: the digest of a tag, and what a config holds."""

import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import TypeVar

from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import Corrupt, NotFound, RegistryError, Unreachable
from carbide_infra.registry.images import platforms_in, read_platform
from carbide_infra.registry.known_images import KnownImages
from carbide_infra.registry.reference import Reference
from carbide_infra.registry.registries import Registries
from carbide_infra.registry.told import Told

DEADLINE_SECONDS = 10.0
"""For all answers together: a preview waits for them."""

# For a look-up: who waits for a preview would rather have what was seen last.
TIMEOUT_SECONDS, ATTEMPTS = 5.0, 2

_VERSION = re.compile(r"GOLANG_VERSION=(\d+\.\d+(?:\.\d+)?(?:(?:rc|beta)\d+)?)")
_Answer = TypeVar("_Answer")


def current_digests(
    references: Iterable[str], registries: Registries, known: KnownImages, seconds: float = DEADLINE_SECONDS
) -> dict[str, Told]:
    """Ask for the digests of all tags at once; nobody is asked for a reference that has one.

    Where a registry does not tell, the digest that was seen last takes its place.

    Args:
        references: such as golang:1.25.
        registries: who is asked.
        known: what was seen before.
        seconds: for all answers together.
    """
    parsed = {text: Reference.of(text) for text in references}
    unpinned = [reference for reference in dict.fromkeys(parsed.values()) if reference.digest is None]
    answers = _all_at_once(unpinned, lambda reference: _current_digest(reference, registries, known), seconds)
    return {text: _told(reference, answers.get(reference), known) for text, reference in parsed.items()}


def answers_now(
    references: Iterable[str], registries: Registries, seconds: float = DEADLINE_SECONDS
) -> dict[str, str | RegistryError]:
    """Ask for all references at once, those with a digest too: what each gives now, or why nobody tells."""
    parsed = {text: Reference.of(text) for text in references}
    answers = _all_at_once(
        parsed.values(), lambda one: _from_first_place(one, registries, partial(_claimed, one)), seconds
    )
    return {text: answers[reference] for text, reference in parsed.items()}


def read_golang_version(reference: Reference, registries: Registries, seconds: float = DEADLINE_SECONDS) -> str | None:
    """GOLANG_VERSION of an image's config; None where it has none.

    Raises:
        RegistryError: nobody tells.
    """
    answer = _all_at_once([reference], lambda one: _golang_version(one, registries), seconds)[reference]
    if isinstance(answer, RegistryError):
        raise answer
    return answer


def _told(reference: Reference, answer: str | RegistryError | None, known: KnownImages) -> Told:
    if isinstance(answer, str) or answer is None:
        return Told(answer or reference.digest)
    # What is not there any more cannot be built on.
    seen = None if isinstance(answer, NotFound) else known.last_seen(reference)
    return Told(seen.digest, answer, seen.day) if seen else Told(None, answer)


def _current_digest(reference: Reference, registries: Registries, known: KnownImages) -> str:
    digest = _from_first_place(reference, registries, lambda client, name: _verified(client, name, reference, known))
    known.keep_digest(reference, digest)
    return digest


def _verified(client: RegistryClient, repository: str, reference: Reference, known: KnownImages) -> str:
    """The digest of a tag; a new one is of bytes that are there and are an image."""
    digest = _claimed(reference, client, repository)
    seen = known.last_seen(reference)
    if seen and seen.digest == digest:
        return digest
    try:
        manifest = client.manifest(repository, digest)
    except NotFound as error:
        message = f"{client.server}: {repository}:{reference.manifest} gives {digest}, which is not there"
        raise Corrupt(message) from error
    if not manifest.is_image:
        message = f"{client.server}: {repository}:{reference.manifest} is not an image, but {manifest.media_type!r}"
        raise Corrupt(message)
    return manifest.digest


def _claimed(reference: Reference, client: RegistryClient, repository: str) -> str:
    """What the registry says of a tag or digest; a HEAD request counts as no pull at Docker Hub."""
    digest = client.digest_of(repository, reference.manifest)
    if digest is None:
        message = f"{client.server}: {repository}:{reference.manifest} is not there"
        raise NotFound(message)
    return digest


def _golang_version(reference: Reference, registries: Registries) -> str | None:
    def read(client: RegistryClient, repository: str) -> str | None:
        manifest = client.manifest(repository, reference.manifest)
        # All platforms of a builder image have the same Go.
        platform = next(iter(platforms_in(client, repository, manifest).values()), None)
        settings = read_platform(client, repository, platform).config.get("config") if platform else None
        variables = settings.get("Env") if isinstance(settings, dict) else None
        lines = variables if isinstance(variables, list) else []
        return next((found[1] for line in lines if (found := _VERSION.fullmatch(str(line)))), None)

    return _from_first_place(reference, registries, read)


def _from_first_place(
    reference: Reference, registries: Registries, ask: Callable[[RegistryClient, str], _Answer]
) -> _Answer:
    """The answer of the first place that has one, as a builder looks; else what the last one says."""
    problem: RegistryError | None = None
    for client, repository in registries.places(reference):
        try:
            return ask(client, repository)
        except RegistryError as error:
            problem = error
    assert problem is not None  # noqa: S101 - there is a place for each reference
    raise problem


def _all_at_once(
    references: Iterable[Reference], ask: Callable[[Reference], _Answer], seconds: float
) -> dict[Reference, _Answer | RegistryError]:
    """What is answered for each, or why not; who does not answer in time is left behind."""
    end = time.monotonic() + seconds
    waiting = {reference: _started(ask, reference) for reference in references}
    answers: dict[Reference, _Answer | RegistryError] = {}
    for reference, future in waiting.items():
        answer = _answer(future, reference, end, seconds)
        answers[reference] = answer
    return answers


def _started(ask: Callable[[Reference], _Answer], reference: Reference) -> Future[_Answer]:
    """A thread of its own, which the end of the program does not wait for, as it would for a pool's."""
    future: Future[_Answer] = Future()

    def run() -> None:
        try:
            future.set_result(ask(reference))
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is wanted
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def _answer(future: Future[_Answer], reference: Reference, end: float, seconds: float) -> _Answer | RegistryError:
    try:
        return future.result(max(0.0, end - time.monotonic()))
    except RegistryError as error:
        return error
    except TimeoutError:
        return Unreachable(
            f"{reference.server}: does not answer within {seconds:.0f} s; check the network, HTTPS_PROXY, and whether "
            "it runs"
        )
