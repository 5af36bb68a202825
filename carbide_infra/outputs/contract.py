"""The contract's models: what the stack exports, under the names that it exports."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

SCHEMA_VERSION = 1
"""Grows when a field goes or changes its meaning; a new field alone is no new version."""

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class OutputsError(ValueError):
    """Outputs that are not this contract, or lack what is asked for.

    The message goes on from a subject that the reader knows, such as "stack my-org/carbide-infra/prod",
    and says what to do.
    """


class ImageOutput(BaseModel):
    """One image as the registry has it; an entry of the stack output `images`, under the image's name."""

    # A field that a newer stack adds is no reason for an older consumer to fail, or to lose it.
    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel, populate_by_name=True)

    ref: str = Field(description="repository@digest: what a deployment should run")
    digest: Digest = Field(description="Digest of the image index")
    repository: str = Field(description="Registry and repository, without tag")
    tags: list[str] = Field(
        min_length=1, description="Tags that point at the digest, the image's own, immutable one first"
    )
    platforms: list[str] = Field(min_length=1, description="Such as linux/arm64")
    version: str = Field(description="What the binary reports with --version")
    # Optional, not only nullable: on the way from stack to stack, the engine drops what is null.
    revision: str | None = Field(
        default=None, description="Commit that last touched the inputs; null or absent where git does not tell"
    )
    go_version: str = Field(description="The stack's Go version")
    builder_image: str = Field(description="Base of the build stage, with its digest where it is pinned")
    runtime_image: str = Field(description="Base of the final stage, with its digest where it is pinned")
    port: int | None = Field(
        default=None, description="TCP port it listens on; null or absent for a job that runs to its end"
    )
    user: str = Field(description="uid:gid it runs as")
    entrypoint: list[str] = Field(description="Entry point, exec form")
    health: list[str] = Field(description="Health command, exec form")
    size_budget: int = Field(description="Compressed bytes of one platform, at most")

    def exported(self) -> dict[str, Any]:
        """As the stack exports it."""
        return self.model_dump(mode="json", by_alias=True)


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
        """Read what `pulumi stack output --json` prints.

        Raises:
            OutputsError: it is not this contract, or a newer version of it.
        """
        if not outputs:
            message = "has no outputs yet; update it with `pulumi up`, then ask again"
            raise OutputsError(message)
        _require_version(outputs)
        try:
            return cls.model_validate(outputs)
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


def _require_version(outputs: Mapping[str, Any]) -> None:
    """Before all else: of a newer contract, any field may be another."""
    if "schemaVersion" not in outputs:
        message = (
            "has no output schemaVersion, so it is no stack of carbide-infra, or one of before its outputs had a "
            "version; name another, such as my-org/carbide-infra/prod, or update it with `pulumi up`"
        )
        raise OutputsError(message)
    try:
        version = TypeAdapter(int).validate_python(outputs["schemaVersion"])
    except ValidationError as error:
        message = f"has schemaVersion {outputs['schemaVersion']!r}, which is no version; update it with `pulumi up`"
        raise OutputsError(message) from error
    if version > SCHEMA_VERSION:
        message = (
            f"has outputs of schema version {version}, and this carbide-infra reads {SCHEMA_VERSION} at most; "
            "upgrade it with `pip install --upgrade carbide-infra`"
        )
        raise OutputsError(message)


def _first(error: ValidationError) -> str:
    """What is wrong first, in one clause."""
    found = error.errors()[0]
    place = ".".join(str(part) for part in found["loc"])
    return f"{place}: {found['msg'][0].lower()}{found['msg'][1:]}"
