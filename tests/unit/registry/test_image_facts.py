"""Digests of tags and facts of configs: asked for at once, checked, and kept for when nobody can be asked."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from carbide_infra.registry.credentials import Credentials
from carbide_infra.registry.errors import Corrupt, Denied, NotFound, RegistryError, Unreachable
from carbide_infra.registry.golang_version import golang_version_of
from carbide_infra.registry.image_facts import answers_now, current_digests
from carbide_infra.registry.known_images import KnownImages
from carbide_infra.registry.reference import Reference
from carbide_infra.registry.registries import Registries
from tests.support.registry_server import INDEX, LOGIN, MANIFEST, FakeRegistry, Fault, digest_of

IMAGE = "base/alpine"
OTHER = f"sha256:{'0b' * 32}"
NOBODY = "127.0.0.1:1/base/alpine:3.22"


@pytest.fixture
def known(tmp_path: Path) -> KnownImages:
    return KnownImages(tmp_path / "known")


@pytest.fixture
def registries(tls: tuple[ssl.SSLContext, Path], registry: FakeRegistry, tmp_path: Path) -> Iterator[Registries]:
    environment = {"SSL_CERT_FILE": str(tls[1]), "HOME": str(tmp_path)}
    with Registries(environment, {registry.server: Credentials(*LOGIN)}, timeout=5, attempts=1) as made:
        yield made


def put(registry: FakeRegistry, tag: str = "3.22", go: str | None = None) -> tuple[str, str]:
    """An image: its reference by tag, and its digest."""
    variables = ["PATH=/bin", *([f"GOLANG_VERSION={go}"] if go else [])]
    configs = {name: {"config": {"Env": variables}} for name in ("linux/amd64", "linux/arm64")}
    digest = registry.put_image(IMAGE, configs, tag)
    return f"{registry.server}/{IMAGE}:{tag}", digest


def test_a_tag_s_digest_is_asked_for(registry: FakeRegistry, registries: Registries, known: KnownImages) -> None:
    registry.login = LOGIN
    text, digest = put(registry)
    (told,) = current_digests([text], registries, known).values()
    assert (told.digest, told.problem, told.day) == (digest, None, None)


def test_nobody_is_asked_for_what_is_pinned(registry: FakeRegistry, registries: Registries, known: KnownImages) -> None:
    pinned = f"{registry.server}/{IMAGE}:3.22@{OTHER}"
    assert current_digests([pinned], registries, known)[pinned].digest == OTHER
    assert not registry.requests


def test_an_image_is_read_once_and_then_only_asked_for(
    registry: FakeRegistry, registries: Registries, known: KnownImages
) -> None:
    text, digest = put(registry)
    for _ in range(2):
        assert current_digests([text], registries, known)[text].digest == digest
    base = f"/v2/{IMAGE}/manifests"
    assert registry.asked == [f"HEAD {base}/3.22", f"GET {base}/{digest}", f"HEAD {base}/3.22"]


def test_all_are_asked_at_once(registry: FakeRegistry, registries: Registries, known: KnownImages) -> None:
    texts = [put(registry, tag)[0] for tag in ("1", "2", "3", "4", "5", "6")]
    for tag in range(1, 7):
        registry.faults[f"/v2/{IMAGE}/manifests/{tag}"] = Fault(404, 1, silence=0.4)
    start = time.monotonic()
    current_digests(texts, registries, known)
    assert time.monotonic() - start < 1.2


def test_who_does_not_answer_in_time_is_left_behind(
    registry: FakeRegistry, registries: Registries, known: KnownImages
) -> None:
    text, _ = put(registry)
    registry.faults[f"/v2/{IMAGE}/manifests/3.22"] = Fault(404, 1, silence=2)
    start, others = time.monotonic(), set(threading.enumerate())
    told = current_digests([text], registries, known, seconds=0.3)[text]
    assert time.monotonic() - start < 1
    assert all(thread.daemon for thread in set(threading.enumerate()) - others), "the program may end meanwhile"
    assert isinstance(told.problem, Unreachable)
    assert str(told.problem).startswith(f"{registry.server}: does not answer within 0 s; check the network")


def test_without_an_answer_the_last_one_counts(
    registry: FakeRegistry, registries: Registries, known: KnownImages
) -> None:
    text, digest = put(registry)
    current_digests([text], registries, known)
    registry.faults[f"/v2/{IMAGE}/manifests/3.22"] = Fault(503, 9)
    told = current_digests([text], registries, known)[text]
    assert told.digest == digest
    assert str(told.problem).startswith(f"{registry.server}: answers 503 ")
    assert told.day == time.strftime("%Y-%m-%d", time.gmtime())


def test_a_tag_that_is_gone_has_no_digest_any_more(
    registry: FakeRegistry, registries: Registries, known: KnownImages
) -> None:
    text, _ = put(registry)
    current_digests([text], registries, known)
    del registry.manifests[IMAGE, "3.22"]
    told = current_digests([text], registries, known)[text]
    assert isinstance(told.problem, NotFound)
    assert told.digest is None


def test_a_refused_login_and_silence_are_told_apart(
    registry: FakeRegistry, registries: Registries, known: KnownImages
) -> None:
    registry.login = ("somebody", "else")
    text, _ = put(registry)
    told = current_digests([text, NOBODY], registries, known)
    assert isinstance(told[text].problem, Denied)
    assert isinstance(told[NOBODY].problem, Unreachable)


def test_what_a_header_claims_is_no_digest_before_its_bytes_are_seen(
    registry: FakeRegistry, registries: Registries, known: KnownImages
) -> None:
    text, digest = put(registry)
    (kind, _), lie = registry.manifests[IMAGE, digest], f"sha256:{'1' * 64}"
    registry.manifests[IMAGE, lie] = (kind, b'{"other": "bytes"}')
    registry.faults[f"/v2/{IMAGE}/manifests/3.22"] = Fault(200, 9, {"Docker-Content-Digest": lie})
    told = current_digests([text], registries, known)[text]
    assert isinstance(told.problem, Corrupt)
    assert known.last_seen(Reference.of(text)) is None


@pytest.mark.parametrize(
    "claim", ["sha256:../../token", "sha256:12", f"SHA256:{'1' * 64}", "latest", "sha256:" + "g" * 64]
)
def test_a_header_that_is_no_digest_is_not_followed(
    registry: FakeRegistry, registries: Registries, known: KnownImages, claim: str
) -> None:
    text, digest = put(registry)
    registry.faults[f"/v2/{IMAGE}/manifests/3.22"] = Fault(200, 1, {"Docker-Content-Digest": claim}, method="HEAD")
    assert current_digests([text], registries, known)[text].digest == digest


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/html", {"a": "login page as JSON"}),
        (MANIFEST, {"mediaType": "application/vnd.example"}),
        ("", {"schemaVersion": 2}),
    ],
)
def test_what_is_not_an_image_has_no_digest(
    registry: FakeRegistry, registries: Registries, known: KnownImages, kind: str, content: dict[str, object]
) -> None:
    registry.put_manifest(IMAGE, kind, content, "3.22")
    text = f"{registry.server}/{IMAGE}:3.22"
    told = current_digests([text], registries, known)[text]
    assert isinstance(told.problem, Corrupt)
    assert "is not an image" in str(told.problem)


def test_a_mistake_of_ours_is_not_the_registry_s(
    registry: FakeRegistry, registries: Registries, known: KnownImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KnownImages, "last_seen", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        current_digests([put(registry)[0]], registries, known)


def test_a_builder_s_go_version_is_in_its_config(
    registry: FakeRegistry, registries: Registries, known: KnownImages
) -> None:
    text, digest = put(registry, go="1.25.4")
    assert golang_version_of(f"{text}@{digest}", known, lambda: registries) == "1.25.4"
    # The digest is enough from now on, and nobody is asked.
    assert golang_version_of(f"other.test/golang:1@{digest}", known, nobody) == "1.25.4"


def nobody() -> Registries:
    pytest.fail("a registry was asked")


def test_without_a_digest_there_is_no_go_version(known: KnownImages) -> None:
    assert golang_version_of("golang:1.25", known, nobody) is None


@pytest.mark.parametrize("go", [None, "", "devel", "1.25.4\nX=1"])
def test_an_image_may_have_no_go_version(
    registry: FakeRegistry, registries: Registries, known: KnownImages, go: str | None
) -> None:
    text, digest = put(registry, go=go)
    assert golang_version_of(f"{text}@{digest}", known, lambda: registries) is None
    assert golang_version_of(f"{text}@{digest}", known, nobody) is None


def test_an_unknown_go_version_is_asked_for_again_on_another_day(
    registry: FakeRegistry, registries: Registries, known: KnownImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, digest = put(registry, go="1.25.4")
    registry.faults[f"/v2/{IMAGE}/manifests/{digest}"] = Fault(503, 1)
    for _ in range(2):
        assert golang_version_of(f"{text}@{digest}", known, lambda: registries) is None
    assert len([request for request in registry.requests if "manifests" in request.path]) == 1
    monkeypatch.setattr("carbide_infra.registry.known_images._today", lambda: "2999-01-01")
    assert golang_version_of(f"{text}@{digest}", known, lambda: registries) == "1.25.4"


@pytest.mark.parametrize("env", [None, "text", [1, None], {"GOLANG_VERSION": "1"}])
def test_a_config_of_another_form_has_no_go_version(
    registry: FakeRegistry, registries: Registries, known: KnownImages, env: object
) -> None:
    digest = registry.put_image(IMAGE, {"linux/amd64": {"config": {"Env": env}}}, "1")
    assert golang_version_of(f"{registry.server}/{IMAGE}@{digest}", known, lambda: registries) is None


def test_an_image_for_no_platform_has_no_go_version(
    registry: FakeRegistry, registries: Registries, known: KnownImages
) -> None:
    digest = registry.put_manifest(IMAGE, INDEX, {"manifests": []})
    assert golang_version_of(f"{registry.server}/{IMAGE}@{digest}", known, lambda: registries) is None


def test_an_image_for_one_platform_has_a_config_of_its_own(
    registry: FakeRegistry, registries: Registries, known: KnownImages
) -> None:
    put(registry, go="1.25.4")
    digest = next(name for (_, name), (kind, _) in registry.manifests.items() if kind == MANIFEST)
    assert golang_version_of(f"{registry.server}/{IMAGE}@{digest}", known, lambda: registries) == "1.25.4"


def test_what_is_pinned_is_asked_for_where_somebody_wants_to_know_whether_it_is_there(
    registry: FakeRegistry, registries: Registries
) -> None:
    text, digest = put(registry)
    here, gone = f"{text}@{digest}", f"{text}@{OTHER}"
    found = answers_now([text, here, gone, NOBODY], registries)
    assert (found[text], found[here]) == (digest, digest)
    assert (type(found[gone]), type(found[NOBODY])) == (NotFound, Unreachable)


# ---- Hostile registries.


def huge(_: str) -> Fault:
    return Fault(200, 99, {"Content-Type": MANIFEST}, body=b" " * 3000)


def wrong_bytes(digest: str) -> Fault:
    return Fault(200, 99, {"Content-Type": MANIFEST, "Docker-Content-Digest": digest}, body=b"{}")


def cut_off(digest: str) -> Fault:
    return Fault(200, 99, {"Content-Type": MANIFEST, "Docker-Content-Digest": digest}, body=b"{}", length=500)


def downgrade(_: str) -> Fault:
    return Fault(307, 99, {"Location": "http://127.0.0.1:1/v2/base/alpine/manifests/3.22"})


def loop(_: str) -> Fault:
    return Fault(307, 99, {"Location": f"/v2/{IMAGE}/manifests/3.22"})


def stranger(_: str) -> Fault:
    return Fault(307, 99, {"Location": "https://127.0.0.1:1/"})


def no_words(_: str) -> Fault:
    return Fault(0, 99)


def not_there(digest: str) -> Fault:
    return Fault(200, 1, {"Docker-Content-Digest": digest}, method="HEAD")


@pytest.mark.parametrize("trick", [huge, wrong_bytes, cut_off, downgrade, loop, stranger, no_words, not_there])
def test_a_hostile_registry_gives_no_digest_and_the_last_one_stays(
    registry: FakeRegistry,
    registries: Registries,
    known: KnownImages,
    monkeypatch: pytest.MonkeyPatch,
    trick: Callable[[str], Fault],
) -> None:
    registry.login = LOGIN
    text, digest = put(registry)
    current_digests([text], registries, known)
    monkeypatch.setattr("carbide_infra.registry.transport.LARGEST_BODY", 2000 if trick is huge else 1 << 20)
    # Another digest than the last one's, or nothing would be read.
    lie = f"sha256:{'5' * 64}"
    for name in ("3.22", *([] if trick is not_there else [lie])):
        registry.faults[f"/v2/{IMAGE}/manifests/{name}"] = trick(lie)
    told = current_digests([text], registries, known, seconds=5)[text]
    assert isinstance(told.problem, RegistryError)
    assert not isinstance(told.problem, NotFound)
    assert told.digest == digest


def test_a_manifest_of_endless_depth_is_none(
    registry: FakeRegistry, registries: Registries, known: KnownImages
) -> None:
    body = b'{"mediaType": ' + b"[" * 100_000
    for name in ("3.22", digest_of(body)):
        registry.manifests[IMAGE, name] = (MANIFEST, body)
    text = f"{registry.server}/{IMAGE}:3.22"
    assert isinstance(current_digests([text], registries, known)[text].problem, Corrupt)


# ---- Docker Hub.


def test_docker_hub_s_images_are_asked_for_where_its_mirror_is(
    tls: tuple[ssl.SSLContext, Path], registry: FakeRegistry, known: KnownImages, tmp_path: Path
) -> None:
    digest = registry.put_image("hub/library/alpine", {"linux/amd64": {}}, "3.22")
    mirror = {"CARBIDE_DOCKERHUB_MIRROR": f"{registry.server}/hub"}
    with Registries({"SSL_CERT_FILE": str(tls[1]), "HOME": str(tmp_path)} | mirror, attempts=1) as registries:
        assert current_digests(["alpine:3.22"], registries, known)["alpine:3.22"].digest == digest
    assert known.last_seen(Reference.of("docker.io/library/alpine:3.22")) is not None


def test_what_the_mirror_lacks_the_next_place_has(
    tls: tuple[ssl.SSLContext, Path], registry: FakeRegistry, known: KnownImages, tmp_path: Path
) -> None:
    digest = registry.put_image("library/alpine", {"linux/amd64": {}}, "3.22")
    environment = {"SSL_CERT_FILE": str(tls[1]), "HOME": str(tmp_path), "CARBIDE_DOCKERHUB_MIRROR": "127.0.0.1:1"}
    with Registries(environment, stand_ins=registry.server, attempts=1) as registries:
        assert current_digests(["alpine:3.22"], registries, known)["alpine:3.22"].digest == digest


def test_a_mirror_may_do_without_tls(known: KnownImages, tmp_path: Path) -> None:
    with FakeRegistry().running(None) as plain:
        digest = plain.put_image("library/alpine", {"linux/amd64": {}}, "3.22")
        environment = {"HOME": str(tmp_path), "CARBIDE_DOCKERHUB_MIRROR": plain.address}
        with Registries(environment, attempts=1) as registries:
            assert current_digests(["alpine:3.22"], registries, known)["alpine:3.22"].digest == digest


def test_a_registry_has_one_client_and_its_connections_end(registries: Registries, registry: FakeRegistry) -> None:
    client = registries.client(registry.server)
    assert registries.client(registry.server) is client
    client.ping()
    with registries:
        client.ping()
    assert registry.connections == 1
    client.ping()
    assert registry.connections == 2


def test_a_login_goes_to_its_own_registry_only(
    tls: tuple[ssl.SSLContext, Path], registry: FakeRegistry, known: KnownImages, tmp_path: Path
) -> None:
    registry.login = LOGIN
    text, _ = put(registry)
    with Registries(
        {"SSL_CERT_FILE": str(tls[1]), "HOME": str(tmp_path)}, {"nvcr.io": Credentials(*LOGIN)}, attempts=1
    ) as registries:
        assert isinstance(current_digests([text], registries, known)[text].problem, RegistryError)
    assert all("Authorization" not in request.headers for request in registry.requests)
