"""The stack's outputs: the typed, versioned contract that deployment stacks rely on."""

from carbide_infra.outputs.contract import SCHEMA_VERSION, ImageOutput, StackOutputs

__all__ = ["SCHEMA_VERSION", "ImageOutput", "StackOutputs"]
