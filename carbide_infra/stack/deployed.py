"""What a stack has deployed: its outputs, and what its state records of each image."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from carbide_infra.errors import CommandError
from carbide_infra.images.record import record_of
from carbide_infra.names import COMPONENT_TYPE, IMAGE_TYPE, RECORD_TYPE, STACK_TYPE
from carbide_infra.outputs import ImageOutput, OutputsError, StackOutputs
from carbide_infra.remedies import typed
from carbide_infra.stack.pulumi_stack import PulumiStack


@dataclass(frozen=True)
class Deployed:
    """A stack's images.

    Attributes:
        images: the output, by image name.
        records: of each image that the state has one of; empty where no state was read.
        inputs: each Image's inputs.
    """

    images: Mapping[str, ImageOutput]
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def wants_login(self) -> bool:
        """Whether the images were pushed with a login of the stack's."""
        return any(entry.get("registries") for entry in self.inputs.values())

    def labels(self, image: str) -> dict[str, str]:
        """The labels that the image was given; empty where no state was read."""
        return dict(self.inputs.get(image, {}).get("labels") or {})

    def selected(self, names: Collection[str]) -> dict[str, ImageOutput]:
        """The images of these names; all where none is given.

        Raises:
            CommandError: a name is none of the stack's.
        """
        for name in names:
            if name not in self.images:
                message = f"--image {name}: the stack has no such image; it has {', '.join(sorted(self.images))}"
                raise CommandError(message)
        return {name: image for name, image in self.images.items() if not names or name in names}


def deployed_by(stack: PulumiStack) -> Deployed:
    """Read a stack's state.

    Raises:
        SetupError: there is no such stack, or the backend does not answer.
        CommandError: it has no images, or of a form that this version does not know.
    """
    return deployed_in(stack.resources(), stack.name)


def deployed_in(resources: Sequence[Mapping[str, Any]], stack: str) -> Deployed:
    """Read the resources of a stack's state."""
    outputs = next((item.get("outputs") or {} for item in resources if item["type"] == STACK_TYPE), {})
    if not outputs.get("images"):
        message = f"stack {stack} has no images yet; run {typed('up', stack)}, or pulumi up --stack {stack}"
        raise CommandError(message)
    components, images, stashes = (_inputs(resources, kind) for kind in (COMPONENT_TYPE, IMAGE_TYPE, RECORD_TYPE))
    records = {name: record_of(stashes.get(name), components.get(name), image) for name, image in images.items()}
    return Deployed(
        images=understood(outputs, f"stack {stack}").images,
        records={name: record for name, record in records.items() if record is not None},
        inputs=images,
    )


def _inputs(resources: Sequence[Mapping[str, Any]], kind: str) -> dict[str, Mapping[str, Any]]:
    """The inputs of the resources of a type, by their names."""
    return {_name(item): item.get("inputs") or {} for item in resources if item["type"] == kind}


def understood(outputs: Mapping[str, Any], subject: str) -> StackOutputs:
    """Read outputs of whatever origin; `subject` names it in the error.

    Raises:
        CommandError: they are not the contract.
    """
    try:
        return StackOutputs.of(outputs)
    except OutputsError as error:
        message = f"{subject}: {error}"
        raise CommandError(message) from error


def _name(resource: Mapping[str, Any]) -> str:
    return str(resource["urn"]).rsplit("::", 1)[1]
