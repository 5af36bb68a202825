"""What a stack has deployed: its outputs, and what its state records of each image."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from carbide_infra.commands.outcome import CommandError
from carbide_infra.commands.stacks import StackCli
from carbide_infra.local.stack_file import PROJECT
from carbide_infra.outputs import ImageOutput, StackOutputs

_STACK, _COMPONENT, _IMAGE = "pulumi:pulumi:Stack", "carbide:image:ServiceImage", "docker-build:index:Image"


@dataclass(frozen=True)
class Deployed:
    """A stack's images.

    Attributes:
        images: the output, by image name.
        records: what each component records of its inputs; empty where no state was read.
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


def deployed_by(stack: StackCli) -> Deployed:
    """Read a stack's state.

    Raises:
        SetupError: there is no such stack, or the backend does not answer.
        CommandError: it has no images, or of a form that this version does not know.
    """
    return deployed_in(stack.resources(), stack.name)


def deployed_in(resources: Sequence[Mapping[str, Any]], stack: str) -> Deployed:
    """Read the resources of a stack's state."""
    of_type = {kind: [item for item in resources if item["type"] == kind] for kind in (_STACK, _COMPONENT, _IMAGE)}
    outputs = next((item.get("outputs") or {} for item in of_type[_STACK]), {})
    if not outputs.get("images"):
        message = f"stack {stack} has no images yet; run make up STACK={stack}, or pulumi up --stack {stack}"
        raise CommandError(message)
    return Deployed(
        images=images_in(outputs, f"stack {stack}"),
        records={_name(item): item.get("inputs") or {} for item in of_type[_COMPONENT]},
        inputs={_name(item): item.get("inputs") or {} for item in of_type[_IMAGE]},
    )


def deployed_from(file: Path) -> Deployed:
    """Read a file with what `pulumi stack output --json`, or its `images` alone, prints.

    Raises:
        CommandError: it cannot be read.
    """
    try:
        outputs = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"--from {file}: cannot be read as JSON ({error}); write it with pulumi stack output --json"
        raise CommandError(message) from error
    if isinstance(outputs, dict) and "images" not in outputs:
        outputs = {"schemaVersion": 1, "images": outputs}
    return Deployed(images_in(outputs, f"--from {file}"))


def images_in(outputs: Any, origin: str) -> dict[str, ImageOutput]:  # noqa: ANN401 - any JSON
    """The images of a stack's outputs.

    Raises:
        CommandError: they are not the contract's.
    """
    try:
        return dict(StackOutputs.of(outputs).images)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "outputs"
        message = f"{origin}: {where}: {first['msg']}; it was written by another version of carbide-infra"
        raise CommandError(message) from error


def stack_values(stack: StackCli) -> dict[str, str]:
    """The stack's configuration by plain key, secrets in clear."""
    prefix = f"{PROJECT}:"
    return {key.removeprefix(prefix): entry["value"] for key, entry in stack.config().items() if key.startswith(prefix)}


def registry_password(values: Mapping[str, str]) -> str | None:
    """The stack's password for its registry, else the environment's."""
    return values.get("registryPassword") or os.environ.get("CARBIDE_REGISTRY_PASSWORD")


def _name(resource: Mapping[str, Any]) -> str:
    return str(resource["urn"]).rsplit("::", 1)[1]
