"""Base images: their current digests, looked up at preview where the stack tracks them."""

from collections.abc import Iterable

import pulumi
import pulumi_docker as docker

from carbide_infra.catalogue.bases import NOTHING
from carbide_infra.catalogue.model import Image
from carbide_infra.images.component import BuildTarget
from carbide_infra.settings import ConfigError


def with_tracked_bases(images: Iterable[Image], target: BuildTarget) -> list[Image]:
    """Give the images with a digest for every base; one that is pinned stays as it is pinned.

    Raises:
        ConfigError: a look-up failed, as it does without a Docker daemon.
    """
    images = list(images)
    provider = docker.Provider("base-images", registry_auth=_registry_auth(target))
    references = dict.fromkeys(reference for image in images for reference in (image.builder, image.base))
    pinned = {reference: _pinned(reference, provider) for reference in references}
    return [image.model_copy(update={"builder": pinned[image.builder], "base": pinned[image.base]}) for image in images]


def _pinned(reference: str, provider: docker.Provider) -> str:
    if "@" in reference or reference == NOTHING:
        return reference
    try:
        found = docker.get_registry_image(name=reference, opts=pulumi.InvokeOptions(provider=provider))
    except Exception as error:
        # Pulumi raises plain Exception for whatever the plugin says.
        msg = (
            f"trackBaseImages = true: {reference} could not be looked up; this needs a Docker daemon that answers, "
            f"and pulumi-docker's plugin. Start Docker, or pin the digests with make pin-bases. ({error})"
        )
        raise ConfigError(msg) from error
    return f"{reference}@{found.sha256_digest}"


def _registry_auth(target: BuildTarget) -> list[docker.ProviderRegistryAuthArgs]:
    """The stack's own credentials, and no others that this machine may have."""
    if target.username is None or target.password is None:
        return []
    password = pulumi.Output.secret(target.password)
    return [docker.ProviderRegistryAuthArgs(address=target.server, username=target.username, password=password)]
