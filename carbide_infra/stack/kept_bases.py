"""The images that Dockerfiles of images' own build on: where each is written, for a digest to stand there."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.problems import Key
from carbide_infra.settings import Settings, selected_images
from carbide_infra.source.kept.context import named_by


@dataclass(frozen=True)
class KeptBases:
    """Where the images are written.

    Attributes:
        in_dockerfiles: file and line, and the image: nobody's to rewrite but their owner's.
        in_catalogue: keys of the build arguments that name one.
    """

    in_dockerfiles: tuple[tuple[str, str], ...] = ()
    in_catalogue: frozenset[Key] = frozenset()

    @property
    def references(self) -> list[str]:
        """The images in Dockerfiles."""
        return [reference for _, reference in self.in_dockerfiles]


def kept_bases(settings: Settings, project: Path, cache_dir: Path) -> KeptBases:
    """What the Dockerfiles that images of the catalogue keep build on and copy from.

    Args:
        settings: of the stack.
        project: the folder with Pulumi.yaml.
        cache_dir: where answers about the source tree are kept.

    Raises:
        UserError: there is no catalogue or no source tree, or a Dockerfile cannot be read.
    """
    images = [image for image in selected_images(settings, project).catalogue.images if image.kept]
    return _in_dockerfiles(images, settings.source_root(project), cache_dir) if images else KeptBases()


def _in_dockerfiles(images: Iterable[Image], root: Path, cache_dir: Path) -> KeptBases:
    places: dict[tuple[str, str], None] = {}
    keys: set[Key] = set()
    for image in images:
        for named in named_by(image, root, cache_dir):
            assert image.kept is not None  # noqa: S101 - others name none
            if named.argument in image.kept.args:
                keys.add(("images", image.name, "args", named.argument))
            else:
                places.setdefault((f"{image.kept.path}:{named.line}", named.reference))
    return KeptBases(tuple(sorted(places)), frozenset(keys))
