"""The seven Dockerfiles differ only where the services differ, and keep the design's promises."""

import re

import pytest

from carbide_infra.dockerfile import inline_dockerfile
from carbide_infra.paths import project_root
from carbide_infra.services import CATALOGUE, Service

FOLDER = project_root() / "docker/production"
SERVICES = pytest.mark.parametrize("service", CATALOGUE.values(), ids=lambda service: service.image)


def text_of(service: Service) -> str:
    return (project_root() / service.dockerfile).read_text()


def skeleton(service: Service) -> str:
    """The Dockerfile with everything that may differ put out of sight."""
    text = text_of(service)
    text = re.sub(r"^# .*?: .*\.$", "# <title>", text, count=1, flags=re.MULTILINE)
    text = re.sub(r'(image\.description)=".*"', r"\1=<description>", text)
    text = re.sub(r"^(ARG PORT.*|EXPOSE .*|STOPSIGNAL .*)\n", "", text, flags=re.MULTILINE)
    text = text.replace(service.image, "<image>").replace(service.package, "<package>")
    return re.sub(rf"/app/{service.binary}\b", "/app/<binary>", text)


def test_every_service_has_its_dockerfile_and_no_other_is_there() -> None:
    assert {file.name for file in FOLDER.glob("Dockerfile.*")} == {f"Dockerfile.{name}" for name in CATALOGUE}


@SERVICES
def test_dockerfiles_differ_only_where_services_differ(service: Service) -> None:
    assert skeleton(service) == skeleton(CATALOGUE["carbide-rest-api"])


@SERVICES
def test_a_dockerfile_says_what_the_catalogue_says(service: Service) -> None:
    text = text_of(service)
    assert f"ARG PACKAGE={service.package}\n" in text
    assert f"ARG VERSION_SYMBOL={service.version_symbol}\n" in text
    assert f"ARG BUILD_TIME_SYMBOL={service.build_time_symbol}\n" in text
    assert f'ENTRYPOINT ["/app/{service.binary}"]\n' in text
    assert f'CMD ["/app/{service.binary}", "health"]\n' in text
    assert f'image.title="{service.image}"' in text
    if service.port is None:
        assert "EXPOSE" not in text
    else:
        assert f"ARG PORT={service.port}\n" in text
        assert "EXPOSE ${PORT}\n" in text


@SERVICES
def test_the_final_stage_runs_nothing(service: Service) -> None:
    final = text_of(service).rsplit("\nFROM ", 1)[1]
    assert not re.search(r"^\s*RUN\b", final, re.MULTILINE)
    assert "USER 1000:1000\n" in final


@SERVICES
def test_no_frontend_image_is_pulled(service: Service) -> None:
    assert "syntax=" not in text_of(service)


def test_a_default_health_command_needs_no_inline_dockerfile() -> None:
    assert inline_dockerfile(project_root(), CATALOGUE["carbide-rest-api"]) is None


@SERVICES
def test_an_overridden_health_command_replaces_only_that(service: Service) -> None:
    health = ("wget", "-qO-", r'http://127.0.0.1/"\1')
    rendered = inline_dockerfile(project_root(), service.model_copy(update={"health": health}))
    assert rendered is not None
    changed = set(rendered.splitlines()) ^ set(text_of(service).splitlines())
    assert changed == {
        f'    CMD ["/app/{service.binary}", "health"]',
        r'    CMD ["wget", "-qO-", "http://127.0.0.1/\"\\1"]',
    }
