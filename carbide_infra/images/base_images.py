"""Base images: their current digests, looked up at preview where the stack tracks them."""

import pulumi
import pulumi_docker as docker

from carbide_infra.images.component import BuildTarget
from carbide_infra.settings import ConfigError, Settings


def with_tracked_bases(settings: Settings, target: BuildTarget) -> Settings:
    """Give settings in which every base image has a digest; one that the stack pins stays as it is pinned.

    Raises:
        ConfigError: a look-up failed, as it does without a Docker daemon.
    """
    provider = docker.Provider("base-images", registry_auth=_registry_auth(target))
    pinned = {
        "builder_image": _pinned(settings.builder_base, provider),
        "runtime_image": _pinned(settings.runtime_image, provider),
    }
    return settings.model_copy(update=pinned)


def _pinned(reference: str, provider: docker.Provider) -> str:
    if "@" in reference:
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
