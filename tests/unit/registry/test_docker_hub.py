"""Docker Hub, or its mirror: who is asked, and what counts as an answer."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread, current_thread

import certifi
import pytest

from carbide_infra.errors import SetupError
from carbide_infra.registry import docker_hub
from carbide_infra.registry.docker_hub import DockerHub, find_docker_hub, registry_answers
from carbide_infra.registry.errors import Untrusted
from carbide_infra.registry.mirror import Mirror
from tests.support.registry_server import LOGIN, FakeRegistry, Fault

Trust = tuple[ssl.SSLContext, Path]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.parametrize(("status", "expected"), [(200, True), (401, True), (204, False), (403, False), (503, False)])
def test_a_registry_lets_in_or_asks_for_a_login(
    registry: FakeRegistry, tls: Trust, status: int, *, expected: bool
) -> None:
    registry.login = LOGIN if status == 401 else None
    if status not in {200, 401}:
        registry.faults["/v2/"] = Fault(status, 9)
    assert registry_answers(f"{registry.address}/v2/", tls[1]) is expected
    assert registry.asked == ["GET /v2/"]


def test_only_who_is_trusted_answers(registry: FakeRegistry, tls: Trust, tmp_path: Path) -> None:
    assert registry_answers(f"{registry.address}/v2/", tls[1])
    (tmp_path / "empty.pem").write_text("")
    for bundle in (tmp_path / "empty.pem", tmp_path / "none.pem"):
        assert not registry_answers(f"{registry.address}/v2/", bundle)


def test_a_missing_ca_is_told_apart_from_absence(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else stand-ins would take the place of images that a company's proxy is ready to give."""
    bundle = tmp_path / "public.pem"
    bundle.write_text(Path(certifi.where()).read_text())
    monkeypatch.setattr(docker_hub, "HUB", registry.server)
    told = (
        f"{registry.server}: its certificate is not trusted (.*); let SSL_CERT_FILE name a PEM file that holds its CA"
    )
    with pytest.raises(Untrusted, match=told):
        find_docker_hub({}, bundle, lambda _: None)
    with pytest.raises(Untrusted, match=told):
        find_docker_hub({"CARBIDE_DOCKERHUB_MIRROR": registry.server}, bundle, lambda _: None)
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        assert not registry_answers(url.replace("http:", "https:"), bundle), "who speaks no TLS is no registry"


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """A server that says this to everybody, or nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer or b"")

        if answer is not None:
            Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v2/"


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0\r\n\r\n"])
def test_what_is_no_http_is_no_registry(tls: Trust, answer: bytes) -> None:
    with listening(answer) as url:
        assert not registry_answers(url, tls[1])


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1:1/v2/", "http://127.0.0.1:port/"])
def test_what_is_no_address_is_no_registry(tls: Trust, url: str) -> None:
    assert not registry_answers(url, tls[1])


def test_who_stays_silent_is_given_up_in_time(tls: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.monotonic()
    with listening(None) as url:
        assert not registry_answers(url, tls[1], 0.05)
        assert time.monotonic() - started < 2
        assert not docker_hub._answers(url, tls[1], 0.05), "the connection ends as well"
    assert time.monotonic() - started < 2
    given: list[object] = []

    def answers(*arguments: object) -> bool:
        given.append((*arguments, current_thread().daemon))
        return True

    monkeypatch.setattr(docker_hub, "_answers", answers)
    assert registry_answers("https://x/v2/", tls[1])
    assert given == [("https://x/v2/", tls[1], 4.0, True)], "nor does it keep the program from its end"


def test_a_look_up_that_hangs_is_not_waited_for(tls: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    ends, started = Event(), time.monotonic()
    monkeypatch.setattr(docker_hub, "_answers", lambda *_: ends.wait(5))
    assert not registry_answers("https://x/v2/", tls[1], 0.01)
    ends.set()
    assert time.monotonic() - started < 2


class Asked:
    """Answers for the addresses that are well."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *well: str) -> None:
        self.urls: list[str] = []
        self.told: list[str] = []
        self.well = well
        monkeypatch.setattr(docker_hub, "registry_answers", self.answers)

    def answers(self, url: str, ca_bundle: Path) -> bool:
        assert ca_bundle == Path("ca.pem")
        self.urls.append(url)
        return url in self.well

    def find(self, mirror: str | None = None) -> DockerHub:
        environment = {} if mirror is None else {"CARBIDE_DOCKERHUB_MIRROR": mirror}
        return find_docker_hub(environment, Path("ca.pem"), self.told.append)


HUB, MIRROR = "https://registry-1.docker.io/v2/", "https://mirror.example:5000/v2/"


@pytest.mark.parametrize("is_there", [True, False])
def test_docker_hub_is_asked_itself(monkeypatch: pytest.MonkeyPatch, *, is_there: bool) -> None:
    asked = Asked(monkeypatch, *([HUB] if is_there else []))
    assert asked.find() == asked.find("") == asked.find("  ") == DockerHub(answers=is_there, mirror=None)
    assert (asked.urls, asked.told) == ([HUB] * 3, [])


def test_a_mirror_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    with pytest.raises(SetupError, match="CARBIDE_DOCKERHUB_MIRROR = 'a mirror' names no registry; a good value: "):
        asked.find("a mirror")
    assert asked.urls == []


def test_a_mirror_that_answers_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch, MIRROR, HUB)
    mirror = Mirror("mirror.example:5000", "/hub")
    assert asked.find(" mirror.example:5000/hub ") == DockerHub(answers=True, mirror=mirror)
    assert (asked.urls, asked.told) == ([MIRROR], [])


@pytest.mark.parametrize("is_there", [True, False])
def test_a_mirror_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, *, is_there: bool) -> None:
    asked = Asked(monkeypatch, *([HUB] if is_there else []))
    assert asked.find("mirror.example:5000") == DockerHub(answers=is_there, mirror=None)
    assert asked.urls == [MIRROR, HUB]
    assert asked.told == [f"WARNING: {MIRROR}, the mirror that CARBIDE_DOCKERHUB_MIRROR names, does not answer"]


@pytest.mark.parametrize(
    ("mirror", "name", "url"),
    [
        (Mirror("m:5000"), "m:5000", "https://m:5000/v2/"),
        (Mirror("m", "/hub/proxy"), "m/hub/proxy", "https://m/v2/"),
        (Mirror("m", plain_http=True), "m", "http://m/v2/"),
    ],
)
def test_names_and_addresses_of_mirrors(mirror: Mirror, name: str, url: str) -> None:
    assert (mirror.name, mirror.url) == (name, url)
