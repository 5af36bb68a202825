"""References are read as Docker reads them, and nothing else passes for one."""

import re

import pytest

from carbide_infra.registry.reference import PATTERN, Reference, is_repository, is_server

DIGEST = f"sha256:{'a1' * 32}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("golang", ("docker.io", "library/golang", None, None)),
        ("golang:1.25", ("docker.io", "library/golang", "1.25", None)),
        ("bitnami/golang:1.25", ("docker.io", "bitnami/golang", "1.25", None)),
        ("index.docker.io/golang", ("docker.io", "library/golang", None, None)),
        (f"alpine:3.22@{DIGEST}", ("docker.io", "library/alpine", "3.22", DIGEST)),
        (f"nvcr.io/my-org/my-team/x@{DIGEST}", ("nvcr.io", "my-org/my-team/x", None, DIGEST)),
        ("localhost/x", ("localhost", "x", None, None)),
        ("host:5000/x:1", ("host:5000", "x", "1", None)),
        ("My-Host.example/x", ("My-Host.example", "x", None, None)),
        ("a.example/x__y/z--w", ("a.example", "x__y/z--w", None, None)),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(text: str, parts: tuple[str | None, ...]) -> None:
    found = Reference.of(text)
    assert (found.server, found.repository, found.tag, found.digest) == parts
    assert Reference.of(str(found)) == found
    assert re.fullmatch(PATTERN, text), "as editors check it"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "repository ''"),
        ("golang::1.25", "tag ':1.25'"),
        ("golang:", "repository|tag"),
        ("https://x/golang:1.25", "registry 'https:'"),
        ("a..b", "repository 'a..b'"),
        ("my-org//team", "repository 'my-org//team'"),
        ("Golang:1.25", "repository 'Golang'"),
        ("host:99999999/x", "registry"),
        ("-a.example/x", "registry"),
        ("golang@sha256:12", "digest 'sha256:12'"),
        (f"golang@{DIGEST}0", "digest"),
        ("golang@", "digest ''"),
        ("golang:1.25\n", "tag"),
        ("golang:1.25ä", "tag"),
    ],
)
def test_anything_else_is_refused_by_its_part(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Reference.of(text)
    assert not re.fullmatch(PATTERN, text), "as editors check it"


def test_what_is_asked_for_is_digest_then_tag_then_latest() -> None:
    asked = [Reference.of(text).manifest for text in (f"x:1@{DIGEST}", "x:1", "x")]
    assert asked == [DIGEST, "1", "latest"]


@pytest.mark.parametrize(
    ("text", "short", "is_golang"),
    [
        ("golang", "golang:latest", True),
        (f"docker.io/library/golang:1.25@{DIGEST}", "golang:1.25", True),
        ("bitnami/golang:1.25", "bitnami/golang:1.25", False),
        ("nvcr.io/library/golang:1.25", "golang:1.25", False),
    ],
)
def test_docker_hubs_images_have_short_names(text: str, short: str, *, is_golang: bool) -> None:
    found = Reference.of(text)
    assert (found.short_name, found.is_golang) == (short, is_golang)


def test_a_reference_is_pinned_with_its_tag() -> None:
    assert str(Reference.of("nvcr.io/x:1").at(DIGEST)) == f"nvcr.io/x:1@{DIGEST}"


def test_a_mirror_keeps_images_below_its_prefix() -> None:
    image = Reference.of("golang:1.25")
    assert str(image.below("mirror.example:5000", "/dockerhub/")) == "mirror.example:5000/dockerhub/library/golang:1.25"
    assert str(image.below("mirror.example")) == "mirror.example/library/golang:1.25"


@pytest.mark.parametrize("text", ["nvcr.io", "host:5000", "127.0.0.1:5443", "[::1]:5000", "a-b"])
def test_servers(text: str) -> None:
    assert is_server(text)


@pytest.mark.parametrize("text", ["", "a_b", "a.", ".a", "a:", "a:x", "a/b", "a b", "a\n"])
def test_not_servers(text: str) -> None:
    assert not is_server(text)


@pytest.mark.parametrize(("text", "is_one"), [("a" * 255, True), ("a" * 256, False), ("a.-b", False), ("a/b-c", True)])
def test_repositories(text: str, is_one: bool) -> None:  # noqa: FBT001
    assert is_repository(text) is is_one
