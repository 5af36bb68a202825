"""The Go version of a builder image, as the image itself says it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from carbide_infra.registry.errors import RegistryError
from carbide_infra.registry.known_images import KnownImages
from carbide_infra.registry.reference import Reference

if TYPE_CHECKING:
    from carbide_infra.registry.registries import Registries


def golang_version_of(text: str, known: KnownImages, connect: Callable[[], "Registries"]) -> str | None:
    """Give GOLANG_VERSION of an image's config, which is read once for each digest.

    Args:
        text: a reference with a digest; of one without, nothing is known.
        known: what was read before.
        connect: gives the registries, where one has to be asked.

    Returns:
        Such as "1.25.4"; None where the image does not say, and where nobody could be asked.
    """
    reference = Reference.of(text)
    if reference.digest is None:
        return None
    found = known.golang_version(reference.digest)
    if found is None:
        # Most previews know it, and need nothing that talks to registries.
        from carbide_infra.registry.image_facts import read_golang_version  # noqa: PLC0415

        try:
            with connect() as registries:
                found = (read_golang_version(reference, registries),)
        except RegistryError:
            known.keep_unanswered(reference.digest)
            return None
        known.keep_golang_version(reference.digest, found[0])
    return found[0]
