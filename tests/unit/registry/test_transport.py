"""How the client reaches a registry: failures that pass, redirects, proxies, trust; over real connections."""

import base64
import gzip
import socket
import ssl
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest

from carbide_infra.registry import client as client_module
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.docker_hub import HUB
from carbide_infra.registry.errors import Corrupt, RegistryError, Unreachable
from carbide_infra.registry.transport import Download, Origin, Transport
from tests.support.proxy_server import FakeProxy
from tests.support.registry_server import INDEX, LOGIN, FakeRegistry, Fault, digest_of, encoded

REPOSITORY = "team/image"
TAG = f"/v2/{REPOSITORY}/manifests/1.0"
UPLOADS = f"/v2/{REPOSITORY}/blobs/uploads/"


@pytest.fixture
def digest(registry: FakeRegistry) -> str:
    """An image under the tag 1.0."""
    return registry.put_manifest(REPOSITORY, INDEX, {"manifests": []}, "1.0")


def anonymous(server: str, environment: dict[str, str], timeout: float = 5.0) -> RegistryClient:
    """A client that waits for nothing between two attempts."""
    return RegistryClient(server, None, Transport(environment, timeout=timeout, pause=lambda _: None))


# ---- Failures.


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_failure_is_waited_for(
    registry: FakeRegistry, client: RegistryClient, digest: str, pauses: list[float], status: int
) -> None:
    registry.faults[TAG] = Fault(status, 3)
    assert client.digest_of(REPOSITORY, "1.0") == digest
    assert pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("wish", "pause"),
    [("3", 3.0), (" 3 ", 3.0), ("0", 0.0), ("10", 10.0), ("3600", 10.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
@pytest.mark.usefixtures("digest")
def test_the_servers_wish_for_a_pause_counts_within_reason(
    registry: FakeRegistry, client: RegistryClient, pauses: list[float], wish: str, pause: float
) -> None:
    registry.faults[TAG] = Fault(429, 1, {"Retry-After": wish})
    client.digest_of(REPOSITORY, "1.0")
    assert pauses == [pause]


def test_a_lasting_failure_is_told(registry: FakeRegistry, client: RegistryClient, pauses: list[float]) -> None:
    registry.faults[TAG] = Fault(503, 99)
    with pytest.raises(RegistryError, match=r"answers 503 to team/image/manifests/1\.0.*; try again later"):
        client.manifest(REPOSITORY, "1.0")
    assert pauses == [0.5, 1.0, 2.0]
    assert registry.asked == [f"GET {TAG}"] * 4


@pytest.mark.parametrize("status", [400, 403, 404, 418])
def test_what_does_not_pass_is_not_waited_for(
    registry: FakeRegistry, client: RegistryClient, pauses: list[float], status: int
) -> None:
    registry.faults[TAG] = Fault(status, 99)
    with pytest.raises(RegistryError):
        client.manifest(REPOSITORY, "1.0")
    assert (len(registry.requests), pauses) == (1, [])


@pytest.mark.parametrize("fault", [Fault(503, 1), Fault(0, 1)])
def test_an_upload_is_begun_once_only(registry: FakeRegistry, client: RegistryClient, fault: Fault) -> None:
    registry.faults[UPLOADS] = fault
    with pytest.raises(RegistryError):
        client.check_upload(REPOSITORY)
    assert registry.asked == [f"POST {UPLOADS}"]


def test_a_manifest_is_put_again(registry: FakeRegistry, client: RegistryClient, digest: str) -> None:
    registry.faults[f"/v2/{REPOSITORY}/manifests/1.1"] = Fault(503, 1, method="PUT")
    client.tag(REPOSITORY, "1.1", digest)
    assert client.digest_of(REPOSITORY, "1.1") == digest


def test_the_end_of_an_upload_is_asked_for_again(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.faults[f"{UPLOADS}1"] = Fault(503, 1)
    client.check_upload(REPOSITORY)
    assert registry.uploads == {REPOSITORY: 0}


def test_a_server_that_hangs_up_is_asked_again(registry: FakeRegistry, client: RegistryClient, digest: str) -> None:
    registry.faults[TAG] = Fault(0, 2)
    assert client.manifest(REPOSITORY, "1.0").digest == digest


def test_a_kept_connection_that_has_ended_is_no_failure(
    registry: FakeRegistry, client: RegistryClient, digest: str, pauses: list[float]
) -> None:
    client.ping()
    registry.faults[TAG] = Fault(0, 1)
    assert client.manifest(REPOSITORY, "1.0").digest == digest
    assert len(pauses) == 1


def test_a_body_that_ends_early_is_read_again(
    registry: FakeRegistry, client: RegistryClient, digest: str, pauses: list[float]
) -> None:
    body = registry.manifests[REPOSITORY, "1.0"][1]
    registry.faults[TAG] = Fault(200, 2, {"Content-Type": INDEX}, body[:9], length=len(body))
    assert client.manifest(REPOSITORY, "1.0").digest == digest
    assert pauses == [0.5, 1.0]


def test_a_body_that_always_ends_early_is_no_damage_in_the_registry(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    registry.faults[TAG] = Fault(200, 99, {"Content-Type": INDEX}, b"{", length=2)
    with pytest.raises(Unreachable, match=rf"{registry.server}: cannot be reached \(.*1 bytes read, 1 more expected"):
        client.manifest(REPOSITORY, "1.0")
    assert len(registry.requests) == 4


def test_failures_of_both_kinds_count_together(tls: tuple[ssl.SSLContext, Path], registry: FakeRegistry) -> None:
    registry.faults["/v2/"] = Fault(503, 1)
    ends_early = Fault(200, 99, {}, b"{", length=2)
    transport = Transport(
        {"SSL_CERT_FILE": str(tls[1])}, pause=lambda _: registry.faults.update({"/v2/": ends_early}), attempts=3
    )
    with pytest.raises(Unreachable):
        transport.send("GET", f"{registry.address}/v2/", {})
    assert len(registry.requests) == 3


def test_what_is_not_to_be_repeated_is_not_where_its_answer_ends_early(
    registry: FakeRegistry, transport: Transport
) -> None:
    registry.faults[UPLOADS] = Fault(202, 99, {}, b"{", length=2)
    with pytest.raises(Unreachable):
        transport.send("POST", f"{registry.address}{UPLOADS}", {})
    assert len(registry.requests) == 1


def test_a_body_longer_than_it_says_spoils_no_later_answer(registry: FakeRegistry, client: RegistryClient) -> None:
    content = encoded({"os": "linux"})
    digest = registry.put_blob(content)["digest"]
    registry.faults[f"/v2/{REPOSITORY}/blobs/{digest}"] = Fault(200, 1, {}, content, length=5)
    with pytest.raises(Corrupt, match="bytes were changed"):
        client.blob(REPOSITORY, digest)
    assert client.blob(REPOSITORY, digest) == content


def test_a_body_beyond_all_measure_is_not_kept(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = digest_of(b"")
    registry.faults[f"/v2/{REPOSITORY}/blobs/{digest}"] = Fault(200, 99, {}, bytes(64 * 1024 * 1024 + 1))
    with pytest.raises(RegistryError, match="is larger than 67108864 bytes"):
        client.blob(REPOSITORY, digest)
    assert len(registry.requests) == 1


def test_a_body_as_large_as_allowed_is_read(
    registry: FakeRegistry, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carbide_infra.registry.transport.LARGEST_BODY", 9)
    registry.faults["/x"] = Fault(200, 1, {}, bytes(9))
    assert transport.send("GET", f"{registry.address}/x", {}).body == bytes(9)


def test_a_server_that_stays_silent_is_not_waited_for_long(
    registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path], pauses: list[float]
) -> None:
    registry.faults["/v2/"] = Fault(200, 99, silence=0.5)
    transport = Transport({"SSL_CERT_FILE": str(tls[1])}, timeout=0.05, pause=pauses.append)
    with pytest.raises(Unreachable, match=rf"{registry.server}: does not answer in time; .*HTTPS_PROXY"):
        RegistryClient(registry.server, None, transport).ping()
    # Not the requests: a busy machine may be too slow for so short a handshake.
    assert len(pauses) == 3


def test_a_server_that_takes_no_connection_is_not_waited_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        # One waits to be taken, and there is no place for another.
        with socket.create_connection(address), pytest.raises(Unreachable, match="does not answer in time"):
            Transport({}, timeout=0.05, attempts=1).send("GET", f"http://127.0.0.1:{address[1]}/", {})


def test_nobody_there(transport: Transport, pauses: list[float]) -> None:
    with pytest.raises(
        Unreachable, match=r"127\.0\.0\.1:1: cannot be reached \(\[Errno \d+\] [\w ]+\); .*whether it runs"
    ):
        RegistryClient("127.0.0.1:1", None, transport).ping()
    assert pauses == [0.5, 1.0, 2.0]


# ---- Connections.


@pytest.mark.usefixtures("digest")
def test_connections_are_reused(registry: FakeRegistry, client: RegistryClient) -> None:
    for _ in range(10):
        client.digest_of(REPOSITORY, "1.0")
    assert registry.connections == 1
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: client.digest_of(REPOSITORY, "1.0"), range(40)))
    assert registry.connections <= 4


def test_the_end_of_a_client_ends_its_connections(registry: FakeRegistry, client: RegistryClient) -> None:
    with client:
        client.ping()
    client.ping()
    assert registry.connections == 2


def test_the_program_says_who_it_is(registry: FakeRegistry, client: RegistryClient) -> None:
    client.ping()
    assert registry.requests[0].headers["User-Agent"] == "carbide-infra"


def test_a_registry_may_do_without_tls_where_that_is_said(transport: Transport) -> None:
    with FakeRegistry().running(None) as registry:
        digest = registry.put_manifest(REPOSITORY, INDEX, {"manifests": []}, "1.0")
        client = RegistryClient(registry.server, None, transport, plain_http=True)
        assert client.digest_of(REPOSITORY, "1.0") == digest
        with pytest.raises(Unreachable):
            RegistryClient(registry.server, None, transport).ping()


def test_the_ports_of_the_schemes_need_not_be_said() -> None:
    assert Origin.of("https://registry.example:443/v2/") == Origin.of("https://registry.example")
    assert Origin.of("http://registry.example:80/v2/") == Origin.of("http://registry.example")
    assert str(Origin.of("https://registry.example:443")) == "registry.example"


def test_a_port_that_is_none_is_named() -> None:
    with pytest.raises(RegistryError, match=r"https://registry\.example:port/: is not an http or https address"):
        Origin.of("https://registry.example:port/")


def test_what_shows_an_answer_does_not_show_its_body(registry: FakeRegistry, transport: Transport) -> None:
    registry.faults["/token"] = Fault(200, 1, {}, b"s3cr3t")
    answer = transport.send("GET", f"{registry.address}/token", {})
    assert answer.body == b"s3cr3t"
    assert "s3cr3t" not in repr(answer)


# ---- Redirects.


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


def test_the_login_is_not_given_to_who_sends_back(
    registry: FakeRegistry, client: RegistryClient, tls: tuple[ssl.SSLContext, Path]
) -> None:
    registry.login = LOGIN
    with FakeRegistry().running(tls[0]) as storage:
        path = f"/v2/{REPOSITORY}/blobs/{registry.put_blob(b'content')['digest']}"
        storage.faults[path] = Fault(307, 1, {"Location": f"{registry.address}/stolen"})
        registry.blobs_elsewhere = storage.address
        with pytest.raises(RegistryError):
            client.has_blob(REPOSITORY, path.rpartition("/")[2])
        stolen = [request for request in registry.requests if request.path == "/stolen"]
        assert [request.headers.get("Authorization") for request in stolen] == [None]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_keeps_login_and_wishes(
    registry: FakeRegistry, client: RegistryClient, digest: str, status: int
) -> None:
    registry.login = LOGIN
    client.digest_of(REPOSITORY, "1.0")
    registry.faults[TAG] = Fault(status, 1, {"Location": f"/v2/{REPOSITORY}/manifests/{digest}"})
    assert client.manifest(REPOSITORY, "1.0").digest == digest
    assert registry.asked[-2:] == [f"GET {TAG}", f"GET /v2/{REPOSITORY}/manifests/{digest}"]


def test_a_redirect_to_where_there_is_no_tls_is_not_followed(registry: FakeRegistry, client: RegistryClient) -> None:
    with FakeRegistry().running(None) as plain:
        registry.faults[TAG] = Fault(307, 99, {"Location": f"{plain.address}/x"})
        with pytest.raises(
            RegistryError, match=rf"{registry.server}: redirects to {plain.address}/x, which has no TLS"
        ):
            client.manifest(REPOSITORY, "1.0")
        assert plain.requests == []


@pytest.mark.parametrize("location", ["ftp://registry.example/x", "https://:1/x"])
def test_a_redirect_to_no_address_is_named(registry: FakeRegistry, client: RegistryClient, location: str) -> None:
    registry.faults[TAG] = Fault(307, 99, {"Location": location})
    with pytest.raises(RegistryError, match=f"{location}: is not an http or https address"):
        client.manifest(REPOSITORY, "1.0")


@pytest.mark.parametrize(("times", "ends"), [(4, True), (5, False)])
def test_redirects_go_on_five_times_at_most(
    registry: FakeRegistry, client: RegistryClient, digest: str, times: int, *, ends: bool
) -> None:
    registry.faults[TAG] = Fault(307, times, {"Location": TAG})
    if ends:
        assert client.digest_of(REPOSITORY, "1.0") == digest
    else:
        with pytest.raises(RegistryError, match=rf"{registry.server}: redirects more than 5 times"):
            client.digest_of(REPOSITORY, "1.0")


def test_an_upload_is_not_redirected(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.faults[UPLOADS] = Fault(307, 99, {"Location": "/elsewhere"})
    with pytest.raises(RegistryError, match="answers 307"):
        client.check_upload(REPOSITORY)
    assert registry.asked == [f"POST {UPLOADS}"]


# ---- Trust.


def test_an_unknown_ca_is_named(registry: FakeRegistry, pauses: list[float]) -> None:
    transport = Transport({}, pause=pauses.append)
    with pytest.raises(Unreachable, match=r"certificate is not trusted .*SSL_CERT_FILE"):
        RegistryClient(registry.server, None, transport).ping()
    assert (registry.requests, pauses) == ([], []), "which no second attempt would change"


def test_a_certificate_of_another_host_is_not_trusted(registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path]) -> None:
    server = registry.server.replace("127.0.0.1", "localhost")
    with pytest.raises(Unreachable, match=rf"{server}: its certificate is not trusted"):
        anonymous(server, {"SSL_CERT_FILE": str(tls[1])}).ping()


def test_a_missing_bundle_is_named() -> None:
    with pytest.raises(RegistryError, match=r"SSL_CERT_FILE = '/nowhere\.pem': is not a file"):
        Transport({"SSL_CERT_FILE": "/nowhere.pem"})


# ---- Proxies.


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_proxy_leads_to_the_registry(
    registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path], digest: str, variable: str, scheme: str
) -> None:
    with FakeProxy(registry.server).running() as proxy:
        environment = {"SSL_CERT_FILE": str(tls[1]), variable: f"{scheme}{proxy.address}"}
        with anonymous("registry.example", environment) as client:
            assert client.digest_of(REPOSITORY, "1.0") == digest
    assert proxy.asked == ["registry.example:443"]
    assert registry.requests[0].headers["Host"] == "registry.example"


def test_docker_hub_has_another_address(
    registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(client_module._ADDRESSES, "docker.io", HUB)
    with FakeProxy(registry.server).running() as proxy:
        environment = {"SSL_CERT_FILE": str(tls[1]), "HTTPS_PROXY": proxy.address}
        for server in ("docker.io", "index.docker.io"):
            with anonymous(server, environment) as client:
                client.ping()
    assert proxy.asked == ["registry-1.docker.io:443"] * 2


def test_the_proxys_login_goes_to_the_proxy_alone(registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path]) -> None:
    login = f"Basic {base64.b64encode(b'me@work:p:w').decode()}"
    with FakeProxy(registry.server, login).running() as proxy:
        environment = {"SSL_CERT_FILE": str(tls[1]), "HTTPS_PROXY": f"http://me%40work:p%3Aw@{proxy.address}"}
        with anonymous("registry.example:5000", environment) as client:
            client.ping()
    assert proxy.asked == ["registry.example:5000"]
    assert "Proxy-Authorization" not in registry.requests[0].headers


def test_a_proxys_login_may_have_no_password(registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path]) -> None:
    with FakeProxy(registry.server, f"Basic {base64.b64encode(b'me:').decode()}").running() as proxy:
        environment = {"SSL_CERT_FILE": str(tls[1]), "HTTPS_PROXY": f"http://me@{proxy.address}"}
        with anonymous("registry.example", environment) as client:
            client.ping()
    assert registry.asked == ["GET /v2/"]


def test_a_proxy_that_refuses_is_named(registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path]) -> None:
    with FakeProxy(registry.server, "Basic x").running() as proxy:
        environment = {"SSL_CERT_FILE": str(tls[1]), "HTTPS_PROXY": proxy.address}
        with pytest.raises(Unreachable, match=r"registry\.example: cannot be reached .*407.*HTTPS_PROXY"):
            anonymous("registry.example", environment).ping()
    assert registry.requests == []


@pytest.mark.parametrize(
    ("exempt", "is_direct"),
    [
        ({"NO_PROXY": "127.0.0.1"}, True),
        ({"no_proxy": "other.example,127.0.0.1"}, True),
        ({"NO_PROXY": "*"}, True),
        ({"NO_PROXY": "other.example"}, False),
        ({"NO_PROXY": ""}, False),
    ],
)
def test_a_proxy_serves_all_but_the_exempt(
    registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path], exempt: dict[str, str], *, is_direct: bool
) -> None:
    with FakeProxy(registry.server).running() as proxy:
        environment = {"SSL_CERT_FILE": str(tls[1]), "HTTPS_PROXY": proxy.address, **exempt}
        with anonymous(registry.server, environment) as client:
            client.ping()
    assert proxy.asked == ([] if is_direct else [registry.server])


def test_a_bundle_without_a_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate\n")
    with pytest.raises(RegistryError, match=r"ca\.pem': holds no certificate; unset it"):
        Transport({"SSL_CERT_FILE": str(tmp_path / "ca.pem")})


def test_an_answer_has_to_end_some_day(tls: tuple[ssl.SSLContext, Path], registry: FakeRegistry) -> None:
    transport = Transport({"SSL_CERT_FILE": str(tls[1])}, deadline=-1)
    with pytest.raises(Unreachable, match="was not read to its end within -1 s"):
        transport.send("GET", f"{registry.address}/v2/", {})


def test_a_layer_has_time_for_its_bytes(tls: tuple[ssl.SSLContext, Path], registry: FakeRegistry) -> None:
    transport, download = Transport({"SSL_CERT_FILE": str(tls[1])}, deadline=-1), Download(BytesIO(), 1 << 30)
    assert transport.send("GET", f"{registry.address}/v2/", {}, download=download).body == b""
    assert download.file.seek(0, 2) == len(b"{}")


def test_who_asks_once_gets_the_first_failure(tls: tuple[ssl.SSLContext, Path], registry: FakeRegistry) -> None:
    registry.faults["/v2/"] = Fault(503, 1)
    transport = Transport({"SSL_CERT_FILE": str(tls[1])}, attempts=1)
    assert transport.send("GET", f"{registry.address}/v2/", {}).status == 503


def test_a_compressed_answer_is_as_large_as_what_it_holds(
    registry: FakeRegistry, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carbide_infra.registry.transport.LARGEST_BODY", 1 << 20)
    bomb = gzip.compress(bytes(100 << 20))
    registry.faults["/x"] = Fault(200, 1, {"Content-Encoding": "gzip"}, body=bomb)
    tracemalloc.start()
    try:
        with pytest.raises(RegistryError, match="/x: is larger than 1048576 bytes"):
            transport.send("GET", f"{registry.address}/x", {})
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
