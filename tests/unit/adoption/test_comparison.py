"""Where a catalogue and its Dockerfiles have come apart."""

from collections.abc import Callable
from pathlib import Path

import pytest

from carbide_infra.adoption.catalogue_text import catalogue_text
from carbide_infra.adoption.comparison import Comparison, compared
from tests.unit.adoption.test_dockerfiles import One, final

Compare = Callable[..., Comparison]
SOURCE = final('EXPOSE 8080\nENV A=1\nUSER nobody\nCOPY conf /etc/api\nLABEL a=b\nCMD ["serve"]\n')


@pytest.fixture
def compare(one: One, tmp_path: Path) -> Compare:
    """What is said after the Dockerfile, or the catalogue, was edited."""

    def made(dockerfile: str = SOURCE, edit: Callable[[str], str] = str) -> Comparison:
        file = tmp_path / "services.yaml"
        file.write_text(edit(catalogue_text([one(SOURCE)])), encoding="utf-8")
        return compared(file, "images/services.yaml", [one(dockerfile)])

    return made


def test_right_after_adoption_the_two_agree(compare: Compare) -> None:
    found = compare()
    assert (found.differences, found.compared, found.not_compared) == ((), ("shop",), ())


@pytest.mark.parametrize(
    ("before", "after", "key", "line"),
    [
        ('CMD ["serve"]', 'CMD ["run"]', "command", 12),
        ("EXPOSE 8080", "EXPOSE 8081", "ports", 7),
        ("ENV A=1", "ENV A=2", "environment", 8),
        ("USER nobody", "USER root", "user", 9),
        ("COPY conf /etc/api", "COPY conf/a.yaml /etc/api/", "files", 10),
        ("LABEL a=b", "LABEL a=c", "labels", 11),
        ("FROM alpine:3.22", "FROM alpine:3.23", "base", 5),
        ("FROM golang:1.25", "FROM golang:1.26", "builder", 1),
        ('ENTRYPOINT ["/app/api"]', 'ENTRYPOINT ["/app/api", "-v"]', "entrypoint", 13),
        ("go build", "go build -tags x", "package", 4),
        ("EXPOSE 8080", "STOPSIGNAL SIGINT\nEXPOSE 8080", "stopSignal", 7),
        ("EXPOSE 8080", 'HEALTHCHECK CMD ["/app/api"]\nEXPOSE 8080', "health", 7),
    ],
)
def test_an_edit_of_the_dockerfile_shows(compare: Compare, before: str, after: str, key: str, line: int) -> None:
    assert before in SOURCE
    found = compare(SOURCE.replace(before, after))
    assert [difference.key for difference in found.differences] == [key]
    (difference,) = found.differences
    assert difference.mine[0].startswith("images/services.yaml:")
    assert difference.theirs[0].startswith("Dockerfile")
    assert difference.theirs[0].partition(", as in")[0] == f"Dockerfile:{line}"


def test_an_edit_of_the_catalogue_shows_with_its_line(compare: Compare) -> None:
    found = compare(edit=lambda text: text.replace("[serve]", "[other]"))
    (difference,) = found.differences
    text = str(difference)
    assert text.startswith("shop: command = ['other'] in images/services.yaml:")
    assert text.endswith("and ['serve'] in Dockerfile:12")


def test_what_no_dockerfile_says_is_no_difference(compare: Compare) -> None:
    def edit(text: str) -> str:
        pinned = text.replace("base: alpine:3.22", f"base: alpine:3.22@sha256:{64 * 'a'}")
        return pinned.replace("{http: 8080}", "{web: 8080}") + "    sizeBudget: 30MB\n"

    assert compare(edit=edit).differences == ()


def test_what_cannot_be_compared_any_more_is_said(compare: Compare) -> None:
    found = compare(SOURCE.replace("EXPOSE 8080", "RUN apk add bash"))
    assert found.differences == ()
    assert found.not_compared == ("shop: is not compared, for Dockerfile:7: installs bash; let a base image have it",)


def test_an_image_that_keeps_its_dockerfile_cannot_come_apart(one: One, tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text("schemaVersion: 1\nimages: {shop: {dockerfile: Dockerfile}}\n")
    assert compared(file, "services.yaml", [one(SOURCE)]) == Comparison((), (), ())


def test_an_image_without_a_dockerfile_is_not_asked_about(compare: Compare) -> None:
    assert compare(edit=lambda text: text.replace("  shop:", "  other:")).compared == ()
