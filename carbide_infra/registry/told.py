"""What registries told of a tag, or why none did; it imports nothing that talks to them."""

from dataclasses import dataclass

from carbide_infra.registry.errors import Denied, NotFound, RegistryError
from carbide_infra.registry.mirror import MIRROR_VARIABLE
from carbide_infra.registry.reference import Reference


@dataclass(frozen=True)
class Told:
    """What is known of a reference now.

    Attributes:
        digest: None where nobody knows it.
        problem: why its registry did not tell; None where it did, or where nobody was to be asked.
        day: the day on which the digest was seen, where the registry did not tell today.
    """

    digest: str | None
    problem: RegistryError | None = None
    day: str | None = None


def why_unknown(key: str, text: str, problem: RegistryError) -> str:
    """Why nobody told the digest of a reference, and what to do.

    Args:
        key: what names the image, such as runtimeImage.
        text: the reference.
        problem: what asking for it ended with.
    """
    reference = Reference.of(text)
    server, what = reference.server, problem.what.removeprefix(f"{reference.server}: ")
    match problem:
        case NotFound():
            return f"{key} = {text}: {server} has no such image; check repository and tag"
        case Denied():
            return (
                f"{key} = {text}: {server} refuses to show it to us ({what}); check its name, and log in with docker "
                f"login {server} or the config key registryLogins"
            )
    mirror = f", or name a mirror with {MIRROR_VARIABLE}" if reference.is_on_docker_hub else ""
    return f"{key} = {text}: {server} gives no answer ({what}); {problem.remedy or 'try again later'}{mirror}"
