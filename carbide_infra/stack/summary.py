"""The summary of an update: each image with its reference, digest, sizes and seconds."""

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import RegistryError
from carbide_infra.registry.images import PARALLEL, compressed_sizes, split_reference


def image_sizes(images: Mapping[str, Mapping[str, Any]], client: RegistryClient) -> dict[str, dict[str, int]]:
    """Compressed bytes for each platform of each image; nothing where the registry does not tell."""

    def sizes(image: Mapping[str, Any]) -> dict[str, int]:
        try:
            return compressed_sizes(client, split_reference(image["repository"])[1], image["digest"])
        except (RegistryError, KeyError):
            return {}

    with ThreadPoolExecutor(PARALLEL) as pool:
        return dict(zip(images, pool.map(sizes, images.values()), strict=True))


def over_budget(images: Mapping[str, Mapping[str, Any]], sizes: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """A sentence for each image and platform that is larger than the catalogue allows."""
    for name, image in images.items():
        budget = image.get("sizeBudget")
        for platform, size in sizes.get(name, {}).items():
            if budget and size > budget:
                yield (
                    f"{name}: {platform} has {size / 1e6:.1f} MB compressed, and its sizeBudget is "
                    f"{budget / 1e6:.1f} MB; find what makes it large, or raise the budget in the catalogue"
                )


def markdown_summary(
    images: Mapping[str, Mapping[str, Any]], seconds: Mapping[str, int], failed: Collection[str]
) -> str:
    """The table for a page, such as a CI job's."""
    rows = [
        [name, f"`{image['repository']}:{image['tags'][0]}`", f"`{image['digest']}`", told(name, seconds, failed)]
        for name, image in images.items()
    ]
    head = [["Image", "Reference", "Digest", "Seconds"], ["---"] * 4]
    return "".join(f"| {' | '.join(row)} |\n" for row in [*head, *rows])


def told(image: str, seconds: Mapping[str, int], failed: Collection[str]) -> str:
    """How long an image took, or why it took none."""
    return "failed" if image in failed else str(seconds.get(image, "unchanged"))
