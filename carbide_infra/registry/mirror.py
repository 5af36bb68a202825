"""The mirror that stands for Docker Hub, as the environment names it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from carbide_infra.errors import SetupError

MIRROR_VARIABLE = "CARBIDE_DOCKERHUB_MIRROR"
_MIRROR = re.compile(r"(?:(https?)://)?([A-Za-z0-9][A-Za-z0-9.-]*(?::\d+)?)((?:/[\w.-]+)*)/?")


@dataclass(frozen=True)
class Mirror:
    """A registry that BuildKit asks for Docker Hub's images.

    Attributes:
        host: its host[:port].
        path: prefix of its repositories, such as "/dockerhub"; mostly empty.
        plain_http: whether it has no TLS.
    """

    host: str
    path: str = ""
    plain_http: bool = False

    @property
    def name(self) -> str:
        """As BuildKit's configuration has it."""
        return self.host + self.path

    @property
    def url(self) -> str:
        """The address at which it answers."""
        return f"{'http' if self.plain_http else 'https'}://{self.host}/v2/"


def configured_mirror(environment: Mapping[str, str]) -> Mirror | None:
    """Read the variable that names a mirror; raise SetupError when it makes no sense."""
    value = environment.get(MIRROR_VARIABLE, "").strip()
    if not value:
        return None
    parts = _MIRROR.fullmatch(value)
    if parts is None:
        message = f"{MIRROR_VARIABLE} = {value!r} names no registry; a good value: mirror.example.com:5000"
        raise SetupError(message)
    return Mirror(host=parts[2], path=parts[3], plain_http=parts[1] == "http")
