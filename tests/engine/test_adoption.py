"""`carbide-infra init` with the real buildx, which evaluates what a stranger's build files say."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbide_infra.catalogue.loading import load_catalogue
from tests.engine.conftest import Checkout
from tests.support.adoptable import bake, cloned

if TYPE_CHECKING:
    import subprocess

pytestmark = pytest.mark.apart
TOKEN = "hunter2-of-the-environment"  # noqa: S105 - nobody's


@pytest.fixture
def init(checkout: Checkout, tmp_path: Path) -> "Init":
    return Init(checkout, tmp_path / "clone")


class Init:
    """Runs it in a clone with these files."""

    def __init__(self, checkout: Checkout, root: Path) -> None:
        self._checkout, self.root = checkout, root

    def __call__(self, files: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        cloned(self.root, files)
        command = f"cd {shlex.quote(str(self.root))}\nexport TAG={TOKEN}\ncarbide-infra init --registry local"
        return self._checkout.shell(command, check=False)

    @property
    def catalogue(self) -> Path:
        return self.root / "images/services.yaml"


def test_a_matrix_is_an_image_for_each_and_sees_no_environment(init: Init) -> None:
    done = init(bake())
    assert done.returncode == 0, done.stderr
    images = {image.name: image for image in load_catalogue(init.catalogue).images}
    assert {name: [binary.folder for binary in image.binaries] for name, image in images.items()} == {
        "blue": ["cmd/blue"],
        "red": ["cmd/red"],
    }
    assert TOKEN not in init.catalogue.read_text() + done.stdout + done.stderr


@pytest.mark.parametrize(
    "text",
    [
        'target "x" { tags = [file("/etc/passwd")] }\n',
        'target "x" { tags = ["${env.TAG}"] }\n',
        'target "x" { inherits = ["nothing"] }\n',
        "target {\n",
    ],
)
def test_a_bake_file_that_does_not_evaluate_is_one_sentence(init: Init, text: str) -> None:
    done = init({**bake(), "docker-bake.hcl": text})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: docker-bake.hcl does not evaluate (")
    assert line.endswith("; put that right, or leave it out with --skip docker-bake.hcl")
    assert not (init.root / "images").exists()


def test_a_compose_file_gives_names_and_reads_nothing_else(init: Init) -> None:
    files = bake()
    del files["docker-bake.hcl"]
    compose = (
        "services:\n  red:\n    image: registry.example.com/shop/the-red:1\n"
        "    build: {context: ., dockerfile: build/Dockerfile, args: {SERVICE: red}}\n  db: {image: postgres}\n"
    )
    done = init({**files, "compose.yaml": compose})
    assert done.returncode == 0, done.stderr
    assert [image.name for image in load_catalogue(init.catalogue).images] == ["the-red"]


def test_a_bake_file_cannot_have_a_file_of_the_machine_adopted(init: Init) -> None:
    hostile = (
        'target "out" {\n  context = "/etc"\n  dockerfile = "passwd"\n}\n'
        'target "up" {\n  context = "../.."\n  dockerfile = "etc/passwd"\n}\n'
        'target "remote" {\n  context = "https://example.invalid/x.git"\n}\n'
    )
    done = init({**bake(), "docker-bake.hcl": hostile})
    assert done.returncode == 0, done.stderr
    assert [image.kept.path for image in load_catalogue(init.catalogue).images if image.kept] == ["build/Dockerfile"]
