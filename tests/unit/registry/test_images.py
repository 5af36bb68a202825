"""Images in a registry: platforms, sizes, and what is not an image."""

from typing import Any

import pytest

from carbide_infra.registry.client import Manifest, RegistryClient
from carbide_infra.registry.errors import Corrupt, NotFound
from carbide_infra.registry.images import (
    Layer,
    compressed_sizes,
    platform_name,
    platforms_in,
    platforms_of,
    read_platform,
    size_of,
    split_reference,
)
from tests.support.registry_server import CONFIG, DOCKER_LIST, INDEX, LAYER, MANIFEST, FakeRegistry, digest_of, encoded

REPOSITORY = "team/image"
CONFIGS: dict[str, dict[str, Any]] = {"linux/amd64": {"config": {}}, "linux/arm64": {"config": {"User": "1"}}}


def manifest(content: object, media_type: str = INDEX) -> Manifest:
    return Manifest(digest_of(encoded(content)), media_type, encoded(content))


def test_index_manifest_and_config_are_read(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.put_image(REPOSITORY, CONFIGS, "1.0")
    platforms = platforms_in(client, REPOSITORY, client.manifest(REPOSITORY, "1.0"))
    assert list(platforms) == ["linux/amd64", "linux/arm64"]
    image = read_platform(client, REPOSITORY, platforms["linux/arm64"])
    config = {"os": "linux", "architecture": "arm64", "config": {"User": "1"}}
    assert (image.digest, image.config) == (platforms["linux/arm64"], config)
    assert image.config_digest == digest_of(encoded(config))
    assert image.layers == (Layer(digest_of(b"llinux/arm64"), len(b"llinux/arm64"), LAYER),)
    assert image.compressed_size == len(encoded(config)) + len(b"llinux/arm64")
    assert "'User'" not in repr(image)


def test_a_layer_need_not_say_what_it_is(registry: FakeRegistry, client: RegistryClient) -> None:
    content = {"config": registry.put_blob(b"{}"), "layers": [{"digest": "sha256:1", "size": "7"}]}
    digest = registry.put_manifest(REPOSITORY, MANIFEST, content)
    assert read_platform(client, REPOSITORY, digest).layers == (Layer("sha256:1", 7, ""),)


def test_sizes_are_those_of_config_and_layers(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = registry.put_image(REPOSITORY, CONFIGS, "1.0", layer=b"four")
    configs = [{"os": "linux", "architecture": name, **CONFIGS[f"linux/{name}"]} for name in ("amd64", "arm64")]
    sizes = [len(encoded(config)) + len(f"fourlinux/{config['architecture']}") for config in configs]
    for reference in ("1.0", digest):
        assert compressed_sizes(client, REPOSITORY, reference) == dict(zip(CONFIGS, sizes, strict=True))
    content = {"config": {"size": 1}, "layers": [{"size": 10}, {"size": "100"}]}
    assert size_of(manifest(content, MANIFEST)) == 111
    assert size_of(manifest(content | {"layers": []}, MANIFEST)) == 1


def test_an_image_without_an_index_is_of_its_configs_platform(registry: FakeRegistry, client: RegistryClient) -> None:
    config = registry.put_blob(encoded({"os": "linux", "architecture": "arm64", "variant": "v8"}))
    digest = registry.put_manifest(REPOSITORY, MANIFEST, {"config": {"mediaType": CONFIG, **config}, "layers": []})
    assert platforms_in(client, REPOSITORY, client.manifest(REPOSITORY, digest)) == {"linux/arm64/v8": digest}
    del registry.blobs[config["digest"]]
    with pytest.raises(NotFound):
        platforms_in(client, REPOSITORY, client.manifest(REPOSITORY, digest))


def test_dockers_own_lists_are_indexes(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = {"digest": "sha256:1", "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}}
    digest = registry.put_manifest(REPOSITORY, DOCKER_LIST, {"manifests": [entry]})
    assert platforms_in(client, REPOSITORY, client.manifest(REPOSITORY, digest)) == {"linux/arm/v7": "sha256:1"}


@pytest.mark.parametrize("platform", [{"os": "unknown", "architecture": "unknown"}, {}, None])
def test_attestations_are_no_platform(platform: dict[str, str] | None) -> None:
    image = {"digest": "sha256:1", "platform": {"os": "linux", "architecture": "amd64"}}
    entries = [{"digest": "sha256:2", "platform": platform}, image, {"digest": "sha256:3"}]
    assert platforms_of(manifest({"manifests": entries})) == {"linux/amd64": "sha256:1"}


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"os": "linux", "architecture": "amd64"}, "linux/amd64"),
        ({"variant": "v8", "architecture": "arm64", "os": "linux", "os.version": "1"}, "linux/arm64/v8"),
        ({"os": "linux", "architecture": "amd64", "variant": ""}, "linux/amd64"),
        ({"os": "linux"}, "linux"),
        ({}, "unknown"),
    ],
)
def test_names_of_platforms(entry: dict[str, str], name: str) -> None:
    assert platform_name(entry) == name


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("nvcr.io/my-org/my-team/image", ("nvcr.io", "my-org/my-team/image")),
        ("vm:5443/carbide/image", ("vm:5443", "carbide/image")),
    ],
)
def test_a_name_is_server_and_repository(name: str, parts: tuple[str, str]) -> None:
    assert split_reference(name) == parts


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"manifests": {}},
        {"manifests": "text"},
        {"manifests": ["text"]},
        {"manifests": [None]},
        {"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]},
        {"manifests": [{"digest": "sha256:1", "platform": "linux/amd64"}]},
    ],
)
def test_what_is_no_index(content: object) -> None:
    index = manifest(content)
    with pytest.raises(Corrupt, match=f"{index.digest}: is not an image index; push the image again"):
        platforms_of(index)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"config": {"digest": "sha256:1", "size": 1}},
        {"config": {"size": 1}, "layers": []},
        {"config": {"digest": "sha256:1"}, "layers": []},
        {"config": "sha256:1", "layers": []},
        {"config": {"digest": "sha256:1", "size": 1}, "layers": [{"size": 1}]},
        {"config": {"digest": "sha256:1", "size": 1}, "layers": [{"digest": "sha256:2"}]},
        {"config": {"digest": "sha256:1", "size": 1}, "layers": None},
        {"config": {"digest": "sha256:1", "size": "much"}, "layers": []},
    ],
)
def test_what_is_no_manifest(registry: FakeRegistry, client: RegistryClient, content: object) -> None:
    digest = registry.put_manifest(REPOSITORY, MANIFEST, content)
    with pytest.raises(Corrupt, match=f"{digest}: is not an image manifest .*; push the image again"):
        read_platform(client, REPOSITORY, digest)


def test_a_damaged_config_is_no_image(registry: FakeRegistry, client: RegistryClient) -> None:
    config = registry.put_blob(b"{}")
    layers = [{"mediaType": LAYER, **registry.put_blob(b"layer")}]
    digest = registry.put_manifest(REPOSITORY, MANIFEST, {"config": config, "layers": layers})
    registry.blobs[config["digest"]] = b"[]"
    with pytest.raises(Corrupt, match="bytes were changed"):
        read_platform(client, REPOSITORY, digest)
    del registry.blobs[config["digest"]]
    with pytest.raises(NotFound, match=f"team/image/blobs/{config['digest']} is not there"):
        read_platform(client, REPOSITORY, digest)
