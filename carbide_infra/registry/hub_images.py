"""Images of Docker Hub, by the references that name them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_REFERENCE = re.compile(r"(?P<name>[^:@]+(?::\d+/[^:@]+)?)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?")
_HUB_HOSTS = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


@dataclass(frozen=True)
class BaseImages:
    """The base images of one stack, as its Dockerfiles name them.

    Attributes:
        builders: build steps run in these.
        runtimes: the images' own bases, with the platforms that each is wanted for.
    """

    builders: tuple[str, ...]
    runtimes: Mapping[str, tuple[str, ...]]

    @property
    def references(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.builders, *self.runtimes)))


@dataclass(frozen=True)
class HubImage:
    """An image of Docker Hub.

    Attributes:
        reference: as the Dockerfile names it.
        repository: with its namespace, such as "library/golang".
        tag: "latest" where none is named.
        digest: where the reference is pinned.
    """

    reference: str
    repository: str
    tag: str
    digest: str | None

    @property
    def is_golang(self) -> bool:
        """Whether it is the official Go image."""
        return self.repository == "library/golang"

    @property
    def name(self) -> str:
        """The short name, without a digest."""
        return f"{self.repository.removeprefix('library/')}:{self.tag}"


def hub_image(reference: str) -> HubImage | None:
    """Read an image reference; None for one of another registry."""
    parts = _REFERENCE.fullmatch(reference)
    if parts is None:
        return None
    first, _, rest = parts["name"].partition("/")
    # As Docker reads it: a first part with a dot or a port is a host.
    has_host = bool(rest) and (first in _HUB_HOSTS or "." in first or ":" in first or first == "localhost")
    if has_host and first not in _HUB_HOSTS:
        return None
    path = rest if has_host else parts["name"]
    repository = path if "/" in path else f"library/{path}"
    return HubImage(reference, repository, parts["tag"] or "latest", parts["digest"])
