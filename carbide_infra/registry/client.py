"""The client: manifests, blobs and a dry upload, of one registry."""

import hashlib
import json
import urllib.parse
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any, BinaryIO

from carbide_infra.registry.authentication import CHECK_THE_LOGIN, Authenticator, challenge_of
from carbide_infra.registry.credentials import Credentials
from carbide_infra.registry.docker_hub import HUB
from carbide_infra.registry.errors import Busy, Corrupt, Denied, NotFound, RegistryError
from carbide_infra.registry.reference import DOCKER_HUB, canonical_server, is_digest
from carbide_infra.registry.transport import Answer, Download, Origin, Transport, pause_in

INDEX_TYPES = frozenset(
    {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
)
MANIFEST_TYPES = frozenset(
    {"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"}
)
_ACCEPT = {"Accept": ", ".join(sorted(INDEX_TYPES | MANIFEST_TYPES))}
# What Docker Hub's API answers to; its name in references is another.
_ADDRESSES = {DOCKER_HUB: HUB}
_OK, _CREATED, _ACCEPTED, _NO_CONTENT = 200, 201, 202, 204
_WAITING = frozenset({429, 503})
_TAGS_AT_ONCE, _MOST_PAGES = 1000, 100
_NO_DIGEST = f"sha256:{'0' * 64}"
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _NOT_ALLOWED = 401, 403, 404, 405


@dataclass(frozen=True)
class Manifest:
    """An index or an image's manifest, as the registry has it.

    Attributes:
        digest: of its bytes.
    """

    digest: str
    media_type: str
    body: bytes = field(repr=False)

    @cached_property
    def content(self) -> dict[str, Any]:
        """The JSON object.

        Raises:
            Corrupt: it is none.
        """
        return _json_object(self.body, self.digest)

    @property
    def is_index(self) -> bool:
        """Whether it names manifests instead of layers."""
        return self.media_type in INDEX_TYPES

    @property
    def is_image(self) -> bool:
        """Whether it is what a tag of an image points at, as its own bytes say, too."""
        known = self.media_type in INDEX_TYPES | MANIFEST_TYPES
        return known and self.content.get("mediaType", self.media_type) == self.media_type


class RegistryClient(AbstractContextManager["RegistryClient"]):
    """One registry with one login; safe to share between threads. `Registries` gives it.

    Args:
        server: host[:port], as in image references.
        credentials: the login; None for anonymous access.
        transport: how requests travel.
        plain_http: for a registry without TLS.
    """

    def __init__(
        self, server: str, credentials: Credentials | None, transport: Transport, *, plain_http: bool = False
    ) -> None:
        self.server = server
        self._base = f"{'http' if plain_http else 'https'}://{_ADDRESSES.get(canonical_server(server), server)}"
        self._transport = transport
        self._authenticator = Authenticator(server, credentials, transport, plain_http=plain_http)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End its connections."""
        self._transport.close()

    def manifest(self, repository: str, reference: str) -> Manifest:
        """The manifest under a tag or digest.

        Raises:
            NotFound: there is none.
            Corrupt: it is not what its digest says.
        """
        answer = self._read("GET", repository, f"manifests/{reference}", _ACCEPT)
        promised = reference if ":" in reference else answer.headers.get("Docker-Content-Digest")
        digest = self._checked(answer.body, promised, repository)
        media_type = (answer.headers.get("Content-Type") or "").partition(";")[0].strip()
        return Manifest(digest, media_type, answer.body)

    def digest_of(self, repository: str, reference: str) -> str | None:
        """What a tag points at; None where it is not there."""
        try:
            answer = self._read("HEAD", repository, f"manifests/{reference}", _ACCEPT)
        except NotFound:
            return None
        claimed = answer.headers.get("Docker-Content-Digest") or ""
        return claimed if is_digest(claimed) else self.manifest(repository, reference).digest

    def tags(self, repository: str) -> list[str]:
        """All tags of a repository.

        Raises:
            NotFound: there is no such repository.
            RegistryError: it does not list them, or without end.
        """
        found, page = [], f"tags/list?n={_TAGS_AT_ONCE}"
        for _ in range(_MOST_PAGES):
            answer = self._read("GET", repository, page)
            listed = _json_object(answer.body, f"{self.server}: the tags of {repository}").get("tags") or []
            found += [str(tag) for tag in listed]
            if not listed or 'rel="next"' not in (answer.headers.get("Link") or ""):
                return found
            # From its own last one: an address of the registry's could lead anywhere.
            page = f"tags/list?{urllib.parse.urlencode({'n': _TAGS_AT_ONCE, 'last': found[-1]})}"
        message = f"{self.server}: lists more than {_MOST_PAGES * _TAGS_AT_ONCE} tags of {repository}"
        raise RegistryError(message)

    def tag(self, repository: str, tag: str, digest: str) -> None:
        """Let a tag point at a manifest that is there.

        Raises:
            NotFound: it is not there.
            Denied: we may not push.
        """
        manifest = self.manifest(repository, digest)
        # The same bytes, so the same digest under one more name; blobs and manifests below it stay where they are.
        headers = {"Content-Type": manifest.media_type}
        answer = self._send("PUT", self._url(repository, f"manifests/{tag}"), headers, _push(repository), manifest.body)
        if answer.status not in {_CREATED, _OK, _ACCEPTED}:
            raise self._problem(answer, f"{repository}:{tag}")

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a config or layer is there, without reading it."""
        try:
            self._read("HEAD", repository, f"blobs/{digest}")
        except NotFound:
            return False
        return True

    def blob(self, repository: str, digest: str) -> bytes:
        """A small blob, such as an image's config.

        Raises:
            NotFound: it is not there.
            Corrupt: it is not what its digest says.
        """
        body = self._read("GET", repository, f"blobs/{digest}").body
        self._checked(body, digest, repository)
        return body

    def download(self, repository: str, digest: str, size: int, file: BinaryIO) -> None:
        """Write a blob of any size, such as a layer, to an empty file that can be read; the caller checks its digest.

        Raises:
            NotFound: it is not there.
            RegistryError: it is larger than `size`, or does not come.
        """
        self._read("GET", repository, f"blobs/{digest}", download=Download(file, size))
        file.seek(0)

    def config(self, repository: str, digest: str) -> dict[str, Any]:
        """An image's config."""
        return _json_object(self.blob(repository, digest), digest)

    def ping(self) -> None:
        """See whether a registry answers, whatever it says of our login.

        Raises:
            RegistryError: none does.
        """
        answer = self._transport.send("GET", f"{self._base}/v2/", {})
        if answer.status not in {_OK, _UNAUTHORIZED}:
            message = (
                f"{self.server}: answers {answer.status} to /v2/, as no registry does; check registryServer, "
                "and for a proxy's page in between"
            )
            raise RegistryError(message)

    def check_upload(self, repository: str, present: str | None = None) -> None:
        """See whether we may push, and leave nothing behind.

        Args:
            repository: where to.
            present: digest of a blob that is there. The check then offers it once more, which changes nothing.
                Without one an upload is begun and cancelled; distribution/distribution 3.1 keeps an empty folder
                of such an upload, until it clears those away.

        Raises:
            Denied: we may not.
        """
        scope = _push(repository)
        offer = f"?{urllib.parse.urlencode({'mount': present, 'from': repository})}" if present else ""
        answer = self._send("POST", self._url(repository, f"blobs/uploads/{offer}"), {"Content-Length": "0"}, scope)
        if answer.status == _CREATED:
            return
        if answer.status == _NOT_FOUND:
            message = (
                f"{self.server}: has no repository {repository} to push to{answer.words}; check registryRepository, or "
                "create the repository there"
            )
            raise NotFound(message)
        if answer.status != _ACCEPTED or not answer.headers.get("Location"):
            raise self._problem(answer, f"an upload to {repository}")
        # The whole address, query included: it holds the state of the upload.
        upload = urllib.parse.urljoin(answer.url, answer.headers["Location"])
        if Origin.of(upload) != Origin.of(self._base):
            message = (
                f"{self.server}: wants the upload at {upload}, which is another server's; the login does not go there"
            )
            raise RegistryError(message)
        cancelled = self._send("DELETE", upload, {}, scope)
        # A registry without this request lets the upload expire by itself, as does one that wants to be allowed more.
        if cancelled.status not in {
            *(_NO_CONTENT, _OK, _ACCEPTED),
            *(_NOT_FOUND, _NOT_ALLOWED, _UNAUTHORIZED, _FORBIDDEN),
        }:
            raise self._problem(cancelled, f"the end of an upload to {repository}")

    def wished_pause(self, repository: str, reference: str) -> float | None:
        """How many seconds the registry, or its token server, asks us to wait; None where neither does.

        It is asked for a manifest, and offered one under the digest of another, which every registry refuses.
        """
        offers = (("HEAD", reference, None), ("PUT", _NO_DIGEST, b"{}"))
        wishes = []
        for method, name, body in offers:
            headers = {**_ACCEPT, **({"Content-Type": next(iter(INDEX_TYPES))} if body else {})}
            url = self._url(repository, f"manifests/{name}")
            try:
                answer = self._send(method, url, headers, _push(repository), body)
            except Busy as error:
                # Without a token, the other offer gets no further.
                return error.pause
            if answer.status in _WAITING and (wish := pause_in(answer)) is not None:
                wishes.append(wish)
        return max(wishes, default=None)

    def _read(
        self,
        method: str,
        repository: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        download: Download | None = None,
    ) -> Answer:
        scope = f"repository:{repository}:pull"
        answer = self._send(method, self._url(repository, path), headers or {}, scope, download=download)
        if answer.status != _OK:
            raise self._problem(answer, f"{repository}/{path}")
        return answer

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        scope: str,
        body: bytes | None = None,
        download: Download | None = None,
    ) -> Answer:
        login = self._authenticator.header(scope)
        answer = self._transport.send(method, url, {**headers, **login}, body, download)
        challenge = challenge_of(answer) if answer.status == _UNAUTHORIZED else None
        if challenge is None:
            return answer
        if Origin.of(answer.url) != Origin.of(self._base):
            message = (
                f"{self.server}: leads to {Origin.of(answer.url)}, which wants a login of its own; the login for "
                f"{self.server} does not go there, and the registry is set up wrongly"
            )
            raise RegistryError(message)
        # Also after a header that was known: a token lives for minutes only.
        login = self._authenticator.answer(challenge, scope, login.get("Authorization"))
        return self._transport.send(method, url, {**headers, **login}, body, download)

    def _url(self, repository: str, path: str) -> str:
        return f"{self._base}/v2/{repository}/{path}"

    def _problem(self, answer: Answer, asked: str) -> RegistryError:
        told = answer.words
        if answer.status == _NOT_FOUND:
            return NotFound(f"{self.server}: {asked} is not there{told}")
        if answer.status in {_UNAUTHORIZED, _FORBIDDEN}:
            return Denied(f"{self.server}: does not let us at {asked} ({answer.status}){told}; {CHECK_THE_LOGIN}")
        return RegistryError(f"{self.server}: answers {answer.status} to {asked}{told}; try again later")

    def _checked(self, body: bytes, promised: str | None, repository: str) -> str:
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if promised and promised.startswith("sha256:") and promised != digest:
            message = (
                f"{self.server}: {repository}@{promised} has the digest {digest}: its bytes were changed in the "
                "registry or on the way; push the image again"
            )
            raise Corrupt(message)
        return digest


def _push(repository: str) -> str:
    return f"repository:{repository}:pull,push"


def _json_object(body: bytes, digest: str) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        message = f"{digest}: is not a JSON object, so not a manifest or config; push the image again"
        raise Corrupt(message)
    return content
