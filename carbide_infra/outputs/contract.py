"""The contract's models: what the stack exports, under the names that it exports."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

SCHEMA_VERSION = 2
"""Grows when a field goes or changes its meaning; a new field alone is no new version.

Version 1 had one port and one user for all images. It is still read: what was fixed then is filled in.
"""

_ONLY_PORT = "port"
_HEALTH_OF_VERSION_1 = {"interval": "30s", "timeout": "5s", "startPeriod": "10s", "retries": 3}

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class OutputsError(ValueError):
    """Outputs that are not this contract, or lack what is asked for.

    The message goes on from a subject that the reader knows, such as "stack my-org/carbide-infra/prod",
    and says what to do.
    """


class Part(BaseModel):
    """A part of the outputs.

    A field that a newer stack adds is no reason for an older consumer to fail, or to lose it.
    """

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel, populate_by_name=True)

    def exported(self) -> dict[str, Any]:
        """As the stack exports it."""
        return self.model_dump(mode="json", by_alias=True)


class BinaryOutput(Part):
    """One binary of an image."""

    path: str = Field(description="Its path in the image")
    package: str = Field(description="The Go package that it is made of, relative to the source root")


class HealthOutput(Part):
    """How a container runtime asks whether a service is well; durations as Docker writes them."""

    command: list[str] = Field(min_length=1, description="Command, exec form")
    interval: str = Field(description="Time between two checks, such as 30s")
    timeout: str = Field(description="Time that one check may take")
    start_period: str = Field(description="Time after the start in which a failure does not count")
    retries: int = Field(description="Failures in a row that mean unhealthy")


class PushedImage(Part):
    """Where an image is in the registry."""

    ref: str = Field(description="repository@digest: what a deployment should run")
    digest: Digest = Field(description="Digest of the image index")
    repository: str = Field(description="Registry and repository, without tag")
    tags: list[str] = Field(
        min_length=1, description="Tags that point at the digest, the image's own, immutable one first"
    )


class ImageDescription(Part):
    """What an image is made of and how it is run."""

    platforms: list[str] = Field(min_length=1, description="Such as linux/arm64")
    version: str = Field(description="What the binary reports with --version")
    # Optional, not only nullable: on the way from stack to stack, the engine drops what is null.
    revision: str | None = Field(
        default=None, description="Commit that last touched the inputs; null or absent where git does not tell"
    )
    go_version: str = Field(description="Go version that it is compiled with")
    builder_image: str = Field(description="Base of the build stage, with its digest where it is pinned")
    runtime_image: str = Field(description="Base of the final stage, with its digest where it is pinned")
    kind: Literal["service", "job"] = Field(
        description="`service`: it runs until it is stopped; `job`: it ends by itself"
    )
    ports: dict[str, int] = Field(description="TCP ports it listens on, by name; empty for a job")
    port: int | None = Field(default=None, description="The first of `ports`; null or absent where there is none")
    user: str = Field(description="User it runs as: `uid:gid`, or the name of a user of its base")
    user_name: str | None = Field(default=None, description="That user's name; null or absent where it is not known")
    user_id: int | None = Field(
        default=None, description="That user's uid; null or absent where only the base knows it"
    )
    group_id: int | None = Field(
        default=None, description="That user's gid; null or absent where only the base knows it"
    )
    entrypoint: list[str] = Field(description="Entry point, exec form; empty for none")
    command: list[str] = Field(description="Command, or arguments of the entry point, exec form; empty for none")
    environment: dict[str, str] = Field(description="Environment that the image sets beside its base's")
    binaries: list[BinaryOutput] = Field(description="Its Go binaries; empty in outputs of version 1")
    health: list[str] = Field(description="Health command, exec form; empty for none")
    health_check: HealthOutput | None = Field(
        default=None, description="Health command with its times; null or absent for none"
    )
    labels: dict[str, str] = Field(description="Labels of the image beside its base's; empty in outputs of version 1")
    size_budget: int | None = Field(
        default=None, description="Compressed bytes of one platform, at most; null or absent for no limit"
    )
    dockerfile: str | None = Field(
        default=None,
        description="Dockerfile of its own that it is built by: that and its base say what stands empty here; "
        "null or absent for the catalogue's images",
    )


class ImageOutput(ImageDescription, PushedImage):
    """One image as the registry has it; an entry of the stack output `images`, under the image's name."""


class StackOutputs(BaseModel):
    """All outputs of the stack."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        # A stack may export more, which is no part of this contract.
        json_schema_extra={"additionalProperties": True},
    )

    schema_version: int = Field(description="Version of this contract", json_schema_extra={"const": SCHEMA_VERSION})
    images: dict[str, ImageOutput] = Field(description="The images by name")

    @classmethod
    def of(cls, outputs: Mapping[str, Any]) -> Self:
        """Read what `pulumi stack output --json` prints; outputs of an older version become those of this one.

        Raises:
            OutputsError: it is not this contract, or a newer version of it.
        """
        if not outputs:
            message = "has no outputs yet; update it with `pulumi up`, then ask again"
            raise OutputsError(message)
        version = _version(outputs)
        try:
            return cls.model_validate(outputs if version == SCHEMA_VERSION else _upgraded(outputs))
        except ValidationError as error:
            message = f"has malformed outputs: {_first(error)}; update it with `pulumi up`"
            raise OutputsError(message) from error

    def image(self, name: str) -> ImageOutput:
        """Give the image with this name.

        Raises:
            OutputsError: there is none.
        """
        if name not in self.images:
            there = ", ".join(sorted(self.images)) or "none at all"
            message = f"has no image {name!r}; ask for one that it has: {there}"
            raise OutputsError(message)
        return self.images[name]

    def exported(self) -> dict[str, Any]:
        """As the stack exports them."""
        return self.model_dump(mode="json", by_alias=True)


def _version(outputs: Mapping[str, Any]) -> int:
    """Looked at before all else: of a newer contract, any field may be another."""
    if "schemaVersion" not in outputs:
        message = (
            "has no output schemaVersion, so it is not a stack of carbide-infra, or one of before its outputs had a "
            "version; name another, such as my-org/carbide-infra/prod, or update it with `pulumi up`"
        )
        raise OutputsError(message)
    try:
        version = TypeAdapter(int).validate_python(outputs["schemaVersion"])
    except ValidationError as error:
        message = f"has schemaVersion {outputs['schemaVersion']!r}, which is not a version; update it with `pulumi up`"
        raise OutputsError(message) from error
    if version > SCHEMA_VERSION:
        message = (
            f"has outputs of schema version {version}, and this carbide-infra reads {SCHEMA_VERSION} at most; "
            "upgrade it with `pip install --upgrade carbide-infra`"
        )
        raise OutputsError(message)
    return version


def _upgraded(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs of version 1 as version 2 has them."""
    images = outputs.get("images")
    if isinstance(images, dict):
        images = {name: _upgraded_image(image) if isinstance(image, dict) else image for name, image in images.items()}
        return {**outputs, "schemaVersion": SCHEMA_VERSION, "images": images}
    return dict(outputs)


def _upgraded_image(image: Mapping[str, Any]) -> dict[str, Any]:
    """With what version 1 did not say because it was the same for every image."""
    port, health = image.get("port"), image.get("health")
    uid, _, gid = str(image.get("user", "")).partition(":")
    is_numeric = uid.isdecimal() and gid.isdecimal()
    return {
        "kind": "job" if port is None else "service",
        "ports": {} if port is None else {_ONLY_PORT: port},
        "userId": int(uid) if is_numeric else None,
        "groupId": int(gid) if is_numeric else None,
        "command": [],
        "environment": {},
        "binaries": [],
        "healthCheck": {"command": health, **_HEALTH_OF_VERSION_1} if health else None,
        "labels": {},
        **image,
    }


_PROBLEMS = {
    "missing": "is missing",
    "string_type": "is not text",
    "string_pattern_mismatch": "is malformed",
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "list_type": "is not a list",
    "dict_type": "is not a map",
    "model_type": "is not a map",
}


def _first(error: ValidationError) -> str:
    """What is wrong first, in one clause."""
    found = error.errors()[0]
    place = ".".join(str(part) for part in found["loc"])
    return f"{place} {_PROBLEMS.get(found['type'], 'is not what belongs there')}"
