"""Outputs as a stack exports them, for the tests of those who read them."""

from typing import Any

from carbide_infra.outputs import SCHEMA_VERSION, ImageOutput
from carbide_infra.services import APP_USER, CATALOGUE


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
    service = CATALOGUE[name]
    repository = f"nvcr.io/nvidia/carbide/{name}"
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
        port=service.port,
        user=APP_USER,
        entrypoint=[f"/app/{service.binary}"],
        health=list(service.health),
        size_budget=service.size_budget,
    ).exported()
