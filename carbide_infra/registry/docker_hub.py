"""Docker Hub, or the mirror that stands for it: does it answer?"""

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from carbide_infra.progress import Report
from carbide_infra.registry.errors import RegistryError, Untrusted
from carbide_infra.registry.mirror import MIRROR_VARIABLE, Mirror, configured_mirror
from carbide_infra.registry.transport import Transport

HUB = "registry-1.docker.io"
PROBE_SECONDS = 4.0
# What a registry says to a stranger: come in, or log in first. A company's block page says something else.
_REGISTRY_ANSWERS = frozenset({200, 401})


@dataclass(frozen=True)
class DockerHub:
    """How Docker Hub's images can be had: not at all, from itself, or through a mirror."""

    answers: bool
    mirror: Mirror | None = None


def find_docker_hub(environment: Mapping[str, str], ca_bundle: Path, report: Report) -> DockerHub:
    """Ask the configured mirror, else Docker Hub, once each.

    Raises:
        Untrusted: one of them is there, and this machine lacks the CA of its certificate.
    """
    mirror = configured_mirror(environment)
    if mirror and registry_answers(mirror.url, ca_bundle):
        return DockerHub(answers=True, mirror=mirror)
    if mirror:
        report(f"WARNING: {mirror.url}, the mirror that {MIRROR_VARIABLE} names, does not answer")
    return DockerHub(answers=registry_answers(f"https://{HUB}/v2/", ca_bundle))


def registry_answers(url: str, ca_bundle: Path, seconds: float = PROBE_SECONDS) -> bool:
    """Tell whether a registry answers in time.

    The time holds for all of it: a name look-up that hangs cannot be given a time-out of its own.

    Raises:
        Untrusted: it is there, with a certificate of nobody that this machine trusts.
    """
    answers: list[bool | Untrusted] = []
    probe = Thread(target=lambda: answers.append(_answers(url, ca_bundle, seconds)), daemon=True)
    probe.start()
    probe.join(seconds)
    for answer in answers:
        if isinstance(answer, Untrusted):
            raise answer
    return answers == [True]


def _answers(url: str, ca_bundle: Path, seconds: float) -> "bool | Untrusted":
    # Who asks has a few seconds for all of it.
    environment = {**os.environ, "SSL_CERT_FILE": str(ca_bundle)}
    try:
        with closing(Transport(environment, timeout=seconds, attempts=1)) as transport:
            return transport.send("GET", url, {}).status in _REGISTRY_ANSWERS
    except Untrusted as error:
        return error
    except RegistryError:
        return False
