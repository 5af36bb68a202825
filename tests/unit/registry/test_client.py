"""The registry client against a real server with TLS in this process: manifests, blobs, a dry upload."""

import re
from io import BytesIO
from pathlib import Path
from ssl import SSLContext
from typing import Any

import pytest
from urllib3 import HTTPHeaderDict

from carbide_infra.registry.client import Manifest, RegistryClient
from carbide_infra.registry.credentials import Credentials
from carbide_infra.registry.errors import Corrupt, Denied, NotFound, RegistryError
from carbide_infra.registry.registries import Registries
from carbide_infra.registry.transport import Answer, Transport
from tests.support.registry_server import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEX,
    LOGIN,
    MANIFEST,
    FakeRegistry,
    Fault,
    digest_of,
    encoded,
)

REPOSITORY = "team/image"
CONFIGS: dict[str, dict[str, Any]] = {"linux/amd64": {"config": {}}, "linux/arm64": {"config": {}}}
TAG = f"/v2/{REPOSITORY}/manifests/1.0"
UPLOADS = f"/v2/{REPOSITORY}/blobs/uploads/"


# ---- Manifests.


@pytest.mark.parametrize("media_type", [INDEX, MANIFEST, DOCKER_LIST, DOCKER_MANIFEST])
def test_a_manifest_of_each_kind_comes_as_it_is_stored(
    registry: FakeRegistry, client: RegistryClient, media_type: str
) -> None:
    other = registry.put_manifest(REPOSITORY, DOCKER_MANIFEST, {"other": 1})
    content = {"manifests": [{"digest": other}], "layers": []}
    digest = registry.put_manifest(REPOSITORY, media_type, content, "1.0")
    for reference in ("1.0", digest):
        manifest = client.manifest(REPOSITORY, reference)
        assert (manifest.digest, manifest.media_type, manifest.content) == (digest, media_type, content)
        assert manifest.is_index is (media_type in {INDEX, DOCKER_LIST})
        assert client.digest_of(REPOSITORY, reference) == digest


def test_a_manifest_is_asked_for_with_all_kinds_that_we_read(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.put_image(REPOSITORY, CONFIGS, "1.0")
    client.manifest(REPOSITORY, "1.0")
    client.digest_of(REPOSITORY, "1.0")
    assert registry.asked == [f"GET {TAG}", f"HEAD {TAG}"]
    kinds = ", ".join(sorted([INDEX, MANIFEST, DOCKER_LIST, DOCKER_MANIFEST]))
    assert [request.headers["Accept"] for request in registry.requests] == [kinds, kinds]


@pytest.mark.parametrize(
    ("header", "media_type"),
    [({"Content-Type": f"{INDEX} ; charset=utf-8"}, INDEX), ({"Content-Type": INDEX}, INDEX), ({}, "")],
)
def test_parameters_of_a_media_type_do_not_count(
    registry: FakeRegistry, client: RegistryClient, header: dict[str, str], media_type: str
) -> None:
    registry.faults[TAG] = Fault(200, 1, header, b"{}")
    assert client.manifest(REPOSITORY, "1.0") == Manifest(digest_of(b"{}"), media_type, b"{}")


def test_a_manifest_shows_no_bytes() -> None:
    assert repr(Manifest("sha256:1", INDEX, b"{}")) == f"Manifest(digest='sha256:1', media_type='{INDEX}')"


def test_what_is_not_there(registry: FakeRegistry, client: RegistryClient) -> None:
    assert client.digest_of(REPOSITORY, "none") is None
    assert not client.has_blob(REPOSITORY, digest_of(b"none"))
    with pytest.raises(NotFound, match=rf"{registry.server}: team/image/manifests/none is not there: unknown$"):
        client.manifest(REPOSITORY, "none")


def test_a_registry_that_says_no_digest_is_asked_for_the_bytes(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = registry.put_image(REPOSITORY, CONFIGS, "1.0")
    registry.digest_header = False
    assert client.digest_of(REPOSITORY, "1.0") == digest
    assert registry.asked == [f"HEAD {TAG}", f"GET {TAG}"]
    assert client.manifest(REPOSITORY, "1.0").digest == digest
    assert client.digest_of(REPOSITORY, "none") is None


# ---- Tags.

TAGS = f"/v2/{REPOSITORY}/tags/list"
NEXT = {"Link": '</v2/elsewhere>; rel="next"'}


def test_all_tags_are_listed_page_by_page(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.put_manifest(REPOSITORY, INDEX, {}, "1", "2", "3", "4", "5 +")
    registry.page = 2
    assert client.tags(REPOSITORY) == ["1", "2", "3", "4", "5 +"]
    assert registry.asked == [f"GET {TAGS}?n=1000{rest}" for rest in ("", "&last=2", "&last=4")]


@pytest.mark.parametrize("tags", [[], None])
def test_a_list_without_tags_has_no_next_page(
    registry: FakeRegistry, client: RegistryClient, tags: list[str] | None
) -> None:
    registry.faults[TAGS] = Fault(200, 9, NEXT, encoded({"tags": tags}))
    assert client.tags(REPOSITORY) == []


def test_a_list_of_tags_that_never_ends_is_told(client: RegistryClient, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Answer(200, HTTPHeaderDict(NEXT), encoded({"tags": ["1.0"]}), "")
    monkeypatch.setattr(client, "_read", lambda *_: page)
    with pytest.raises(RegistryError, match="lists more than 100000 tags of team/image"):
        client.tags(REPOSITORY)


# ---- Bytes.


@pytest.mark.parametrize("login", [None, LOGIN])
def test_a_layer_is_written_to_a_file(
    registry: FakeRegistry, client: RegistryClient, login: tuple[str, str] | None
) -> None:
    registry.login = login
    blob, file = registry.put_blob(b"a layer"), BytesIO()
    client.download(REPOSITORY, blob["digest"], blob["size"], file)
    assert file.read() == b"a layer"


def test_a_layer_that_is_larger_than_it_may_be_is_refused(registry: FakeRegistry, client: RegistryClient) -> None:
    digest, file = registry.put_blob(b"a layer")["digest"], BytesIO()
    with pytest.raises(Corrupt, match=f"/blobs/{digest}: is larger than 6 bytes"):
        client.download(REPOSITORY, digest, 6, file)
    with pytest.raises(NotFound):
        client.download(REPOSITORY, digest_of(b"other"), 6, file)


def test_a_layer_that_breaks_off_is_written_anew(registry: FakeRegistry, client: RegistryClient) -> None:
    digest, file = registry.put_blob(b"a layer")["digest"], BytesIO()
    registry.faults[f"/v2/{REPOSITORY}/blobs/{digest}"] = Fault(200, 1, body=b"longer than a layer", length=99)
    client.download(REPOSITORY, digest, 99, file)
    assert file.getvalue() == b"a layer"


def test_a_blob_is_looked_at_or_read(registry: FakeRegistry, client: RegistryClient) -> None:
    content = encoded({"os": "linux"})
    digest = registry.put_blob(content)["digest"]
    assert client.has_blob(REPOSITORY, digest)
    assert client.blob(REPOSITORY, digest) == content
    assert client.config(REPOSITORY, digest) == {"os": "linux"}
    path = f"/v2/{REPOSITORY}/blobs/{digest}"
    assert registry.asked == [f"HEAD {path}", f"GET {path}", f"GET {path}"]


def test_other_bytes_than_the_digest_promises_are_refused(registry: FakeRegistry, client: RegistryClient) -> None:
    wanted, found = digest_of(b"wanted"), digest_of(b"{}")
    registry.manifests[REPOSITORY, wanted] = (INDEX, b"{}")
    registry.blobs[wanted] = b"{}"
    told = rf"{registry.server}: team/image@{wanted} has the digest {found}: its bytes were changed"
    for read in (client.manifest, client.blob, client.config):
        with pytest.raises(Corrupt, match=told):
            read(REPOSITORY, wanted)


def test_other_bytes_than_the_registry_promises_are_refused(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.faults[TAG] = Fault(200, 1, {"Docker-Content-Digest": digest_of(b"wanted")}, b"{}")
    with pytest.raises(Corrupt, match="bytes were changed"):
        client.manifest(REPOSITORY, "1.0")


def test_a_digest_of_another_kind_is_not_compared(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.faults[TAG] = Fault(200, 1, {"Docker-Content-Digest": "sha512:00"}, b"{}")
    assert client.manifest(REPOSITORY, "1.0").digest == digest_of(b"{}")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"text"', b"\xff"])
def test_what_is_no_json_object(registry: FakeRegistry, client: RegistryClient, body: bytes) -> None:
    registry.manifests[REPOSITORY, "1.0"] = (INDEX, body)
    blob = registry.put_blob(body)["digest"]
    told = f"{digest_of(body)}: is not a JSON object"
    with pytest.raises(Corrupt, match=told):
        _ = client.manifest(REPOSITORY, "1.0").content
    with pytest.raises(Corrupt, match=told):
        client.config(REPOSITORY, blob)


# ---- Refusals.


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, NotFound, "team/image/manifests/1.0 is not there{told}"),
        (401, Denied, "does not let us at team/image/manifests/1.0 (401){told}; check registryUsername"),
        (403, Denied, "does not let us at team/image/manifests/1.0 (403){told}; check registryUsername"),
        (400, RegistryError, "answers 400 to team/image/manifests/1.0{told}; try again later"),
        (204, RegistryError, "answers 204 to team/image/manifests/1.0{told}; try again later"),
    ],
)
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (encoded({"errors": [{"code": "CODE", "message": "in words"}, {"message": "more"}]}), ": in words"),
        (encoded({"errors": [{"code": "CODE"}]}), ": CODE"),
        (encoded({"errors": [{"code": "CODE", "message": ""}]}), ": CODE"),
        (encoded({"errors": []}), ""),
        (encoded({"errors": None}), ""),
        (encoded({"errors": ["text"]}), ""),
        (encoded({"errors": [{}]}), ""),
        (b"<html>", ""),
        (b"[]", ""),
    ],
)
def test_a_refusal_is_told_in_the_registrys_words(
    registry: FakeRegistry,
    client: RegistryClient,
    status: int,
    kind: type[RegistryError],
    words: str,
    body: bytes,
    told: str,
) -> None:
    if status == 204:
        body, told = b"", ""
    registry.faults[TAG] = Fault(status, 1, body=body)
    expected = re.escape(f"{registry.server}: {words}".replace("{told}", told))
    with pytest.raises(RegistryError, match=f"^{expected}") as raised:
        client.manifest(REPOSITORY, "1.0")
    assert raised.type is kind


def test_an_answer_that_is_neither_yes_nor_no(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = digest_of(b"x")
    registry.faults = {TAG: Fault(403, 9), f"/v2/{REPOSITORY}/blobs/{digest}": Fault(403, 9)}
    with pytest.raises(Denied):
        client.digest_of(REPOSITORY, "1.0")
    with pytest.raises(Denied):
        client.has_blob(REPOSITORY, digest)


@pytest.mark.parametrize("status", [200, 401])
def test_a_registry_answers_a_ping_whatever_it_says_of_the_login(
    registry: FakeRegistry, client: RegistryClient, status: int
) -> None:
    registry.login = LOGIN if status == 401 else None
    client.ping()
    assert registry.asked == ["GET /v2/"]
    assert "Authorization" not in registry.requests[0].headers


@pytest.mark.parametrize("status", [204, 403, 404])
def test_ping_takes_a_login_page_for_no_registry(registry: FakeRegistry, client: RegistryClient, status: int) -> None:
    registry.faults["/v2/"] = Fault(status, 9)
    with pytest.raises(RegistryError, match=rf"{registry.server}: answers {status} to /v2/, as no registry does"):
        client.ping()


# ---- Uploads.


def test_an_upload_is_begun_and_cancelled(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.login, registry.bearer = LOGIN, True
    client.check_upload(REPOSITORY)
    assert registry.uploads == {REPOSITORY: 0}
    begun, (token, again, ended) = registry.requests[0], registry.requests[1:]
    assert "scope=repository%3Ateam%2Fimage%3Apull%2Cpush&" in token.path
    for request in (begun, again):
        assert (request.method, request.path, request.headers["Content-Length"]) == ("POST", UPLOADS, "0")
    assert (ended.method, ended.path) == ("DELETE", f"{UPLOADS}1?_state=signed%3D")


def test_a_present_blob_is_offered_instead_of_an_upload(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = registry.put_blob(b"there")["digest"]
    client.check_upload(REPOSITORY, digest)
    assert registry.asked == [f"POST {UPLOADS}?mount=sha256%3A{digest[7:]}&from=team%2Fimage"]
    assert not registry.uploads


def test_an_offer_that_is_not_taken_is_an_upload_to_be_cancelled(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    client.check_upload(REPOSITORY, digest_of(b"gone"))
    assert registry.uploads == {REPOSITORY: 0}


def test_the_address_of_an_upload_may_be_whole(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.faults[UPLOADS] = Fault(202, 1, {"Location": f"{registry.address}{UPLOADS}1?_state=signed%3D"})
    client.check_upload(REPOSITORY)
    assert registry.asked[1:] == [f"DELETE {UPLOADS}1?_state=signed%3D"]


@pytest.mark.parametrize("status", [200, 202, 204, 403, 404, 405])
def test_an_upload_that_ends_by_itself_is_well(registry: FakeRegistry, client: RegistryClient, status: int) -> None:
    registry.faults[f"{UPLOADS}1"] = Fault(status, 1)
    client.check_upload(REPOSITORY)
    assert len(registry.requests) == 2


@pytest.mark.parametrize("status", [201, 400, 501])
def test_an_upload_that_does_not_end_is_told(registry: FakeRegistry, client: RegistryClient, status: int) -> None:
    registry.faults[f"{UPLOADS}1"] = Fault(status, 1)
    with pytest.raises(RegistryError, match="the end of an upload to team/image"):
        client.check_upload(REPOSITORY)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(403, 9), Denied),
        (Fault(200, 9, {"Location": f"{UPLOADS}1"}), RegistryError),
        (Fault(202, 9), RegistryError),
    ],
)
def test_who_may_not_upload_is_told(
    registry: FakeRegistry, client: RegistryClient, fault: Fault, kind: type[RegistryError]
) -> None:
    registry.faults[UPLOADS] = fault
    with pytest.raises(RegistryError, match=" an upload to team/image") as raised:
        client.check_upload(REPOSITORY)
    assert raised.type is kind
    assert len(registry.requests) == 1


def test_a_repository_that_does_not_exist_is_told_with_the_service_s_words(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    body = encoded({"errors": [{"code": "NAME_UNKNOWN", "message": "The repository does not exist"}]})
    registry.faults[UPLOADS] = Fault(404, 9, body=body)
    message = (
        f"{registry.server}: has no repository team/image to push to: The repository does not exist; check "
        "registryRepository, or create the repository there"
    )
    with pytest.raises(NotFound, match=f"^{re.escape(message)}$"):
        client.check_upload(REPOSITORY)


# ---- Construction.


@pytest.mark.parametrize("given", [True, False])
def test_a_client_takes_login_and_trust_from_where_it_is(
    registry: FakeRegistry,
    tls: tuple[SSLContext, Path],
    tmp_path: Path,
    given: bool,  # noqa: FBT001
) -> None:
    registry.login = LOGIN
    login = {"username": LOGIN[0], "password": LOGIN[1]}
    (tmp_path / "config.json").write_bytes(encoded({"auths": {registry.server: {} if given else login}}))
    environment = {"DOCKER_CONFIG": str(tmp_path), "SSL_CERT_FILE": str(tls[1])}
    digest = registry.put_image(REPOSITORY, CONFIGS, "1.0")
    logins = {registry.server: Credentials(*LOGIN)} if given else {}
    with Registries(environment, logins) as registries:
        client = registries.client(registry.server)
        assert client.server == registry.server
        assert client.digest_of(REPOSITORY, "1.0") == digest


def test_a_client_of_nobody_is_anonymous(registry: FakeRegistry, tls: tuple[SSLContext, Path], tmp_path: Path) -> None:
    registry.login = LOGIN
    environment = {"DOCKER_CONFIG": str(tmp_path), "SSL_CERT_FILE": str(tls[1])}
    with pytest.raises(Denied, match="wants a login, and there is none"):
        Registries(environment).client(registry.server).digest_of(REPOSITORY, "1.0")


# ---- Waiting.


@pytest.mark.parametrize(
    ("path", "method", "status", "header", "seconds"),
    [
        (TAG, "HEAD", 429, "30", 30.0),
        (f"/v2/{REPOSITORY}/manifests/sha256:{'0' * 64}", "PUT", 429, "7", 7.0),
        (TAG, "HEAD", 503, "Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        (TAG, "HEAD", 429, "soon", None),
        (TAG, "HEAD", 429, None, None),
        (TAG, "HEAD", 500, "30", None),
    ],
)
def test_a_registry_is_asked_how_long_it_wants_us_to_wait(
    path: str,
    method: str,
    status: int,
    header: str | None,
    seconds: float | None,
    registry: FakeRegistry,
    tls: tuple[SSLContext, Path],
) -> None:
    digest = registry.put_image(REPOSITORY, CONFIGS, "1.0")
    registry.faults[path] = Fault(status, 1, {"Retry-After": header} if header else {}, method=method)
    with RegistryClient(registry.server, None, Transport({"SSL_CERT_FILE": str(tls[1])}, attempts=1)) as client:
        assert client.wished_pause(REPOSITORY, "1.0") == seconds
        assert client.digest_of(REPOSITORY, "1.0") == digest
    assert len(registry.asked) == 3


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), (None, None)])
def test_a_token_server_is_asked_how_long_it_wants_us_to_wait(
    header: str | None, seconds: float | None, registry: FakeRegistry, tls: tuple[SSLContext, Path]
) -> None:
    registry.login, registry.bearer = LOGIN, True
    registry.faults["/token"] = Fault(429, 1, {"Retry-After": header} if header else {})
    transport = Transport({"SSL_CERT_FILE": str(tls[1])}, attempts=1)
    with RegistryClient(registry.server, Credentials(*LOGIN), transport) as client:
        assert client.wished_pause(REPOSITORY, "1.0") == seconds
    assert len(registry.asked) == 2


def test_what_is_offered_to_ask_for_a_pause_is_a_push_with_the_login(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    registry.login, registry.bearer = LOGIN, True
    registry.put_image(REPOSITORY, CONFIGS, "1.0")
    assert client.wished_pause(REPOSITORY, "1.0") is None
    (offer,) = (request for request in registry.requests if request.method == "PUT")
    assert (offer.body, offer.headers["Content-Type"] in {INDEX, DOCKER_LIST}) == (b"{}", True)
    assert set(registry.tokens.values()) == {f"repository:{REPOSITORY}:pull,push"}
    (plain, *_) = (request for request in registry.requests if request.method == "HEAD")
    assert "Content-Type" not in plain.headers


def test_the_login_does_not_follow_an_upload_to_another_server(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.faults[UPLOADS] = Fault(202, 1, {"Location": "https://other.example/upload"})
    with pytest.raises(RegistryError, match=r"wants the upload at https://other\.example/upload, which is another"):
        client.check_upload(REPOSITORY)
    assert registry.asked == [f"POST {UPLOADS}"]
