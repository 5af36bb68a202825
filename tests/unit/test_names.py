"""Names that stand in states and images which are there already: a new name here makes strangers of them."""

import pytest

from carbide_infra import names
from carbide_infra.paths import project_root


def test_resources_and_labels_keep_their_names() -> None:
    assert names.COMPONENT_TYPE == "carbide:image:ServiceImage"
    assert names.IMAGE_TYPE == "docker-build:index:Image"
    assert names.INDEX_TYPE == "docker-build:index:Index"
    assert names.REVISION_LABEL == "org.opencontainers.image.revision"
    assert names.BASE_DIGEST_LABEL == "org.opencontainers.image.base.digest"
    assert names.STAND_IN_LABEL == "com.nvidia.carbide.stand-in-base"


@pytest.mark.parametrize("image", ["golang", "alpine"])
def test_a_stand_in_says_what_it_is(image: str) -> None:
    dockerfile = (project_root() / f"devenv/docker/Dockerfile.{image}").read_text(encoding="utf-8")
    assert f'\nLABEL {names.STAND_IN_LABEL}="' in dockerfile
