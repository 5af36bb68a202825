"""Image references, by the grammar of the distribution project (distribution/reference), and as Docker reads them."""

import re
from dataclasses import dataclass, replace
from typing import Self

DOCKER_HUB = "docker.io"
"""How references name Docker Hub, when they do."""

_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
"""One part of a repository's path, between slashes."""

_DOMAIN = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_DOMAIN}(?:\.{_DOMAIN})*|\[[0-9a-fA-F:]+\])"
_SERVER = re.compile(rf"{_HOST}(?::[0-9]{{1,5}})?")
_REPOSITORY = re.compile(rf"{COMPONENT}(?:/{COMPONENT})*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_REPOSITORY = 255
# Docker takes a first part without a dot or a port for a namespace of Docker Hub.
_QUALIFIED = rf"(?:localhost|{_DOMAIN}(?:\.{_DOMAIN})+|{_HOST}:[0-9]{{1,5}})"
PATTERN = rf"(?:{_QUALIFIED}/)?{_REPOSITORY.pattern}(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@{_DIGEST.pattern})?"
"""A reference as a regular expression, for editors; `Reference.of` decides."""


@dataclass(frozen=True)
class Reference:
    """Where an image is.

    Attributes:
        server: registry host[:port]; docker.io for Docker Hub.
        repository: with its namespace, such as library/golang.
        tag: None where none is named.
        digest: sha256:…; None where the reference is not pinned.
    """

    server: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a reference such as golang:1.25, nvcr.io/org/image@sha256:… or localhost:5000/image.

        Raises:
            ValueError: it is not one; the message says which part, as the end of a sentence about `text`.
        """
        name, _, digest = text.partition("@")
        first, slash, rest = name.partition("/")
        has_server = bool(slash) and ("." in first or ":" in first or first == "localhost")
        path, colon, tag = (rest if has_server else name).partition(":")
        server = first if has_server else DOCKER_HUB
        if "@" in text and not _DIGEST.fullmatch(digest):
            message = f"the digest {digest!r} is not sha256: and 64 hexadecimal digits"
            raise ValueError(message)
        if colon and not _TAG.fullmatch(tag):
            message = f"the tag {tag!r} is not letters, digits, '_', '.' and '-'"
            raise ValueError(message)
        if not is_server(server):
            message = f"the registry {server!r} is not a host or host:port"
            raise ValueError(message)
        if not is_repository(path):
            message = f"the repository {path!r} is not lower-case names separated by '/'"
            raise ValueError(message)
        server = canonical_server(server)
        if server == DOCKER_HUB and "/" not in path:
            path = f"library/{path}"
        return cls(server, path, tag or None, digest or None)

    @property
    def is_on_docker_hub(self) -> bool:
        """Whether it is an image of Docker Hub."""
        return self.server == DOCKER_HUB

    @property
    def is_golang(self) -> bool:
        """Whether it is the official Go image."""
        return self.is_on_docker_hub and self.repository == "library/golang"

    @property
    def short_name(self) -> str:
        """Repository and tag as people write those of Docker Hub, without a digest: golang:1.25."""
        return f"{self.repository.removeprefix('library/')}:{self.tag or 'latest'}"

    @property
    def manifest(self) -> str:
        """What a registry is asked for: the digest, else the tag, else latest."""
        return self.digest or self.tag or "latest"

    def at(self, digest: str) -> "Reference":
        """The same image, pinned."""
        return replace(self, digest=digest)

    def below(self, server: str, prefix: str = "") -> "Reference":
        """The same image in another registry, such as a mirror that keeps it below a prefix."""
        return replace(self, server=server, repository=f"{prefix.strip('/')}/{self.repository}".lstrip("/"))

    def __str__(self) -> str:
        """The whole name, Docker Hub's server included."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.server}/{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


def canonical_server(name: str) -> str:
    """A registry by its one name: Docker Hub has several."""
    return DOCKER_HUB if name in _HUB_NAMES else name


def is_digest(text: str) -> bool:
    """Whether `text` is a SHA-256 digest, as references and registries write it."""
    return _DIGEST.fullmatch(text) is not None


def is_server(text: str) -> bool:
    """Whether `text` is a registry's host[:port]."""
    return _SERVER.fullmatch(text) is not None


def is_repository(text: str) -> bool:
    """Whether `text` is a repository's path."""
    return _REPOSITORY.fullmatch(text) is not None and len(text) <= _LONGEST_REPOSITORY
