"""The endpoint: what the Pulumi program has to know of the local registry and builder."""

from dataclasses import asdict, dataclass
from pathlib import Path

from carbide_infra.paths import state_dir
from carbide_infra.state_files import read_json, write_json


@dataclass(frozen=True)
class Endpoint:
    """Where images go, and what builds them.

    Attributes:
        registry: host:port, as it stands in image references.
        builder: name of the buildx builder.
        ca_bundle: PEM file of everything to trust, the registry's own CA among it.
        stand_ins: base images that are not the real ones, such as "alpine:latest".
    """

    registry: str
    builder: str
    ca_bundle: str
    stand_ins: tuple[str, ...]


def write_endpoint(root: Path, endpoint: Endpoint) -> None:
    """Keep the endpoint for the programs that come after."""
    write_json(_file(root), asdict(endpoint))


def read_endpoint(root: Path) -> Endpoint | None:
    """Give the endpoint of the last set-up; None before the first, or when its file is damaged."""
    kept = read_json(_file(root))
    registry, builder, ca_bundle = kept.get("registry"), kept.get("builder"), kept.get("ca_bundle")
    stand_ins = kept.get("stand_ins")
    if isinstance(registry, str) and isinstance(builder, str) and isinstance(ca_bundle, str):
        names = stand_ins if isinstance(stand_ins, list) else []
        return Endpoint(registry, builder, ca_bundle, tuple(str(name) for name in names))
    return None


def _file(root: Path) -> Path:
    return state_dir(root) / "endpoint.json"
