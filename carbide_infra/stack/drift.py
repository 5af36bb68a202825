"""Drift that the provider does not see, or sees and does not repair: tags moved, parts of an image lost."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from carbide_infra.names import IMAGE_TYPE, INDEX_TYPE
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import Corrupt, NotFound
from carbide_infra.registry.images import PARALLEL, platforms_in, read_platform, split_reference
from carbide_infra.registry.releases import releases_in


@dataclass(frozen=True)
class Drift:
    """A resource whose state is better forgotten: the next update then makes it anew.

    Attributes:
        reason: what is otherwise in the registry.
    """

    urn: str
    reason: str


def drift_in(resources: Sequence[Mapping[str, Any]], client: RegistryClient) -> list[Drift]:
    """What the provider's own refresh leaves as it is; an alias goes with its image.

    Args:
        resources: of the stack's state, after that refresh.
        client: of the registry that has the images.
    """
    damaged = damaged_images(resources, client)
    gone = {drift.urn for drift in damaged}
    dependents = {item["urn"] for item in resources if gone & set(item.get("dependencies") or ())}
    return [*damaged, *(drift for drift in moved_aliases(resources) if drift.urn not in dependents)]


def moved_aliases(resources: Sequence[Mapping[str, Any]]) -> list[Drift]:
    """The tags that a refresh found at another digest.

    The provider writes that digest into the state, and compares only tag and source with the program:
    an update would leave the tag where it is.
    """
    found = []
    for resource in resources:
        if resource["type"] == INDEX_TYPE:
            tag = str(resource["outputs"]["tag"])
            actual = str(resource["outputs"]["ref"]).partition("@")[2]
            wanted = str(resource["inputs"]["sources"][0]).partition("@")[2]
            if actual != wanted:
                found.append(Drift(resource["urn"], f"{tag} points at {actual or 'nothing'}, not at {wanted}"))
    return found


def damaged_images(resources: Sequence[Mapping[str, Any]], client: RegistryClient) -> list[Drift]:
    """The images whose digest is there, but not their own tag, or not all that the digest names.

    The provider asks for the digest alone.

    Raises:
        RegistryError: the registry gives no answer, or does not let us in.
    """
    images = [resource for resource in resources if resource["type"] == IMAGE_TYPE]
    with ThreadPoolExecutor(PARALLEL) as pool:
        problems = pool.map(lambda resource: next(_problems(resource["outputs"], client), None), images)
        return [Drift(image["urn"], problem) for image, problem in zip(images, problems, strict=True) if problem]


def moved_releases(images: Mapping[str, Mapping[str, Any]], client: RegistryClient) -> list[str]:
    """A sentence for each released version whose tag is at something else by now; no update puts it back.

    Args:
        images: the stack's output.
        client: of the registry that has them.
    """
    return [sentence for image in images.values() for sentence in _moved(image, client)]


def _moved(image: Mapping[str, Any], client: RegistryClient) -> Iterator[str]:
    name = str(image["repository"])
    _, repository = split_reference(name)
    for tag, digest in releases_in(client, repository, image["tags"]).items():
        found = client.digest_of(repository, tag)
        if found != digest:
            yield f"{name}:{tag} points at {found or 'nothing'}, and was released as {digest}"


def _problems(image: Mapping[str, Any], client: RegistryClient) -> Iterator[str]:
    name, _, tag = str(image["tags"][0]).rpartition(":")
    _, repository = split_reference(name)
    digest = str(image["digest"])
    found = client.digest_of(repository, tag)
    if found != digest:
        yield f"{name}:{tag} points at {found or 'nothing'}, not at {digest}"
    try:
        for platform, manifest in platforms_in(client, repository, client.manifest(repository, digest)).items():
            for layer in read_platform(client, repository, manifest).layers:
                if not client.has_blob(repository, layer.digest):
                    yield f"{name}@{digest}: layer {layer.digest} of {platform} is not there"
    except (NotFound, Corrupt) as error:
        yield str(error)
