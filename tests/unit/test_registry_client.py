"""The registry client against a real server with TLS in this process."""

import base64
import json
import os
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.registry_client.client import RegistryClient
from carbide_infra.registry_client.credentials import Credentials, find_credentials
from carbide_infra.registry_client.errors import Corrupt, Denied, NotFound, RegistryError, Unreachable
from carbide_infra.registry_client.images import compressed_sizes, platforms_of, read_platform
from carbide_infra.registry_client.transport import Transport
from tests.unit.registry_server import INDEX, FakeRegistry, Fault, digest_of, encoded

REPOSITORY = "team/image"
LOGIN = ("$oauthtoken", "s3cr3t")
CONFIGS: dict[str, dict[str, Any]] = {"linux/amd64": {"config": {}}, "linux/arm64": {"config": {}}}


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def transport(tls: tuple[ssl.SSLContext, Path], pauses: list[float]) -> Iterator[Transport]:
    made = Transport({"SSL_CERT_FILE": str(tls[1])}, timeout=5, pause=pauses.append)
    yield made
    made.close()


@pytest.fixture
def client(registry: FakeRegistry, transport: Transport) -> RegistryClient:
    return RegistryClient(registry.server, Credentials(*LOGIN), transport)


def test_index_manifest_and_config_are_read(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = registry.put_image(REPOSITORY, CONFIGS, "1.0")
    index = client.manifest(REPOSITORY, "1.0")
    assert (index.digest, index.is_index) == (digest, True)
    platforms = platforms_of(index)
    assert list(platforms) == ["linux/amd64", "linux/arm64"]
    image = read_platform(client, REPOSITORY, platforms["linux/arm64"])
    assert image.config["architecture"] == "arm64"
    assert client.has_blob(REPOSITORY, image.layers[0])
    assert compressed_sizes(client, REPOSITORY, digest)["linux/arm64"] == image.compressed_size
    assert client.digest_of(REPOSITORY, "1.0") == digest


def test_attestations_are_no_platform(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = {"digest": digest_of(b"a"), "platform": {"os": "unknown", "architecture": "unknown"}}
    registry.put_manifest(REPOSITORY, INDEX, {"manifests": [entry]}, "1.0")
    assert platforms_of(client.manifest(REPOSITORY, "1.0")) == {}


def test_what_is_not_there(registry: FakeRegistry, client: RegistryClient) -> None:
    assert client.digest_of(REPOSITORY, "none") is None
    assert not client.has_blob(REPOSITORY, digest_of(b"none"))
    with pytest.raises(NotFound, match=rf"{registry.server}: team/image/manifests/none is not there: unknown"):
        client.manifest(REPOSITORY, "none")


def test_other_bytes_than_the_digest_promises_are_refused(registry: FakeRegistry, client: RegistryClient) -> None:
    wanted = digest_of(b"wanted")
    registry.manifests[REPOSITORY, wanted] = (INDEX, b"{}")
    registry.blobs[wanted] = b"other"
    with pytest.raises(Corrupt, match="bytes were changed"):
        client.manifest(REPOSITORY, wanted)
    with pytest.raises(Corrupt, match="bytes were changed"):
        client.blob(REPOSITORY, wanted)


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
def test_a_manifest_that_is_no_json_object(registry: FakeRegistry, client: RegistryClient, body: bytes) -> None:
    registry.manifests[REPOSITORY, "1.0"] = (INDEX, body)
    with pytest.raises(Corrupt, match="is no JSON object"):
        _ = client.manifest(REPOSITORY, "1.0").content


def test_basic_login(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.login = LOGIN
    digest = registry.put_image(REPOSITORY, CONFIGS, "1.0")
    assert client.digest_of(REPOSITORY, "1.0") == digest
    assert "Authorization" not in registry.requests[0].headers
    client.digest_of(REPOSITORY, "1.0")
    assert len(registry.requests) == 3


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_a_login_is_changed_for_a_token(registry: FakeRegistry, client: RegistryClient, key: str) -> None:
    registry.login, registry.bearer, registry.token_key = LOGIN, True, key
    digest = registry.put_image(REPOSITORY, CONFIGS, "1.0")
    assert client.digest_of(REPOSITORY, "1.0") == digest
    (asked,) = [request for request in registry.requests if request.path.startswith("/token")]
    assert asked.path == "/token?scope=repository%3Ateam%2Fimage%3Apull&client_id=carbide-infra&service=fake+registry"
    tokens = [request.headers.get("Authorization") for request in registry.requests if request.method == "HEAD"]
    assert tokens == [None, "Bearer token-0"]


def test_an_expired_token_is_renewed_once_for_all_threads(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.login, registry.bearer = LOGIN, True
    registry.put_image(REPOSITORY, CONFIGS, "1.0")
    client.digest_of(REPOSITORY, "1.0")
    registry.tokens.clear()
    registry.tokens.add("token-x")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: client.digest_of(REPOSITORY, "1.0"), range(8)))
    assert None not in found
    assert sum(request.path.startswith("/token") for request in registry.requests) == 2


def test_an_identity_token_is_changed_at_the_token_server(registry: FakeRegistry, transport: Transport) -> None:
    registry.login, registry.bearer, registry.token_key = LOGIN, True, "access_token"
    digest = registry.put_image(REPOSITORY, CONFIGS, "1.0")
    client = RegistryClient(registry.server, Credentials("", identity_token="refresh"), transport)  # noqa: S106
    assert client.digest_of(REPOSITORY, "1.0") == digest
    (asked,) = [request for request in registry.requests if request.path == "/token"]
    assert (asked.method, b"refresh_token=refresh" in asked.body) == ("POST", True)


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
@pytest.mark.parametrize("credentials", [None, Credentials("me", "wrong")])
def test_a_refused_login_says_what_to_set(
    registry: FakeRegistry, transport: Transport, scheme: str, credentials: Credentials | None
) -> None:
    registry.login, registry.bearer = LOGIN, scheme == "bearer"
    client = RegistryClient(registry.server, credentials, transport)
    with pytest.raises(Denied, match=rf"{registry.server}: .*registryPassword") as raised:
        client.manifest(REPOSITORY, "1.0")
    assert "wrong" not in str(raised.value)


def test_a_token_server_without_tls_gets_no_login(registry: FakeRegistry, client: RegistryClient) -> None:
    wish = {"WWW-Authenticate": 'Bearer realm="http://127.0.0.1:1/token",service="s"'}
    registry.faults[f"/v2/{REPOSITORY}/manifests/1.0"] = Fault(401, 1, wish)
    with pytest.raises(RegistryError, match="no TLS"):
        client.manifest(REPOSITORY, "1.0")


def test_storage_on_another_host_does_not_see_the_login(
    registry: FakeRegistry, client: RegistryClient, tls: tuple[ssl.SSLContext, Path]
) -> None:
    registry.login = LOGIN
    with FakeRegistry().running(tls[0]) as storage:
        digest = registry.put_blob(b"content")["digest"]
        storage.put_blob(b"content")
        registry.blobs_elsewhere = storage.address
        assert client.blob(REPOSITORY, digest) == b"content"
        assert client.blob(REPOSITORY, digest) == b"content"
        assert registry.requests[-1].headers["Authorization"]
        assert len(storage.requests) == 2
        assert not any("Authorization" in request.headers for request in storage.requests)


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/x", "/v2/"])
def test_redirects_to_nowhere_end(registry: FakeRegistry, client: RegistryClient, location: str) -> None:
    path = f"/v2/{REPOSITORY}/manifests/1.0"
    target = path if location == "/v2/" else location
    registry.faults[path] = Fault(307, 99, {"Location": target})
    with pytest.raises(RegistryError, match="redirects"):
        client.manifest(REPOSITORY, "1.0")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_waited_for(
    registry: FakeRegistry, client: RegistryClient, pauses: list[float], status: int
) -> None:
    digest = registry.put_image(REPOSITORY, CONFIGS, "1.0")
    registry.faults[f"/v2/{REPOSITORY}/manifests/1.0"] = Fault(status, 2)
    assert client.digest_of(REPOSITORY, "1.0") == digest
    assert pauses == [0.5, 1.0]


def test_the_servers_wish_for_a_pause_counts(
    registry: FakeRegistry, client: RegistryClient, pauses: list[float]
) -> None:
    registry.put_image(REPOSITORY, CONFIGS, "1.0")
    registry.faults[f"/v2/{REPOSITORY}/manifests/1.0"] = Fault(429, 2, {"Retry-After": "3"})
    client.digest_of(REPOSITORY, "1.0")
    assert pauses == [3.0, 3.0]


def test_a_lasting_failure_is_told(registry: FakeRegistry, client: RegistryClient, pauses: list[float]) -> None:
    registry.faults[f"/v2/{REPOSITORY}/manifests/1.0"] = Fault(503, 99)
    with pytest.raises(RegistryError, match=r"answers 503 to team/image/manifests/1\.0"):
        client.manifest(REPOSITORY, "1.0")
    assert len(pauses) == 3


def test_connections_are_reused(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.put_image(REPOSITORY, CONFIGS, "1.0")
    for _ in range(10):
        client.digest_of(REPOSITORY, "1.0")
    assert registry.connections == 1
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: client.digest_of(REPOSITORY, "1.0"), range(40)))
    assert registry.connections <= 4


def test_nobody_there(transport: Transport) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1: cannot be reached .*whether it runs"):
        RegistryClient("127.0.0.1:1", None, transport).ping()


def test_an_unknown_ca_is_named(registry: FakeRegistry) -> None:
    transport = Transport({}, pause=lambda _: None)
    with pytest.raises(Unreachable, match=r"certificate is not trusted .*SSL_CERT_FILE"):
        RegistryClient(registry.server, None, transport).ping()


def test_a_missing_bundle_is_named() -> None:
    with pytest.raises(RegistryError, match=r"SSL_CERT_FILE = '/nowhere\.pem': is no file"):
        Transport({"SSL_CERT_FILE": "/nowhere.pem"})


def test_ping_takes_a_login_page_for_no_registry(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.login = LOGIN
    client.ping()
    registry.faults["/v2/"] = Fault(403, 9)
    with pytest.raises(RegistryError, match="as no registry does"):
        client.ping()


def test_an_upload_is_begun_and_cancelled(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.login, registry.bearer = LOGIN, True
    client.check_upload(REPOSITORY)
    assert registry.uploads == {REPOSITORY: 0}
    assert registry.requests[-1].method == "DELETE"
    assert any("pull%2Cpush" in request.path for request in registry.requests)


def test_a_present_blob_is_offered_instead_of_an_upload(registry: FakeRegistry, client: RegistryClient) -> None:
    client.check_upload(REPOSITORY, registry.put_blob(b"there")["digest"])
    assert [request.method for request in registry.requests] == ["POST"]
    assert not registry.uploads


def test_a_reader_may_not_upload(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.faults[f"/v2/{REPOSITORY}/blobs/uploads/"] = Fault(403, 9)
    with pytest.raises(Denied, match="an upload to team/image"):
        client.check_upload(REPOSITORY)


def test_a_proxy_serves_all_but_the_exempt(registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path]) -> None:
    environment = {"SSL_CERT_FILE": str(tls[1]), "HTTPS_PROXY": "http://127.0.0.1:1"}
    with pytest.raises(Unreachable):
        RegistryClient(registry.server, None, Transport(environment, pause=lambda _: None)).ping()
    RegistryClient(registry.server, None, Transport({**environment, "NO_PROXY": "127.0.0.1"})).ping()


def docker_config(folder: Path, content: object) -> dict[str, str]:
    (folder / "config.json").write_bytes(encoded(content))
    return {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}{os.pathsep}{os.defpath}"}


def test_the_stacks_login_comes_first(tmp_path: Path) -> None:
    auth = base64.b64encode(b"docker:login").decode()
    environment = docker_config(tmp_path, {"auths": {"nvcr.io": {"auth": auth}}})
    assert find_credentials("nvcr.io", "me", "mine", environment) == Credentials("me", "mine")
    assert find_credentials("nvcr.io", "me", None, environment) == Credentials("docker", "login")
    assert find_credentials("other.io", None, None, environment) is None
    assert find_credentials("nvcr.io", None, None, {"DOCKER_CONFIG": str(tmp_path / "none")}) is None


def test_docker_hub_has_a_key_of_its_own(tmp_path: Path) -> None:
    auth = base64.b64encode(b"me:mine").decode()
    environment = docker_config(tmp_path, {"auths": {"https://index.docker.io/v1/": {"auth": auth}}})
    assert find_credentials("docker.io", None, None, environment) == Credentials("me", "mine")


@pytest.mark.parametrize("username", ["me", "<token>"])
def test_a_credential_helper_is_asked(tmp_path: Path, username: str) -> None:
    environment = docker_config(tmp_path, {"credsStore": "test"})
    helper = tmp_path / "docker-credential-test"
    answer = json.dumps({"Username": username, "Secret": "hidden"})
    helper.write_text(f"#!/bin/sh\n[ \"$1 $(cat)\" = 'get nvcr.io' ] && echo '{answer}'\n")
    helper.chmod(0o755)
    wanted = Credentials("me", "hidden") if username == "me" else Credentials("", identity_token="hidden")  # noqa: S106
    assert find_credentials("nvcr.io", None, None, environment) == wanted
    assert find_credentials("other.io", None, None, environment) is None
    assert "hidden" not in repr(wanted)


@pytest.mark.parametrize("content", ["{", '{"auths": {"nvcr.io": {"auth": "?"}}}', '{"credsStore": "missing"}'])
def test_a_broken_docker_configuration_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(RegistryError, match=r"config\.json|docker-credential-missing"):
        find_credentials("nvcr.io", None, None, {"DOCKER_CONFIG": str(tmp_path), "PATH": os.defpath})
