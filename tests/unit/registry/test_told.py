"""Why nobody told a digest, in a sentence that says what to do."""

import pytest

from carbide_infra.registry.errors import Denied, NotFound, RegistryError, Unreachable
from carbide_infra.registry.told import why_unknown


@pytest.mark.parametrize(
    ("text", "problem", "sentence"),
    [
        (
            "nvcr.io/x:1",
            NotFound("nvcr.io: x/manifests/1 is not there"),
            "nvcr.io has no such image; check repository and tag",
        ),
        (
            "nvcr.io/x:1",
            Denied("nvcr.io: does not let us in; check the login"),
            (
                "nvcr.io refuses to show it to us (does not let us in); check its name, and log in with docker login "
                "nvcr.io or the config key registryLogins"
            ),
        ),
        (
            "nvcr.io/x:1",
            Unreachable("nvcr.io: cannot be reached; check the network"),
            "nvcr.io gives no answer (cannot be reached); check the network",
        ),
        ("nvcr.io/x:1", RegistryError("strange"), "nvcr.io gives no answer (strange); try again later"),
        (
            "alpine:3",
            Unreachable("docker.io: is silent; wait"),
            "docker.io gives no answer (is silent); wait, or name a mirror with CARBIDE_DOCKERHUB_MIRROR",
        ),
    ],
)
def test_why_a_digest_is_not_known(text: str, problem: RegistryError, sentence: str) -> None:
    assert why_unknown("runtimeImage", text, problem) == f"runtimeImage = {text}: {sentence}"
