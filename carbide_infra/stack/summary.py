"""The summary of an update: each image with its reference, digest, sizes and seconds."""

from collections.abc import Collection, Mapping
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
