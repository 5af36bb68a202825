"""Images: an index with its platforms' manifests and configs, as one thing."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from carbide_infra.registry.client import Manifest, RegistryClient
from carbide_infra.registry.errors import Corrupt

# Requests in flight; they wait for the registry, not for a processor.
PARALLEL = 16
_NOWHERE = "unknown"


@dataclass(frozen=True)
class Layer:
    """One layer as a manifest names it.

    Attributes:
        size: bytes, compressed.
        media_type: tells the compression.
    """

    digest: str
    size: int
    media_type: str


@dataclass(frozen=True)
class PlatformImage:
    """One platform of an image.

    Attributes:
        digest: of its manifest.
        config: the whole config object: "os", "architecture", "config", "rootfs", ….
        layers: lowest first.
        compressed_size: bytes of config and layers, as a pull transfers them.
    """

    digest: str
    config: Mapping[str, Any] = field(repr=False)
    config_digest: str
    layers: tuple[Layer, ...]
    compressed_size: int


def split_reference(repository: str) -> tuple[str, str]:
    """Server and repository of a name such as nvcr.io/my-org/carbide-rest-api."""
    server, _, name = repository.partition("/")
    return server, name


def platforms_in(client: RegistryClient, repository: str, manifest: Manifest) -> dict[str, str]:
    """The manifest's digest for each platform of an image, whether it has an index or is for one platform only.

    Raises:
        NotFound: the config is not there.
        Corrupt: it is neither index nor manifest.
    """
    if manifest.is_index:
        return platforms_of(manifest)
    image = read_platform(client, repository, manifest.digest)
    return {platform_name(image.config): manifest.digest}


def platforms_of(index: Manifest) -> dict[str, str]:
    """The digest of each platform in an index; attestations, which run nowhere, left out.

    Raises:
        Corrupt: it is not an index.
    """
    entries = index.content.get("manifests")
    if not isinstance(entries, list):
        raise _no_index(index)
    try:
        named = {platform_name(entry.get("platform") or {}): str(entry["digest"]) for entry in entries}
    except (KeyError, AttributeError) as error:
        raise _no_index(index) from error
    return {platform: digest for platform, digest in named.items() if not platform.startswith(_NOWHERE)}


def _no_index(index: Manifest) -> Corrupt:
    return Corrupt(f"{index.digest}: is not an image index; push the image again")


def platform_name(entry: Mapping[str, Any]) -> str:
    """A platform as an index or a config spells it, in the one-word form such as linux/arm64/v8."""
    return "/".join(str(entry[part]) for part in ("os", "architecture", "variant") if entry.get(part)) or _NOWHERE


def compressed_sizes(client: RegistryClient, repository: str, reference: str) -> dict[str, int]:
    """Compressed bytes of config and layers, for each platform of an image."""
    found = platforms_in(client, repository, client.manifest(repository, reference))
    with ThreadPoolExecutor(PARALLEL) as pool:
        manifests = pool.map(lambda digest: client.manifest(repository, digest), found.values())
        return {platform: size_of(manifest) for platform, manifest in zip(found, manifests, strict=True)}


def size_of(manifest: Manifest) -> int:
    """Compressed bytes of config and layers."""
    content = manifest.content
    return sum(int(blob["size"]) for blob in (content["config"], *content["layers"]))


def read_platform(client: RegistryClient, repository: str, digest: str) -> PlatformImage:
    """Read one platform's manifest and config.

    Raises:
        NotFound: one of them is not there.
        Corrupt: one of them is not what its digest says, or no manifest.
    """
    manifest = client.manifest(repository, digest)
    try:
        config_digest = str(manifest.content["config"]["digest"])
        layers = tuple(
            Layer(str(layer["digest"]), int(layer["size"]), str(layer.get("mediaType", "")))
            for layer in manifest.content["layers"]
        )
        size = size_of(manifest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"{digest}: is not an image manifest ({error!r} is missing); push the image again"
        raise Corrupt(message) from error
    return PlatformImage(digest, client.config(repository, config_digest), config_digest, layers, size)
