"""A catalogue's own Dockerfile template, and which version of ours has which text."""

import hashlib
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from carbide_infra.catalogue.generate import generated
from carbide_infra.catalogue.problems import CatalogueError
from carbide_infra.catalogue.template import TEMPLATE_VERSION, package_template, render
from carbide_infra.images.record import FIRST_TEMPLATE
from carbide_infra.paths import project_root
from tests.unit.catalogue.samples import load, problems

CATALOGUE = "template: Dockerfile.template\nimages:\n  a: {package: ./a}\n  b: {dockerfile: docker/b}\n"
# By the version that brought it, the SHA-256 of the template. Where the text has changed, so have all images of all
# catalogues: give TEMPLATE_VERSION the next version, write here what that has, and say in CHANGELOG.md that digests
# move, and why.
TEMPLATES = {"0.1.0": "13265d438c6b465271468506fd4a3c43259aa16513a1ec044384ae17624127df"}


def test_a_changed_template_has_another_version_and_is_told() -> None:
    assert hashlib.sha256(package_template().encode()).hexdigest() == TEMPLATES[TEMPLATE_VERSION]
    assert next(iter(TEMPLATES)) == FIRST_TEMPLATE, "records without a version are of that one"
    assert list(TEMPLATES)[-1] == TEMPLATE_VERSION


def test_the_changelog_says_of_each_version_whether_digests_move() -> None:
    text = (project_root() / "CHANGELOG.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    told = dict(zip(parts[::2], parts[1::2], strict=True))
    assert set(TEMPLATES) | {version("carbide-infra-build")} <= told.keys()
    assert all(re.search(r"^\*\*Digests (move|stay)\*\*", part, re.MULTILINE) for part in told.values())


def own(folder: Path, text: str) -> str:
    (folder / "Dockerfile.template").write_text(text, encoding="utf-8")
    return render(load(folder, CATALOGUE).images[0])


def test_images_are_rendered_from_the_catalogue_s_own_template(tmp_path: Path) -> None:
    assert own(tmp_path, "FROM scratch\nLABEL a={{ image.name }}\n") == "FROM scratch\nLABEL a=a\n"
    (tmp_path / "services.yaml").write_text(CATALOGUE, encoding="utf-8")
    assert list(generated(tmp_path / "services.yaml").values()) == ["FROM scratch\nLABEL a=a\n"]
    assert load(tmp_path, CATALOGUE).images[1].template is None, "an image that keeps its Dockerfile has none"


def test_a_copy_of_ours_gives_the_same_images(tmp_path: Path) -> None:
    ours = render(load(tmp_path, CATALOGUE.partition("\n")[2]).images[0])
    assert own(tmp_path, package_template()) == ours


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{% if %}", r"template: cannot be rendered for a: line 1: "),
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ image.nothing }}", "no attribute 'nothing'"),
        ("{{ 1 / 0 }}", "division by zero"),
        # It gets at nothing but what it is given.
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ render.__globals__ }}", "undefined"),
        ("{% include '/etc/passwd' %}", "no loader"),
        ("{{ range(10**9)|list }}", "Range too big"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_one_sentence(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(CatalogueError, match=told):
        own(tmp_path, text)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "none", "folder", "link", "large", "binary"])
def test_only_a_file_beside_the_catalogue_is_a_template(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "project"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "secret").write_text("s3cr3t")
    (folder / "link").symlink_to("../secret")
    (folder / "large").write_text("x" * (1 << 18) + "x")
    (folder / "binary").write_bytes(b"\xff")
    (said,) = problems(folder, CATALOGUE.replace("Dockerfile.template", name))
    assert said.startswith(f"services.yaml:1: template = {name}: ")
    assert "s3cr3t" not in said
