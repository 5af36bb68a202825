"""Drift: which resources of a state a refresh has to forget, so that the next update makes them anew."""

import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import RegistryError
from carbide_infra.registry.transport import Transport
from carbide_infra.stack.drift import Drift, damaged_images, drift_in, moved_aliases, moved_releases
from tests.support.registry_server import FakeRegistry, Fault, digest_of

REPOSITORY = "team/image"
PLATFORMS = ("linux/amd64", "linux/arm64")
IMAGE, INDEX = "docker-build:index:Image", "docker-build:index:Index"


@pytest.fixture
def client(registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path]) -> RegistryClient:
    return RegistryClient(registry.server, None, Transport({"SSL_CERT_FILE": str(tls[1])}, pause=lambda _: None))


def push(registry: FakeRegistry, repository: str = REPOSITORY) -> str:
    return registry.put_image(repository, {name: {} for name in PLATFORMS}, "1.4.0-key", "1.4.0")


def image(registry: FakeRegistry, digest: str, repository: str = REPOSITORY) -> dict[str, Any]:
    # The first tag is the image's own.
    tags = [f"{registry.server}/{repository}:{tag}" for tag in ("1.4.0-key", "none")]
    return {"urn": f"urn of {repository}", "type": IMAGE, "outputs": {"tags": tags, "digest": digest}}


def problem(registry: FakeRegistry, digest: str, client: RegistryClient) -> str:
    (drift,) = damaged_images([image(registry, digest)], client)
    assert drift.urn == f"urn of {REPOSITORY}"
    return drift.reason


def parts(registry: FakeRegistry, digest: str) -> list[dict[str, Any]]:
    """The manifests that an index names."""
    return list(json.loads(registry.manifests[REPOSITORY, digest][1])["manifests"])


def test_a_whole_image_is_no_drift(registry: FakeRegistry, client: RegistryClient) -> None:
    assert damaged_images([image(registry, push(registry))], client) == []


@pytest.mark.parametrize("platform", [0, 1])
def test_a_lost_manifest_is_drift(registry: FakeRegistry, client: RegistryClient, platform: int) -> None:
    digest = push(registry)
    lost = parts(registry, digest)[platform]["digest"]
    del registry.manifests[REPOSITORY, lost]
    assert f"{REPOSITORY}/manifests/{lost} is not there" in problem(registry, digest, client)


def test_a_lost_index_is_drift_even_where_the_tag_is_there(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = push(registry)
    del registry.manifests[REPOSITORY, digest]
    assert f"{REPOSITORY}/manifests/{digest} is not there" in problem(registry, digest, client)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_lost_layer_is_drift(registry: FakeRegistry, client: RegistryClient, platform: str) -> None:
    digest, layer = push(registry), digest_of(f"l{platform}".encode())
    del registry.blobs[layer]
    told = f"{registry.server}/{REPOSITORY}@{digest}: layer {layer} of {platform} is not there"
    assert problem(registry, digest, client) == told


def test_a_lost_or_changed_config_is_drift(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = push(registry)
    manifest = json.loads(registry.manifests[REPOSITORY, parts(registry, digest)[1]["digest"]][1])
    config = manifest["config"]["digest"]
    registry.blobs[config] = b"{}"
    assert "bytes were changed" in problem(registry, digest, client)
    del registry.blobs[config]
    assert f"blobs/{config} is not there" in problem(registry, digest, client)


def test_a_changed_manifest_is_drift(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = push(registry)
    kind, body = registry.manifests[REPOSITORY, digest]
    registry.manifests[REPOSITORY, digest] = kind, body + b" "
    assert digest in problem(registry, digest, client)


def test_a_tag_of_its_own_that_is_lost_or_moved_is_drift(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = push(registry)
    other = registry.put_image(REPOSITORY, {"linux/s390x": {}}, "1.4.0-key")
    name = f"{registry.server}/{REPOSITORY}:1.4.0-key"
    assert problem(registry, digest, client) == f"{name} points at {other}, not at {digest}"
    del registry.manifests[REPOSITORY, "1.4.0-key"]
    assert problem(registry, digest, client) == f"{name} points at nothing, not at {digest}"


def test_each_damaged_image_is_named_and_no_other_resource(registry: FakeRegistry, client: RegistryClient) -> None:
    resources: list[dict[str, Any]] = [{"urn": "urn of the stack", "type": "pulumi:pulumi:Stack"}]
    for name in ("a", "b", "c"):
        repository = f"team/{name}"
        resources += [image(registry, push(registry, repository), repository), alias(f"sha256:{name}", "1", name)]
    for name in ("b", "c"):
        del registry.manifests[f"team/{name}", "1.4.0-key"]
    assert [drift.urn for drift in damaged_images(resources, client)] == ["urn of team/b", "urn of team/c"]
    assert all(
        f"/team/{name}:" in drift.reason for name, drift in zip("bc", damaged_images(resources, client), strict=True)
    )


def test_a_registry_without_an_answer_is_no_drift_but_an_error(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = push(registry)
    registry.faults[f"/v2/{REPOSITORY}/manifests/1.4.0-key"] = Fault(403, 9)
    with pytest.raises(RegistryError, match=REPOSITORY):
        damaged_images([image(registry, digest)], client)


def alias(actual: str, wanted: str, name: str = "x") -> dict[str, Any]:
    tag = f"r:5443/{name}:1.4.0"
    return {
        "urn": f"urn of {name}'s alias",
        "type": INDEX,
        "inputs": {"sources": [f"r:5443/{name}@sha256:{wanted}"], "tag": tag},
        "outputs": {"tag": tag, "ref": f"{tag}@{actual}" if actual else tag},
    }


def test_a_moved_alias_is_drift_and_no_other_resource() -> None:
    resources: list[dict[str, Any]] = [
        {"urn": "urn of the stack", "type": "pulumi:pulumi:Stack"},
        {"urn": "urn of x", "type": IMAGE, "outputs": {"tag": "r/x:1", "ref": "r/x:1@b"}, "inputs": {"sources": ["x"]}},
        alias("sha256:a", "a", "here"),
        alias("sha256:b", "a", "moved"),
        alias("", "a", "gone"),
    ]
    assert moved_aliases(resources) == [
        Drift("urn of moved's alias", "r:5443/moved:1.4.0 points at sha256:b, not at sha256:a"),
        Drift("urn of gone's alias", "r:5443/gone:1.4.0 points at nothing, not at sha256:a"),
    ]


def test_an_alias_goes_with_its_image(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = push(registry)
    del registry.manifests[REPOSITORY, "1.4.0-key"]
    lost = image(registry, digest)
    resources = [
        lost,
        {**alias("sha256:b", "a", "its"), "dependencies": [lost["urn"]]},
        alias("sha256:b", "a", "other"),
    ]
    assert [drift.urn for drift in drift_in(resources, client)] == [lost["urn"], "urn of other's alias"]


def test_a_released_version_that_moved_is_told(registry: FakeRegistry, client: RegistryClient) -> None:
    """Row 11: no update puts it back, so it is nothing to forget."""
    name = f"{registry.server}/{REPOSITORY}"
    images = {"x": {"repository": name, "tags": ["1.5.0-key", "1.5.0"]}}
    whole = push(registry)
    registry.manifests[REPOSITORY, "released-1.4.0"] = registry.manifests[REPOSITORY, whole]
    registry.manifests.pop((REPOSITORY, "1.4.0"), None)
    assert moved_releases(images, client) == [f"{name}:1.4.0 points at nothing, and was released as {whole}"]
    registry.manifests[REPOSITORY, "1.4.0"] = registry.manifests[REPOSITORY, whole]
    assert moved_releases(images, client) == []
    other = registry.put_image(REPOSITORY, {"linux/s390x": {}}, "1.4.0")
    assert moved_releases(images, client) == [f"{name}:1.4.0 points at {other}, and was released as {whole}"]
