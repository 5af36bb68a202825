"""Dockerfiles kept for previews: the same text as a rendering, whatever stands in the cache folder."""

from importlib import metadata
from pathlib import Path

import pytest

from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.template import render
from carbide_infra.images import kept_rendering
from carbide_infra.images.kept_rendering import kept_render
from tests.support.catalogue import CATALOGUE

API = CATALOGUE["carbide-rest-api"]


@pytest.fixture(autouse=True)
def renderings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Image]:
    """The images that were rendered."""
    rendered: list[Image] = []

    def counted(image: Image, *, ssh: bool) -> str:
        rendered.append(image)
        return render(image, ssh=ssh)

    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_rendering, "render", counted)
    return rendered


def test_the_same_image_is_rendered_once(renderings: list[Image]) -> None:
    assert kept_render(API) == kept_render(API) == render(API)
    assert renderings == [API]


@pytest.mark.parametrize(
    "changed",
    [
        API.model_copy(update={"environment": {"B": "1", "A": "2"}}),
        # The order is the catalogue's, and the template's too.
        API.model_copy(update={"environment": {"A": "2", "B": "1"}}),
        API.model_copy(update={"template": "FROM scratch\n"}),
        API.model_copy(update={"provides": frozenset()}),
    ],
    ids=["environment", "order", "template", "provides"],
)
def test_another_image_is_rendered(changed: Image) -> None:
    other = API.model_copy(update={"environment": {"A": "1", "B": "2"}})
    assert kept_render(other) == render(other)
    assert kept_render(changed) == render(changed)


def test_modules_by_ssh_are_another_text() -> None:
    assert kept_render(API) != kept_render(API, ssh=True) == render(API, ssh=True)


def test_a_set_has_no_order(renderings: list[Image]) -> None:
    one, other = frozenset(["timezones", "ca-certificates"]), frozenset(["ca-certificates", "timezones"])
    kept_render(API.model_copy(update={"provides": one}))
    kept_render(API.model_copy(update={"provides": other}))
    assert len(renderings) == 1


def test_another_template_or_jinja_renders_anew(renderings: list[Image], monkeypatch: pytest.MonkeyPatch) -> None:
    kept_render(API)
    kept_rendering._renderer.cache_clear()
    monkeypatch.setattr(metadata, "version", lambda _: "99.0")
    kept_render(API)
    kept_rendering._renderer.cache_clear()
    assert len(renderings) == 2


def test_a_damaged_text_is_rendered_anew(renderings: list[Image], tmp_path: Path) -> None:
    kept_render(API)
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes().replace(b"FROM", b"RUN evil\\nFROM"))
    assert kept_render(API) == render(API)
    assert len(renderings) == 2


def test_a_cache_folder_that_cannot_be_written_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(tmp_path / "file/cache"))
    assert kept_render(API) == render(API)
