"""The inputs of a stack's images, by the Go of its builders and with its access to modules."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from carbide_infra.catalogue.model import Image
from carbide_infra.paths import cache_dir
from carbide_infra.registry.golang_version import golang_version_of
from carbide_infra.registry.known_images import KnownImages
from carbide_infra.source.images import wanted_by
from carbide_infra.source.inputs import Inputs, ModuleAccess, inputs_of
from carbide_infra.source.kept.context import wanted_by_kept

if TYPE_CHECKING:
    from carbide_infra.registry.registries import Registries

Connect = Callable[[], "Registries"]
"""Gives the registries of base images, where one has to be asked."""


def inputs_of_images(
    images: Sequence[Image], root: Path, secrets: Mapping[str, str], connect: Connect
) -> dict[str, Inputs]:
    """What each image is made of.

    Args:
        images: with the bases that the stack has.
        root: the source root.
        secrets: what their builds get, see build_secrets.py.
        connect: for the Go release of a builder that nobody has looked at yet.

    Raises:
        InputError: the tree cannot be built as asked.
    """
    releases = go_releases({image.builder for image in images if image.kept is None}, connect)
    wanted = {
        image.name: wanted_by_kept(image, root, cache_dir())
        if image.kept
        else wanted_by(image, root, releases[image.builder])
        for image in images
    }
    return inputs_of(root, wanted, cache_dir(), ModuleAccess.of_secrets(secrets))


def go_releases(builders: Collection[str], connect: Connect) -> dict[str, str | None]:
    """The Go release of each builder image; None where its registry does not tell."""
    known = KnownImages.of_user()
    return {builder: golang_version_of(builder, known, connect) for builder in builders}
