"""The committed Dockerfiles: what the catalogue says, and where the program takes another text."""

from pathlib import Path

import pytest

from carbide_infra.catalogue import generate
from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.template import render
from carbide_infra.images.plan import dockerfile_of
from carbide_infra.paths import project_root
from tests.support.catalogue import CATALOGUE, FOLDER

SERVICES = pytest.mark.parametrize("service", CATALOGUE.values(), ids=lambda service: service.name)
API = CATALOGUE["carbide-rest-api"]


def test_every_image_has_its_dockerfile_and_no_other_is_there() -> None:
    assert {file.name for file in FOLDER.glob("Dockerfile.*")} == {f"Dockerfile.{name}" for name in CATALOGUE}


def test_the_committed_files_are_what_the_catalogue_says() -> None:
    files = generate.generated(FOLDER / "services.yaml")
    assert list(generate.differences(files, FOLDER)) == [], "run `make generate`"


@SERVICES
def test_a_committed_dockerfile_is_built_from_its_file(service: Image) -> None:
    found = dockerfile_of(service, project_root(), FOLDER)
    assert found.location == f"docker/production/Dockerfile.{service.name}"
    assert found.text == (FOLDER / f"Dockerfile.{service.name}").read_text()


@SERVICES
def test_the_seven_keep_what_they_promised_before_there_was_a_catalogue(service: Image) -> None:
    (binary,) = service.binaries
    text = render(service)
    assert f'ENTRYPOINT ["{binary.path}"]\n' in text
    assert f'CMD ["{binary.path}", "health"]\n' in text
    assert f'image.title="{service.name}"' in text
    assert "USER 1000:1000\n" in text
    assert ("EXPOSE" in text) == ("STOPSIGNAL SIGTERM" in text) == bool(service.ports)


def test_an_image_that_the_stack_changes_travels_inline() -> None:
    changed = API.model_copy(update={"command": ("serve",)})
    found = dockerfile_of(changed, project_root(), FOLDER)
    assert found.location is None
    assert found.text == render(changed)
    assert 'CMD ["serve"]\n' in found.text


def test_an_image_whose_modules_come_by_ssh_travels_inline() -> None:
    found = dockerfile_of(API, project_root(), FOLDER, ssh=True)
    assert found.location is None
    assert found.text == render(API, ssh=True)


def test_an_image_without_a_file_travels_inline(tmp_path: Path) -> None:
    assert dockerfile_of(API, tmp_path, tmp_path).location is None
    (tmp_path / "Dockerfile.carbide-rest-api").write_bytes(b"\xff")
    assert dockerfile_of(API, tmp_path, tmp_path).location is None


def test_a_catalogue_outside_the_project_travels_inline(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "Dockerfile.carbide-rest-api").write_text(render(API))
    assert dockerfile_of(API, tmp_path / "project", tmp_path).location is None
    assert dockerfile_of(API, tmp_path, tmp_path).location == "Dockerfile.carbide-rest-api"
