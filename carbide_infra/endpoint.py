"""The endpoint: what the Pulumi program has to know of the local registry and builder."""

import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from carbide_infra.errors import SetupError
from carbide_infra.paths import state_dir
from carbide_infra.settings import LOCAL_REGISTRY
from carbide_infra.state_files import read_json, write_json

_ANSWER_SECONDS = 2.0


@dataclass(frozen=True)
class Endpoint:
    """Where images go, and what builds them.

    Attributes:
        registry: host:port, as it stands in image references.
        builder: name of the buildx builder.
        ca_bundle: PEM file of everything to trust, the registry's own CA among it.
        stand_ins: base images that are not the real ones, such as "alpine:latest", with the digests that they have
            in that registry.
        bases: base images that it was set up for.
        has_hub: whether Docker Hub answered, or a mirror of it, so that nothing is stood in for.
    """

    registry: str
    builder: str
    ca_bundle: str
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    bases: tuple[str, ...] = ()
    has_hub: bool = False

    def beside(self, before: "Endpoint | None") -> "Endpoint":
        """The same, with what was set up for other stacks: an image's base decides about its label, and no command.

        Where Docker Hub comes or goes, nothing of before holds any more.
        """
        if before is None or before.registry != self.registry or before.has_hub != self.has_hub:
            return self
        return replace(
            self,
            stand_ins={**before.stand_ins, **self.stand_ins},
            bases=tuple(dict.fromkeys((*before.bases, *self.bases))),
        )


def write_endpoint(root: Path, endpoint: Endpoint) -> None:
    """Keep the endpoint for the programs that come after."""
    write_json(_file(root), asdict(endpoint))


def read_endpoint(root: Path) -> Endpoint | None:
    """Give the endpoint of the last set-up; None before the first, or when its file is damaged."""
    kept = read_json(_file(root))
    registry, builder, ca_bundle = kept.get("registry"), kept.get("builder"), kept.get("ca_bundle")
    stand_ins = kept.get("stand_ins") or {}
    if all(isinstance(text, str) for text in (registry, builder, ca_bundle)) and isinstance(stand_ins, dict):
        named = {str(name): str(digest) for name, digest in stand_ins.items()}
        bases, has_hub = _names(kept.get("bases")), kept.get("has_hub") is True
        return Endpoint(str(registry), str(builder), str(ca_bundle), named, bases, has_hub=has_hub)
    return None


def registry_server(configured: str, root: Path) -> str:
    """Give the registry that a stack's `registryServer` means: 'local' is the one of this checkout.

    Raises:
        SetupError: no local registry was set up yet.
    """
    if configured != LOCAL_REGISTRY:
        return configured
    endpoint = read_endpoint(root)
    if endpoint is None:
        message = "registryServer = 'local': no local registry was set up in this checkout; run make local-up"
        raise SetupError(message)
    return endpoint.registry


def stand_ins_of(configured: str, root: Path) -> Mapping[str, str]:
    """Give the base images that have stand-ins here, with their digests; none for images that leave this machine."""
    endpoint = read_endpoint(root) if configured == LOCAL_REGISTRY else None
    return endpoint.stand_ins if endpoint else {}


def require_running(server: str) -> None:
    """Refuse to push to a local registry that was stopped.

    Raises:
        SetupError: nobody listens there.
    """
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        message = f"registryServer = 'local': the registry of this checkout, {server}, is down; run make local-up"
        raise SetupError(message) from error


def _names(kept: object) -> tuple[str, ...]:
    return tuple(str(name) for name in kept) if isinstance(kept, list) else ()


def _file(root: Path) -> Path:
    return state_dir(root) / "endpoint.json"
