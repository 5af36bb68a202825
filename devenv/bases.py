"""Base images: those of Docker Hub where it answers, else stand-ins in the local registry."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbide_infra.paths import state_dir
from carbide_infra.state_files import read_json, write_json
from devenv.stand_ins import Workshop, is_go_tag, make_alpine, make_golang, own_platform, recipe_key

LABEL = "com.nvidia.carbide.stand-in-base"
"""Every image that is built on a stand-in has this label."""

_REFERENCE = re.compile(r"(?P<name>[^:@]+(?::\d+/[^:@]+)?)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?")
_HUB_HOSTS = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


@dataclass(frozen=True)
class BaseImages:
    """The base images of one stack, as its Dockerfiles name them."""

    builder: str
    runtime: str


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
    def can_be_stood_in_for(self) -> bool:
        """Whether there is something that does instead; no stand-in has the digest of the real image."""
        has_stand_in = (self.is_golang and is_go_tag(self.tag)) or self.repository == "library/alpine"
        return has_stand_in and self.digest is None

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


def ensure_bases(bases: BaseImages, platforms: Sequence[str], workshop: Workshop) -> tuple[str, ...]:
    """See that every base image that Docker Hub should give is stood in for, and name those that are.

    Raises:
        SetupError: the Go version does not exist, a platform has no stand-in, or this machine cannot make any.
    """
    wanted = dict(_stand_ins(bases, platforms, workshop))
    kept = read_json(_record(workshop.root))
    missing = {image: names for image, names in wanted.items() if not _is_made(image, names, kept, workshop)}
    with ThreadPoolExecutor() as pool:
        made = {
            # Another stack may use the same tag for more platforms.
            image: pool.submit(_make, image, sorted({*names, *_entry(kept, image).get("platforms", [])}), workshop)
            for image, names in missing.items()
        }
    for image, future in made.items():
        kept[image.name] = future.result()
        write_json(_record(workshop.root), kept)
    if wanted:
        names = " and ".join(image.reference for image in wanted)
        workshop.report(
            f"WARNING: Docker Hub does not answer: stand-ins take the place of {names}. "
            f"Images built on them say so in the label {LABEL}, and are not for production."
        )
    return tuple(image.reference for image in wanted)


def _stand_ins(
    bases: BaseImages, platforms: Sequence[str], workshop: Workshop
) -> Iterator[tuple[HubImage, tuple[str, ...]]]:
    """Which images need one, and for which platforms."""
    own = (own_platform(),)
    # Build steps run on the builder's own platform, in images for any.
    for reference, names in ((bases.builder, own), (bases.runtime, tuple(platforms))):
        image = hub_image(reference)
        if image is None or _has_digest(image, workshop):
            continue
        if image.can_be_stood_in_for:
            yield image, own if image.is_golang else names
        else:
            workshop.report(f"WARNING: Docker Hub does not answer, and nothing can stand in for {reference}")


def _has_digest(image: HubImage, workshop: Workshop) -> bool:
    digest = image.digest
    return digest is not None and workshop.registry.digest(image.repository, digest) is not None


def _is_made(image: HubImage, platforms: Sequence[str], kept: Mapping[str, Any], workshop: Workshop) -> bool:
    entry = _entry(kept, image)
    recipe = recipe_key(image.repository)
    digest = workshop.registry.digest(image.repository, image.tag)
    current = bool(digest) and entry.get("digest") == digest and entry.get("recipe") == recipe
    return current and set(platforms) <= set(entry.get("platforms", []))


def _entry(kept: Mapping[str, Any], image: HubImage) -> dict[str, Any]:
    entry = kept.get(image.name)
    return entry if isinstance(entry, dict) else {}


def _make(image: HubImage, platforms: Sequence[str], workshop: Workshop) -> dict[str, Any]:
    start = time.monotonic()
    workshop.report(f"Docker Hub does not answer: making a stand-in for {image.name}…")
    if image.is_golang:
        make_golang(workshop, image.tag)
    else:
        make_alpine(workshop, image.tag, platforms)
    workshop.report(f"Stand-in for {image.name}: done in {time.monotonic() - start:.0f} s")
    return {
        "recipe": recipe_key(image.repository),
        "digest": workshop.registry.digest(image.repository, image.tag),
        "platforms": list(platforms),
    }


def _record(root: Path) -> Path:
    return state_dir(root) / "bases.json"
