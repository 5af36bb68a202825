"""The contract's models: what the stack exports, under the names that it exports."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

SCHEMA_VERSION = 1
"""Grows when a field goes or changes its meaning; a new field alone is no new version."""

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class ImageOutput(BaseModel):
    """One image as the registry has it; an entry of the stack output `images`, under the image's name."""

    # A field that a newer stack adds is no reason for an older consumer to fail.
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    ref: str = Field(description="repository@digest: what a deployment should run")
    digest: Digest = Field(description="Digest of the image index")
    repository: str = Field(description="Registry and repository, without tag")
    tags: list[str] = Field(
        min_length=1, description="Tags that point at the digest, the image's own, immutable one first"
    )
    platforms: list[str] = Field(min_length=1, description="Such as linux/arm64")
    version: str = Field(description="What the binary reports with --version")
    revision: str | None = Field(description="Commit that last touched the inputs; null where git does not tell")
    go_version: str = Field(description="The stack's Go version")
    builder_image: str = Field(description="Base of the build stage, with its digest where it is pinned")
    runtime_image: str = Field(description="Base of the final stage, with its digest where it is pinned")
    port: int | None = Field(description="TCP port it listens on; null for a job that runs to its end")
    user: str = Field(description="uid:gid it runs as")
    entrypoint: list[str] = Field(description="Entry point, exec form")
    health: list[str] = Field(description="Health command, exec form")
    size_budget: int = Field(description="Compressed bytes of one platform, at most")

    def exported(self) -> dict[str, Any]:
        """As the stack exports it."""
        return self.model_dump(mode="json", by_alias=True)


class StackOutputs(BaseModel):
    """All outputs of the stack."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    schema_version: int = Field(description="Version of this contract")
    images: dict[str, ImageOutput] = Field(description="The images by name")

    @classmethod
    def of(cls, outputs: dict[str, Any]) -> Self:
        """Read what `pulumi stack output --json` prints.

        Raises:
            pydantic.ValidationError: it is not this contract.
        """
        return cls.model_validate(outputs)
