"""How a registry lets us in: challenges, logins, tokens; and what is sent to whom."""

import base64
import re
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.credentials import Credentials
from carbide_infra.registry.errors import Denied, RegistryError
from carbide_infra.registry.transport import Transport
from tests.support.registry_server import LOGIN, FakeRegistry, Fault, encoded

REPOSITORY = "team/image"
CONFIGS: dict[str, dict[str, Any]] = {"linux/amd64": {"config": {}}, "linux/arm64": {"config": {}}}
TAG = f"/v2/{REPOSITORY}/manifests/1.0"
BASIC = f"Basic {base64.b64encode(':'.join(LOGIN).encode()).decode()}"


def logins(registry: FakeRegistry, path: str) -> list[str | None]:
    """The Authorization header of each request for what begins so."""
    return [item.headers.get("Authorization") for item in registry.requests if item.path.startswith(path)]


@pytest.fixture
def digest(registry: FakeRegistry) -> str:
    """An image under the tag 1.0, of a registry that changes a login for tokens."""
    registry.login, registry.bearer = LOGIN, True
    return registry.put_image(REPOSITORY, CONFIGS, "1.0")


def test_basic_login(registry: FakeRegistry, client: RegistryClient, digest: str) -> None:
    registry.bearer = False
    assert client.digest_of(REPOSITORY, "1.0") == digest
    client.digest_of(REPOSITORY, "1.0")
    assert logins(registry, TAG) == [None, BASIC, BASIC]


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_a_login_is_changed_for_a_token(registry: FakeRegistry, client: RegistryClient, digest: str, key: str) -> None:
    registry.token_key = key
    assert client.digest_of(REPOSITORY, "1.0") == digest
    (asked,) = [path for path in registry.asked if "/token" in path]
    assert asked == "GET /token?scope=repository%3Ateam%2Fimage%3Apull&client_id=carbide-infra&service=fake+registry"
    assert logins(registry, "/token") == [BASIC]
    assert logins(registry, TAG) == [None, "Bearer token-0"]


def test_one_token_serves_many_requests(registry: FakeRegistry, client: RegistryClient, digest: str) -> None:
    for reference in ("1.0", digest, "1.0"):
        client.manifest(REPOSITORY, reference)
        client.digest_of(REPOSITORY, reference)
    assert len(logins(registry, "/token")) == 1
    assert logins(registry, "/v2/")[1:] == ["Bearer token-0"] * 6


def test_each_repository_and_right_has_a_token_of_its_own(
    registry: FakeRegistry, client: RegistryClient, digest: str
) -> None:
    assert client.digest_of(REPOSITORY, "1.0") == digest
    assert client.digest_of("team/other", "1.0") is None
    client.check_upload(REPOSITORY)
    assert list(registry.tokens.values()) == [
        "repository:team/image:pull",
        "repository:team/other:pull",
        "repository:team/image:pull,push",
    ]


def test_an_expired_token_is_renewed_once_for_all_threads(
    registry: FakeRegistry, client: RegistryClient, digest: str
) -> None:
    client.digest_of(REPOSITORY, "1.0")
    registry.tokens.clear()
    registry.tokens["token-x"] = "repository:team/image:pull"
    # Slow enough for all threads to meet the first one's request.
    registry.faults["/token"] = Fault(200, 9, body=encoded({"token": "token-x"}), silence=0.1)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: client.digest_of(REPOSITORY, "1.0"), range(8)))
    assert found == [digest] * 8
    assert len(logins(registry, "/token")) == 2


def test_without_a_login_a_token_is_asked_for_all_the_same(
    registry: FakeRegistry, transport: Transport, digest: str
) -> None:
    registry.login = None
    assert RegistryClient(registry.server, None, transport).digest_of(REPOSITORY, "1.0") == digest
    assert logins(registry, "/token") == [None]


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_an_identity_token_is_changed_at_the_token_server(
    registry: FakeRegistry, transport: Transport, digest: str, key: str
) -> None:
    registry.token_key, registry.identity_token = key, "refresh+me"
    client = RegistryClient(registry.server, Credentials("", identity_token="refresh+me"), transport)  # noqa: S106
    assert client.digest_of(REPOSITORY, "1.0") == digest
    (asked,) = [request for request in registry.requests if request.path == "/token"]
    assert asked.method == "POST"
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.body == (
        b"scope=repository%3Ateam%2Fimage%3Apull&client_id=carbide-infra&service=fake+registry"
        b"&grant_type=refresh_token&refresh_token=refresh%2Bme"
    )


# ---- Challenges.


@pytest.mark.parametrize(
    "challenges",
    [
        ['Basic realm="a, b"', "{bearer}"],
        ["{bearer}", 'Basic realm="a"'],
        ["Negotiate", "{bearer}"],
        ['Basic realm="a", {bearer}'],
        ['{bearer}, Basic realm="a"'],
        ["Negotiate, {bearer}"],
    ],
)
def test_of_several_challenges_the_bearer_s_is_met(
    registry: FakeRegistry, client: RegistryClient, digest: str, challenges: list[str]
) -> None:
    registry.challenges = [text.replace("{bearer}", registry.bearer_challenge) for text in challenges]
    assert client.digest_of(REPOSITORY, "1.0") == digest
    assert logins(registry, TAG) == [None, "Bearer token-0"]


@pytest.mark.parametrize(
    "challenge",
    [
        'bearer realm="{address}/token",service="fake registry"',
        'BEARER REALM="{address}/token", Service="fake registry", error="invalid_token"',
        'Bearer   realm={address}/token , service="fake registry"',
        'Bearer realm="{address}/token"',
        'Bearer scope="",realm="{address}/token"',
    ],
)
def test_a_challenge_may_be_spelt_in_many_ways(
    registry: FakeRegistry, client: RegistryClient, digest: str, challenge: str
) -> None:
    registry.challenges = [challenge.replace("{address}", registry.address)]
    assert client.digest_of(REPOSITORY, "1.0") == digest


@pytest.mark.parametrize("challenge", ["Negotiate", 'Digest realm="x"', "", 'realm="x"'])
def test_a_challenge_that_we_cannot_meet(registry: FakeRegistry, client: RegistryClient, challenge: str) -> None:
    registry.login, registry.challenges = LOGIN, [challenge]
    with pytest.raises(Denied, match=rf"{registry.server}: does not let us at .* \(401\): UNAUTHORIZED; check"):
        client.manifest(REPOSITORY, "1.0")
    assert logins(registry, "/") == [None]


def test_a_token_server_with_a_query_of_its_own(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.login, registry.bearer = LOGIN, True
    registry.challenges = [f'Bearer realm="{registry.address}/token?account=me"']
    with pytest.raises(Denied, match=r"refuses the login at .*/token\?account=me for \S+ \(400\)"):
        client.manifest(REPOSITORY, "1.0")
    assert registry.asked[-1] == (
        "GET /token?account=me&scope=repository%3Ateam%2Fimage%3Apull&client_id=carbide-infra"
    )


# ---- Refusals.


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


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"token": ""}', b'{"token": null}', b'"text"'], ids=lambda body: body.decode()
)
def test_a_token_server_that_gives_no_token_is_named(
    registry: FakeRegistry, client: RegistryClient, body: bytes
) -> None:
    registry.login, registry.bearer = LOGIN, True
    registry.faults["/token"] = Fault(200, 9, body=body)
    with pytest.raises(RegistryError, match=rf"{registry.server}: its token server {registry.address}/token gives no"):
        client.manifest(REPOSITORY, "1.0")


@pytest.mark.usefixtures("digest")
def test_where_a_token_server_says_both_names_the_first_counts(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.tokens["first"] = registry.tokens["second"] = "repository:team/image:pull"
    registry.faults["/token"] = Fault(200, 9, body=encoded({"access_token": "second", "token": "first"}))
    client.manifest(REPOSITORY, "1.0")
    assert logins(registry, TAG) == [None, "Bearer first"]


@pytest.mark.parametrize("realm", ["http://127.0.0.1:1/token", "ftp://registry.example", "token", ""])
def test_a_token_server_without_tls_gets_no_login(registry: FakeRegistry, client: RegistryClient, realm: str) -> None:
    registry.login, registry.challenges = LOGIN, [f'Bearer realm="{realm}",service="s"']
    with pytest.raises(RegistryError, match=f"{registry.server}: names the token server '{realm}', which has no TLS"):
        client.manifest(REPOSITORY, "1.0")


def test_a_challenge_without_a_token_server_is_named(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.login, registry.challenges = LOGIN, ['Bearer service="s"']
    with pytest.raises(RegistryError, match=f"{registry.server}: names the token server '', which has no TLS"):
        client.manifest(REPOSITORY, "1.0")


@pytest.mark.parametrize("has_tls", [False, True])
def test_a_registry_without_tls_may_have_a_token_server_without(
    registry: FakeRegistry, transport: Transport, *, has_tls: bool
) -> None:
    with FakeRegistry(login=LOGIN, bearer=True).running(None) as plain:
        digest = plain.put_image(REPOSITORY, CONFIGS, "1.0")
        if has_tls:
            registry.login, registry.bearer, registry.tokens = LOGIN, True, plain.tokens
            plain.challenges = [registry.bearer_challenge]
        client = RegistryClient(plain.server, Credentials(*LOGIN), transport, plain_http=True)
        assert client.digest_of(REPOSITORY, "1.0") == digest
        assert bool(registry.requests) is has_tls


KEYS = (
    "check registryUsername (NVCR: $oauthtoken), registryPassword (or CARBIDE_REGISTRY_PASSWORD) and registryRepository"
)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"errors": [{"code": "DENIED", "message": "Access Denied"}]}, ": Access Denied"),
        (403, {"errors": [{"code": "NAME_UNKNOWN"}]}, ": NAME_UNKNOWN"),
        (401, {"details": "incorrect username or password"}, ": incorrect username or password"),
        (400, {"error": "invalid_grant", "error_description": "token expired"}, ": token expired"),
        (400, {"error": "invalid_grant"}, ": invalid_grant"),
        (401, {"errors": []}, ""),
        (401, ["text"], ""),
        (401, {"message": "a\u001b[31m\nb  c"}, ": a [31m b c"),
        (401, {"message": "x" * 300}, f": {'x' * 200}…"),
    ],
)
def test_a_refusal_says_the_service_s_words_and_the_three_keys_that_cause_it(
    registry: FakeRegistry, client: RegistryClient, status: int, body: object, words: str
) -> None:
    registry.login, registry.bearer = LOGIN, True
    registry.faults["/token"] = Fault(status, 9, body=encoded(body))
    with pytest.raises(Denied) as raised:
        client.manifest(REPOSITORY, "1.0")
    realm = f"{registry.address}/token"
    advice = f"{KEYS}, or run docker login {registry.server}"
    assert (
        str(raised.value)
        == f"{registry.server}: refuses the login at {realm} for {REPOSITORY} ({status}){words}; {advice}"
    )


def test_a_registry_that_refuses_a_good_token_says_the_same_keys(
    registry: FakeRegistry, client: RegistryClient, digest: str
) -> None:
    body = encoded({"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]})
    registry.faults[f"/v2/{REPOSITORY}/manifests/{digest}"] = Fault(403, 9, body=body)
    with pytest.raises(Denied, match=f"requested access to the resource is denied; {re.escape(KEYS)}$"):
        client.manifest(REPOSITORY, digest)


# ---- A token server that fails for a while.


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_token_server_that_recovers_is_asked_again(
    registry: FakeRegistry, client: RegistryClient, digest: str, pauses: list[float], status: int
) -> None:
    registry.faults["/token"] = Fault(status, 2, {"Retry-After": "3"} if status == 429 else {})
    assert client.digest_of(REPOSITORY, "1.0") == digest
    assert pauses == ([3, 3] if status == 429 else [0.5, 1.0])


@pytest.mark.usefixtures("digest")
@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_token_server_that_fails_refuses_nobody(registry: FakeRegistry, client: RegistryClient, status: int) -> None:
    registry.faults["/token"] = Fault(status, 99)
    message = f"{registry.server}: its token server {registry.address}/token answers {status}; try again later"
    with pytest.raises(RegistryError, match=f"^{re.escape(message)}$") as raised:
        client.digest_of(REPOSITORY, "1.0")
    assert not isinstance(raised.value, Denied)


def test_scopes_do_not_wait_for_each_other_s_token(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.login, registry.bearer = LOGIN, True
    names = [f"team/{number}" for number in range(6)]
    digests = [registry.put_image(name, CONFIGS, "1") for name in names]
    registry.faults["/token"] = Fault(503, 6, silence=0.4)
    start = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda name: client.digest_of(name, "1"), names)) == digests
    assert time.monotonic() - start < 1.6


# ---- Where the login does not go.


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
@pytest.mark.parametrize("is_blob", [True, False])
def test_who_we_are_redirected_to_gets_no_login(
    registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path], client: RegistryClient, *, scheme: str, is_blob: bool
) -> None:
    registry.login = LOGIN
    with FakeRegistry(login=("other", "login"), bearer=scheme == "bearer").running(tls[0]) as stranger:
        path = f"/v2/{REPOSITORY}/" + (f"blobs/sha256:{'0' * 64}" if is_blob else "manifests/1.0")
        registry.faults[path] = Fault(307, 9, {"Location": f"{stranger.address}{path}"})
        with pytest.raises(RegistryError, match=f"leads to {stranger.server}, which wants a login of its own"):
            client.blob(REPOSITORY, f"sha256:{'0' * 64}") if is_blob else client.manifest(REPOSITORY, "1.0")
        assert [request.headers.get("Authorization") for request in stranger.requests] == [None]


def test_the_token_server_s_own_redirect_loses_the_login(
    registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path], client: RegistryClient
) -> None:
    registry.login, registry.bearer = LOGIN, True
    with FakeRegistry(login=LOGIN, bearer=True).running(tls[0]) as stranger:
        registry.faults["/token"] = Fault(307, 9, {"Location": f"{stranger.address}/token"})
        with pytest.raises(RegistryError):
            client.digest_of(REPOSITORY, "1.0")
        assert [request.headers.get("Authorization") for request in stranger.requests] == [None]
