"""The stack's configuration."""

from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class Settings:
    """What `Pulumi.yaml` describes."""

    images_stack: str
    postgres_image: str
    database_password: pulumi.Output[str]
    certificates_volume: str
    listen_address: str


def load_settings(config: pulumi.Config) -> Settings:
    """Read it; the defaults are those of `Pulumi.yaml`, which the engine fills in."""
    return Settings(
        images_stack=config.require("imagesStack"),
        postgres_image=config.require("postgresImage"),
        database_password=config.require_secret("databasePassword"),
        certificates_volume=config.require("certificatesVolume"),
        listen_address=config.require("listenAddress"),
    )
