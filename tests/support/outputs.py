"""Outputs as a stack exports them, for the tests of those who read them."""

from typing import Any

from carbide_infra.catalogue.model import MadeUser
from carbide_infra.outputs import SCHEMA_VERSION, BinaryOutput, HealthOutput, ImageOutput
from tests.support.catalogue import CATALOGUE, port_of


def digest_of(seed: str) -> str:
    """A digest that differs for each seed."""
    return f"sha256:{seed.encode().hex():0<64.64}"


def exported(**digests: str) -> dict[str, Any]:
    """What `pulumi stack output --json` prints for the whole catalogue; digests by image name with underscores."""
    images = {
        name: image(name, digests.get(name.replace("-", "_"), digest_of(name.removeprefix("carbide-"))))
        for name in CATALOGUE
    }
    return {"schemaVersion": SCHEMA_VERSION, "images": images}


def image(name: str, digest: str) -> dict[str, Any]:
    """One entry of the output `images`."""
    found = CATALOGUE[name]
    repository = f"nvcr.io/nvidia/carbide/{name}"
    health = found.health
    assert isinstance(found.user, MadeUser)
    return ImageOutput(
        ref=f"{repository}@{digest}",
        digest=digest,
        repository=repository,
        tags=["1.4.0-8b1c6d050d4a", "1.4.0", "latest"],
        platforms=["linux/amd64", "linux/arm64"],
        version="1.4.0",
        revision="c" * 40,
        go_version="1.25",
        builder_image="golang:1.25",
        runtime_image="alpine:latest",
        kind=found.kind,
        ports=dict(found.ports),
        port=port_of(found),
        user=found.user.instruction,
        user_name=found.user.name,
        user_id=found.user.uid,
        group_id=found.user.gid,
        entrypoint=list(found.entrypoint),
        command=list(found.command),
        environment=dict(found.environment),
        binaries=[BinaryOutput(path=binary.path, package=binary.package) for binary in found.binaries],
        health=list(health.command) if health else [],
        health_check=HealthOutput.model_validate(health.model_dump()) if health else None,
        labels={"org.opencontainers.image.title": name, "org.opencontainers.image.version": "1.4.0"},
        size_budget=found.size_budget,
    ).exported()


VERSION_1 = frozenset(
    {"ref", "digest", "repository", "tags", "platforms", "version", "revision", "goVersion", "builderImage"}
    | {"runtimeImage", "port", "user", "entrypoint", "health", "sizeBudget"}
)
"""The fields that an image had in version 1 of the contract."""


def exported_by_version_1(**digests: str) -> dict[str, Any]:
    """As `exported`, by a stack of version 1."""
    images = {
        name: {key: value for key, value in found.items() if key in VERSION_1}
        for name, found in exported(**digests)["images"].items()
    }
    return {"schemaVersion": 1, "images": images}
