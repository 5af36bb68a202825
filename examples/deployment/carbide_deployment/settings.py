"""The stack's configuration."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from carbide_deployment.services import MIGRATION, SERVICES

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Settings:
    """What `Pulumi.yaml` describes."""

    images_stack: str
    database_password: pulumi.Output[str]
    postgres_image: str
    certificates_volume: str
    listen_address: str
    pins: Mapping[str, str]


def load_settings(config: pulumi.Config) -> Settings:
    """Read it; the defaults are those of `Pulumi.yaml`, which the engine fills in.

    Raises:
        pulumi.RunError: a pin that would pin nothing.
    """
    return Settings(
        images_stack=config.require("imagesStack"),
        database_password=config.require_secret("databasePassword"),
        postgres_image=config.require("postgresImage"),
        certificates_volume=config.require("certificatesVolume"),
        listen_address=config.require("listenAddress"),
        pins=_checked(config.require_object("pins")),
    )


def _checked(pins: Mapping[str, str]) -> Mapping[str, str]:
    images = [MIGRATION, *(service.image for service in SERVICES)]
    for name, digest in pins.items():
        if name not in images:
            message = f"pins.{name}: is not an image of this deployment; those are {', '.join(images)}"
            raise pulumi.RunError(message)
        if not _DIGEST.fullmatch(digest):
            message = f"pins.{name} = {digest!r}: is not a digest; a good value: sha256:<64 hexadecimal digits>"
            raise pulumi.RunError(message)
    return pins
