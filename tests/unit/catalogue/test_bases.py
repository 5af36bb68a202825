"""What is known of base images, and what is not."""

import pytest

from carbide_infra.catalogue.bases import known_base
from tests.unit.catalogue.samples import DIGEST


@pytest.mark.parametrize(
    ("reference", "program", "has"),
    [
        ("alpine", "sh", True),
        ("alpine:3.22", "/bin/sh", True),
        (f"alpine:3.22@{DIGEST}", "nc", True),
        ("mirror.example.com/library/alpine:3", "wget", True),
        ("alpine", "curl", False),
        ("alpine", "/usr/bin/curl", False),
        ("alpine", "/bin/bash", False),
        ("alpine", "grpc_health_probe", False),
        ("alpine", "/app/api", False),
        ("alpine", "sleep", None),
        ("alpine", "/bin/sleep", None),
        ("debian:13-slim", "bash", True),
        ("debian:13-slim", "curl", False),
        ("ubuntu", "wget", False),
        ("gcr.io/distroless/static-debian12", "sh", False),
        ("gcr.io/distroless/base:nonroot", "/bin/sh", False),
        ("gcr.io/distroless/cc:latest", "ls", None),
        ("scratch", "anything", False),
        ("scratch", "/bin/anything", False),
    ],
)
def test_the_programs_of_a_known_base(reference: str, program: str, has: bool | None) -> None:  # noqa: FBT001
    base = known_base(reference)
    assert base is not None
    assert base.has_program(program) is has


@pytest.mark.parametrize(
    "reference",
    [
        "example.com/base/alpine:3",
        "my-alpine",
        "alpine-glibc",
        "nvcr.io/nvidia/distroless/go:v3",
        "gcr.io/distroless/static:debug",
        "gcr.io/distroless/python3",
        "scratch-like",
    ],
)
def test_of_other_bases_nothing_is_known(reference: str) -> None:
    assert known_base(reference) is None


@pytest.mark.parametrize(
    ("reference", "user", "has"),
    [
        ("alpine", "nobody", True),
        ("alpine", "nonroot", False),
        ("debian", "www-data", True),
        ("gcr.io/distroless/static", "nonroot", True),
        ("gcr.io/distroless/static", "www-data", False),
        ("scratch", "root", False),
    ],
)
def test_the_users_of_a_known_base(reference: str, user: str, has: bool) -> None:  # noqa: FBT001
    base = known_base(reference)
    assert base is not None
    assert (user in base.users) == has
