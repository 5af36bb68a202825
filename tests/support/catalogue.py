"""The catalogue of production, for the tests of what comes after it."""

from carbide_infra.catalogue.loading import Catalogue, load_catalogue
from carbide_infra.catalogue.model import Image
from carbide_infra.paths import project_root

FOLDER = project_root() / "docker/production"


def production() -> Catalogue:
    """The committed catalogue, under the name that the default stack gives it."""
    return load_catalogue(FOLDER / "services.yaml", "docker/production/services.yaml")


CATALOGUE: dict[str, Image] = {image.name: image for image in production().images}
"""Its images by name, without a stack."""


def port_of(image: Image) -> int | None:
    """Its only port, if it has one."""
    return next(iter(image.ports.values()), None)
