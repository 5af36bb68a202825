"""The summary of an update: what became of each image, its reference, digest, sizes and seconds."""

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import RegistryError
from carbide_infra.registry.images import PARALLEL, compressed_sizes, split_reference

FAILED, DIGEST_NEW, AS_BEFORE, UNCHANGED = "failed", "digest new", "as before", "unchanged"

_MOST_NAMES = 3


@dataclass(frozen=True)
class Outcome:
    """What an update did.

    Attributes:
        seconds: that each image took, of those that were built.
        new: whether each of those has another digest than before.
        failed: images whose build failed.
    """

    seconds: Mapping[str, int] = field(default_factory=dict)
    new: Mapping[str, bool] = field(default_factory=dict)
    failed: Collection[str] = ()

    def of(self, image: str) -> str:
        """What became of one image."""
        if image in self.failed:
            return FAILED
        if image in self.new:
            return DIGEST_NEW if self.new[image] else AS_BEFORE
        return UNCHANGED

    def seconds_of(self, image: str) -> str:
        """How long it took; empty where it took none."""
        return str(self.seconds.get(image, ""))

    @property
    def sentence(self) -> str:
        """What that means, in the end."""
        built, new = len(self.new), sorted(name for name, is_new in self.new.items() if is_new)
        if not built:
            return "No image was built: nothing restarts."
        images, digests = ("" if count == 1 else "s" for count in (built, len(new)))
        head = f"{built} image{images} rebuilt, {len(new)} new digest{digests}"
        if not new:
            return f"{head}: nothing restarts."
        whose = ", ".join(new) if len(new) <= _MOST_NAMES else f"{len(new)} images"
        return f"{head}: deployments of {whose} restart when they are updated."


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


def markdown_summary(images: Mapping[str, Mapping[str, Any]], outcome: Outcome) -> str:
    """The table for a page, such as a CI job's, and the sentence that ends the run."""
    rows = [
        [name, outcome.of(name), outcome.seconds_of(name), f"`{image['repository']}:{image['tags'][0]}`",
         f"`{image['digest']}`"]
        for name, image in images.items()
    ]  # fmt: skip
    head = [["Image", "Digest is", "Seconds", "Reference", "Digest"], ["---"] * 5]
    table = "".join(f"| {' | '.join(row)} |\n" for row in [*head, *rows])
    return f"{outcome.sentence}\n\n{table}"
