"""The images of another stack, for Pulumi programs that run them."""

import re
from collections.abc import Callable
from typing import Any, Literal, Self, TypeVar

import pulumi

from carbide_infra.outputs.contract import BinaryOutput, HealthOutput, ImageOutput, OutputsError, StackOutputs

# A function of the engine itself: it answers, where a StackReference to nowhere ends the whole program.
_READ = "pulumi:pulumi:readStackOutputs"
_STACK_NAME = re.compile(r"[\w.-]+/[\w.-]+/[\w.-]+", re.ASCII)
_T = TypeVar("_T")


class ImageReference:
    """One image of a stack, each of its fields as an Output; see `ImageOutput` for what they mean.

    An Output, not this object, is where it shows that the image does not exist: the stack's outputs are
    read while the program runs. The program then fails with a message that names stack and image,
    also where it uses none of the fields.
    """

    def __init__(self, name: str, details: pulumi.Output[ImageOutput]) -> None:
        self.name = name
        self.details = details
        """All fields at once; what a newer stack adds is in `model_extra`."""

    @property
    def ref(self) -> pulumi.Output[str]:
        """repository@digest: what to run. Another tag of the same image gives the same."""
        return self.details.apply(lambda image: image.ref)

    @property
    def digest(self) -> pulumi.Output[str]:
        """Digest of the image index."""
        return self.details.apply(lambda image: image.digest)

    @property
    def repository(self) -> pulumi.Output[str]:
        """Registry and repository, without tag."""
        return self.details.apply(lambda image: image.repository)

    @property
    def tags(self) -> pulumi.Output[list[str]]:
        """Tags that point at the digest, the image's own, immutable one first."""
        return self.details.apply(lambda image: image.tags)

    @property
    def platforms(self) -> pulumi.Output[list[str]]:
        """Such as linux/arm64."""
        return self.details.apply(lambda image: image.platforms)

    @property
    def version(self) -> pulumi.Output[str]:
        """What the binary reports with --version."""
        return self.details.apply(lambda image: image.version)

    @property
    def revision(self) -> pulumi.Output[str]:
        """Commit that last touched the inputs; rejected where git did not tell the stack."""
        return self._required(lambda image: image.revision, "has no known revision; its stack had no git history")

    @property
    def go_version(self) -> pulumi.Output[str]:
        """Go version that it is compiled with."""
        return self.details.apply(lambda image: image.go_version)

    @property
    def builder_image(self) -> pulumi.Output[str]:
        """Base of the build stage, with its digest where it is pinned."""
        return self.details.apply(lambda image: image.builder_image)

    @property
    def runtime_image(self) -> pulumi.Output[str]:
        """Base of the final stage, with its digest where it is pinned."""
        return self.details.apply(lambda image: image.runtime_image)

    @property
    def kind(self) -> pulumi.Output[Literal["service", "job"]]:
        """`service`: it runs until it is stopped; `job`: it ends by itself."""
        return self.details.apply(lambda image: image.kind)

    @property
    def ports(self) -> pulumi.Output[dict[str, int]]:
        """TCP ports it listens on, by name; empty for a job."""
        return self.details.apply(lambda image: image.ports)

    @property
    def port(self) -> pulumi.Output[int]:
        """The first of `ports`; rejected where there is none, as for a job."""
        return self._required(lambda image: image.port, "has no port")

    @property
    def user(self) -> pulumi.Output[str]:
        """User it runs as: `uid:gid`, or the name of a user of its base."""
        return self.details.apply(lambda image: image.user)

    @property
    def user_name(self) -> pulumi.Output[str]:
        """That user's name; rejected where it is not known."""
        return self._required(lambda image: image.user_name, "does not say its user's name")

    @property
    def user_id(self) -> pulumi.Output[int]:
        """That user's uid; rejected where only the base knows it."""
        return self._required(lambda image: image.user_id, "does not say its user's id; its base has it")

    @property
    def group_id(self) -> pulumi.Output[int]:
        """That user's gid; rejected where only the base knows it."""
        return self._required(lambda image: image.group_id, "does not say its group's id; its base has it")

    @property
    def entrypoint(self) -> pulumi.Output[list[str]]:
        """Entry point, exec form; empty for none."""
        return self.details.apply(lambda image: image.entrypoint)

    @property
    def command(self) -> pulumi.Output[list[str]]:
        """Command, or arguments of the entry point, exec form; empty for none."""
        return self.details.apply(lambda image: image.command)

    @property
    def environment(self) -> pulumi.Output[dict[str, str]]:
        """Environment that the image sets beside its base's."""
        return self.details.apply(lambda image: image.environment)

    @property
    def binaries(self) -> pulumi.Output[list[BinaryOutput]]:
        """Its Go binaries; empty in outputs of version 1."""
        return self.details.apply(lambda image: image.binaries)

    @property
    def health(self) -> pulumi.Output[list[str]]:
        """Health command, exec form; empty for none."""
        return self.details.apply(lambda image: image.health)

    @property
    def health_check(self) -> pulumi.Output[HealthOutput]:
        """Health command with its times; rejected where there is none."""
        return self._required(lambda image: image.health_check, "has no health check")

    @property
    def labels(self) -> pulumi.Output[dict[str, str]]:
        """Labels of the image beside its base's; empty in outputs of version 1."""
        return self.details.apply(lambda image: image.labels)

    @property
    def size_budget(self) -> pulumi.Output[int]:
        """Compressed bytes of one platform, at most; rejected where there is no limit."""
        return self._required(lambda image: image.size_budget, "has no size budget")

    def _required(self, field: Callable[[ImageOutput], _T | None], problem: str) -> pulumi.Output[_T]:
        def value(image: ImageOutput) -> _T:
            found = field(image)
            if found is None:
                message = f"image {self.name} {problem}. Where that may be so, read `details` instead."
                raise pulumi.RunError(message)
            return found

        return self.details.apply(value)


class ImageSet:
    """The images that a stack of carbide-infra exports.

    >>> images = ImageSet.from_stack("my-org/carbide-infra/prod")
    >>> images["carbide-rest-api"].ref

    Where the program has a StackReference to that stack already: `ImageSet(reference)`.
    """

    def __init__(self, reference: pulumi.StackReference) -> None:
        # Asked for one by one: a secret that the stack exports beside them makes no secret of these. Names are none.
        self._outputs = pulumi.Output.all(
            stack=reference.name,
            names=pulumi.Output.unsecret(reference.outputs.apply(sorted)),
            schemaVersion=reference.get_output("schemaVersion"),
            images=reference.get_output("images"),
        ).apply(_outputs)

    @classmethod
    def from_stack(cls, stack: str) -> Self:
        """Refer to a stack by its full name, such as my-org/carbide-infra/prod.

        Raises:
            pulumi.RunError: at once, where the name is malformed or there is no such stack. Outputs that are not
                the contract, and images that are not among them, reject the Outputs; the program then fails.
        """
        if not _STACK_NAME.fullmatch(stack):
            message = (
                f"stack {stack!r}: is not a full name; write organization/project/stack, such as "
                "my-org/carbide-infra/prod (in a backend of your own, the organization is called `organization`)"
            )
            raise pulumi.RunError(message)
        _require_readable(stack)
        return cls(pulumi.StackReference(stack))

    def __getitem__(self, name: str) -> ImageReference:
        """The image with this name."""
        return self.image(name)

    def image(self, name: str) -> ImageReference:
        """The image with this name."""

        def find(found: tuple[str, StackOutputs]) -> ImageOutput:
            stack, outputs = found
            try:
                return outputs.image(name)
            except OutputsError as error:
                raise _failure(stack, error) from error

        return ImageReference(name, self._outputs.apply(find))


def _require_readable(stack: str) -> None:
    try:
        pulumi.runtime.invoke(_READ, {"name": stack})
    except Exception as error:
        # Pulumi raises plain Exception for whatever the engine says.
        reason = str(error).rpartition("returned an error: ")[2]
        message = (
            f"stack {stack}: cannot be read: {reason}. `pulumi stack ls --all` lists the stacks of this backend, "
            "`pulumi whoami --verbose` says which backend that is"
        )
        raise pulumi.RunError(message) from error


def _outputs(found: dict[str, Any]) -> tuple[str, StackOutputs]:
    stack = found["stack"]
    try:
        return stack, StackOutputs.of({name: found.get(name) for name in found["names"]})
    except OutputsError as error:
        raise _failure(stack, error) from error


def _failure(stack: str, error: OutputsError) -> pulumi.RunError:
    return pulumi.RunError(f"stack {stack}: {error}")
