"""The kit of this repository serves a project elsewhere: `make up PROJECT=`, on a bare machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.adopt.test_inside import CATALOGUE, CODE, FRONT, PROGRAM, below
from tests.engine.conftest import Checkout, Deployed

CONFIG = {
    "source": "../shop",
    "catalogue": "services.yaml",
    "registryServer": "local",
    "registryRepository": "shop",
    "platforms": ["linux/amd64"],
    "services": [FRONT],
}


@pytest.fixture
def elsewhere(deployed: Deployed, tmp_path: Path) -> Iterator[tuple[Checkout, str]]:
    """The checkout that has the kit, and how its targets are told of a project with a space in its path."""
    root = tmp_path / "a tree"
    project = {
        "Pulumi.yaml": yaml.safe_dump({"name": "shop-images", "runtime": "python"}),
        "Pulumi.dev.yaml": yaml.safe_dump({"config": {f"shop-images:{key}": value for key, value in CONFIG.items()}}),
        "__main__.py": PROGRAM,
        "services.yaml": yaml.safe_dump(CATALOGUE),
    }
    for name, text in (CODE | below("images", project)).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    chosen = f"PROJECT={root / 'images'}"
    yield deployed.checkout, chosen
    deployed.checkout.make("clean", chosen)
    assert not (root / "images/.local").exists()


def test_a_project_elsewhere_is_previewed_built_and_told_of(elsewhere: tuple[Checkout, str]) -> None:
    kit, chosen = elsewhere
    assert FRONT in kit.make("preview", chosen).stdout
    kit.make("up", chosen)
    images = json.loads(kit.make("-s", "images", chosen).stdout)
    assert images.keys() == {FRONT}
    assert images[FRONT]["version"] == "1.2.0"
    assert "Nothing restarts" in kit.make("-s", "report", chosen).stdout
    assert kit.images().keys() != images.keys(), "the kit's own stack is another"
