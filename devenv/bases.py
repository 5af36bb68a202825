"""Base images: those of Docker Hub where it answers, else stand-ins in the local registry."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from carbide_infra.paths import state_dir
from carbide_infra.registry.hub_images import BaseImages, HubImage, hub_image
from carbide_infra.state_files import read_json, write_json
from devenv.stand_ins import Workshop, is_go_tag, make_alpine, make_golang, own_platform, recipe_key

LABEL = "com.nvidia.carbide.stand-in-base"
"""Every image that is built on a stand-in has this label."""


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
        if can_be_stood_in_for(image):
            yield image, own if image.is_golang else names
        else:
            workshop.report(f"WARNING: Docker Hub does not answer, and nothing can stand in for {reference}")


def can_be_stood_in_for(image: HubImage) -> bool:
    """Whether there is something that does instead; no stand-in has the digest of the real image."""
    has_stand_in = (image.is_golang and is_go_tag(image.tag)) or image.repository == "library/alpine"
    return has_stand_in and image.digest is None


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
