"""The stack's outputs: the typed, versioned contract that deployment stacks rely on."""

from typing import TYPE_CHECKING

from carbide_infra.outputs.contract import (
    SCHEMA_VERSION,
    BinaryOutput,
    HealthOutput,
    ImageDescription,
    ImageOutput,
    OutputsError,
    StackOutputs,
)

if TYPE_CHECKING:
    from carbide_infra.outputs.image_set import ImageReference, ImageSet
else:

    def __getattr__(name: str) -> type:
        """Import what needs Pulumi only for those who use it: the contract itself does not."""
        if name not in {"ImageReference", "ImageSet"}:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        from carbide_infra.outputs import image_set  # noqa: PLC0415

        return getattr(image_set, name)


__all__ = [
    "SCHEMA_VERSION",
    "BinaryOutput",
    "HealthOutput",
    "ImageDescription",
    "ImageOutput",
    "ImageReference",
    "ImageSet",
    "OutputsError",
    "StackOutputs",
]
