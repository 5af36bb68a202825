"""Tests of which base images are stood in for, and with what."""

import shutil
import tarfile
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.names import STAND_IN_LABEL
from carbide_infra.registry import docker_hub
from carbide_infra.registry.docker_hub import DockerHub, find_docker_hub, registry_answers
from carbide_infra.registry.mirror import Mirror, configured_mirror
from devenv import bases, debian, stand_ins
from devenv.bases import BaseImages, ensure_bases
from devenv.certificates import ensure_bundle
from devenv.registration import Builder
from devenv.stand_ins import StandInMaker, find_go
from tests.support.fake_programs import FakeProgram

DIGEST = f"sha256:{'0' * 64}"
PUBLISHED = ["1.9.2", "1.24.9", "1.25.0", "1.25.9", "1.25.10", "1.26rc1", "1.26.0", "1.27rc2"]


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("1.25", "1.25.10"),
        ("1.25.4-bookworm", None),
        ("1.25.9", "1.25.9"),
        ("1.25-alpine", "1.25.10"),
        ("1.26", "1.26.0"),
        ("1.26rc1-trixie", "1.26rc1"),
        ("latest", "1.26.0"),
        ("alpine", "1.26.0"),
    ],
)
def test_go_version_of_a_tag(tag: str, version: str | None) -> None:
    if version is None:
        with pytest.raises(SetupError, match=r"1\.25\.0, 1\.25\.9, 1\.25\.10"):
            find_go(tag, PUBLISHED, "linux/amd64")
    else:
        assert find_go(tag, PUBLISHED, "linux/amd64") == version


def test_an_unknown_go_names_key_value_and_good_ones() -> None:
    with pytest.raises(SetupError, match=r"^goVersion = '1\.99': .* linux/arm64; there are .*1\.26\.0\.$"):
        find_go("1.99", PUBLISHED, "linux/arm64")


class FakeRegistry:
    """A registry that has what is pushed to it."""

    server = "vm:5443"

    def __init__(self) -> None:
        self.pushed: dict[str, str] = {}

    def digest(self, repository: str, reference: str) -> str | None:
        return self.pushed.get(f"{repository}:{reference}")


class Bench:
    """A maker that notes what it is asked to make."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.registry, self.made, self.told = FakeRegistry(), list[tuple[str, tuple[str, ...]]](), list[str]()
        self.maker = StandInMaker(root, Builder(Path("buildx")), cast("Any", self.registry), self.told.append)
        for name in ("golang", "alpine"):
            shutil.copy(stand_ins.DOCKERFILES / f"Dockerfile.{name}", root)
        monkeypatch.setattr(stand_ins, "DOCKERFILES", root)
        monkeypatch.setattr(bases, "make_golang", lambda _, tag: self.push(f"golang:{tag}", ()))
        monkeypatch.setattr(bases, "make_alpine", lambda _, tag, platforms: self.push(f"alpine:{tag}", platforms))

    def push(self, name: str, platforms: tuple[str, ...]) -> None:
        self.made.append((name, tuple(platforms)))
        self.registry.pushed[f"library/{name}"] = f"digest {len(self.made)}"

    def ensure(self, builder: str = "golang:1.25", runtime: str = "alpine:latest", *platforms: str) -> dict[str, str]:
        self.made.clear()
        return ensure_bases(BaseImages((builder,), {runtime: platforms or ("linux/amd64",)}), self.maker)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_stand_ins_are_made_once_and_told_each_time(bench: Bench) -> None:
    made = bench.ensure()
    assert list(made) == ["golang:1.25", "alpine:latest"]
    assert made == {name: bench.registry.pushed[f"library/{name}"] for name in made}
    assert sorted(bench.made) == [("alpine:latest", ("linux/amd64",)), ("golang:1.25", ())]
    bench.told.clear()
    assert bench.ensure() == made
    assert not bench.made
    assert len(bench.told) == 1
    assert STAND_IN_LABEL in bench.told[0]


def test_stand_ins_are_made_again_when_the_registry_lost_them(bench: Bench) -> None:
    bench.ensure()
    del bench.registry.pushed["library/alpine:latest"]
    bench.ensure()
    assert bench.made == [("alpine:latest", ("linux/amd64",))]


def test_stand_ins_are_made_again_when_their_content_changes(bench: Bench) -> None:
    bench.ensure()
    with (bench.maker.root / "Dockerfile.golang").open("a") as dockerfile:
        dockerfile.write("ENV A=b\n")
    bench.ensure()
    assert bench.made == [("golang:1.25", ())]


def test_more_platforms_keep_those_of_other_stacks(bench: Bench) -> None:
    bench.ensure("nvcr.io/a/b", "alpine", "linux/arm64")
    bench.ensure("nvcr.io/a/b", "alpine", "linux/amd64")
    assert bench.made == [("alpine:latest", ("linux/amd64", "linux/arm64"))]


def test_one_image_under_two_names_is_made_once_for_all_its_platforms(bench: Bench) -> None:
    runtimes = {"alpine:3": ("linux/amd64",), "docker.io/library/alpine:3": ("linux/arm64",)}
    made = ensure_bases(BaseImages((), runtimes), bench.maker)
    assert bench.made == [("alpine:3", ("linux/amd64", "linux/arm64"))]
    assert made == dict.fromkeys(runtimes, bench.registry.pushed["library/alpine:3"])


def test_a_stand_in_that_the_registry_does_not_have_is_an_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "push", lambda *_: None)
    with pytest.raises(SetupError, match=r"golang:1\.25 was built, but vm:5443 does not have it"):
        bench.ensure()


@pytest.mark.parametrize("text", ["{", '{"alpine:latest": 1}', '{"alpine:latest": {"digest": null}}'])
def test_a_damaged_record_means_to_make_them_again(bench: Bench, text: str) -> None:
    record = bases._record(bench.maker.root)
    record.parent.mkdir()
    record.write_text(text)
    bench.ensure()
    assert len(bench.made) == 2


def test_what_cannot_be_stood_in_for_is_told(bench: Bench) -> None:
    assert bench.ensure(f"golang:1.25@{DIGEST}", "debian:12") == {}
    assert not bench.made
    assert [line.rpartition(" ")[2] for line in bench.told] == [f"golang:1.25@{DIGEST}", "debian:12"]


def test_a_pinned_stand_in_is_one_that_is_there(bench: Bench) -> None:
    bench.registry.pushed[f"library/alpine:{DIGEST}"] = DIGEST
    assert bench.ensure("nvcr.io/a/b", f"alpine@{DIGEST}") == {}
    assert not bench.told


@pytest.mark.parametrize(
    ("value", "mirror"),
    [
        ("", None),
        ("mirror.example", Mirror("mirror.example")),
        ("https://mirror.example:5000/", Mirror("mirror.example:5000")),
        ("http://mirror/hub/proxy", Mirror("mirror", "/hub/proxy", plain_http=True)),
    ],
)
def test_mirror_variable(value: str, mirror: Mirror | None) -> None:
    assert configured_mirror({"CARBIDE_DOCKERHUB_MIRROR": value}) == mirror


@pytest.mark.parametrize("value", ["ftp://x", "two words", "user@host", "a,b"])
def test_a_bad_mirror_is_named(value: str) -> None:
    with pytest.raises(SetupError, match=r"CARBIDE_DOCKERHUB_MIRROR = .* a good value: mirror\.example\.com:5000"):
        configured_mirror({"CARBIDE_DOCKERHUB_MIRROR": value})


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        status = 401

        def do_GET(self) -> None:
            self.send_response(int(self.path.strip("/") or 401) if self.path != "/v2/" else self.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.mark.parametrize(("status", "expected"), [(200, True), (401, True), (403, False), (404, False), (503, False)])
def test_a_registry_answers_like_one(tmp_path: Path, server: HTTPServer, status: int, *, expected: bool) -> None:
    url = f"http://127.0.0.1:{server.server_port}/{status}"
    assert registry_answers(url, ensure_bundle(tmp_path)) is expected


def test_the_mirror_is_asked_before_docker_hub(
    tmp_path: Path, server: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_hub, "HUB", "127.0.0.1:1")
    mirror = Mirror(f"127.0.0.1:{server.server_port}", plain_http=True)
    environment = {"CARBIDE_DOCKERHUB_MIRROR": f"http://{mirror.host}"}
    bundle, told = ensure_bundle(tmp_path), list[str]()
    assert find_docker_hub(environment, bundle, told.append) == DockerHub(answers=True, mirror=mirror)
    assert find_docker_hub({}, bundle, told.append) == DockerHub(answers=False)
    assert not told
    wrong = {"CARBIDE_DOCKERHUB_MIRROR": "http://127.0.0.1:1"}
    assert find_docker_hub(wrong, bundle, told.append) == DockerHub(answers=False)
    assert "http://127.0.0.1:1/v2/" in told[0]


def test_a_look_up_that_hangs_does_not_hold_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = Event()
    monkeypatch.setattr(docker_hub, "_answers", lambda *_: released.wait(10))
    start = time.monotonic()
    assert not registry_answers("https://x/", tmp_path, 0.01)
    assert time.monotonic() - start < 5
    released.set()


def test_the_alpine_archive_is_the_same_each_time(tmp_path: Path) -> None:
    applets = ["bin/busybox", "bin/sh", "usr/bin/wget"]
    for name in ("a.tar", "b.tar"):
        stand_ins._write_alpine(b"ELF", applets, tmp_path / name)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        members = {member.name: member for member in tar}
        release = tar.extractfile("etc/os-release")
        assert release is not None
        assert b"stand-in" in release.read()
    assert members["bin/busybox"].mode == 0o755
    assert members["bin/sh"].linkname == "/bin/busybox"
    assert members["tmp"].mode == 0o1777


def test_a_stand_in_is_built_and_pushed_where_buildkit_looks_for_docker_hubs_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(tmp_path / "cache"))
    for platform in ("linux/amd64", "linux/arm64"):
        stand_ins._alpine_archive(platform).touch()
    buildx = FakeProgram(tmp_path, "buildx")
    builder = Builder(buildx.path, environment={"BUILDX_CONFIG": "/config", "PATH": "/usr/bin:/bin"})
    maker = StandInMaker(tmp_path, builder, cast("Any", FakeRegistry()), lambda _: None)
    stand_ins.make_alpine(maker, "3.22", ["linux/amd64", "linux/arm64"])
    (call,) = buildx.calls
    assert call == (
        "build --builder carbide-local --progress plain --platform linux/amd64,linux/arm64"
        " --provenance=false --sbom=false --output type=image,push=true,oci-mediatypes=true,compression=gzip"
        " --tag vm:5443/library/alpine:3.22 --build-arg DIFFERENCE=BusyBox of Debian instead of alpine"
        f" --build-arg SOURCE_DATE_EPOCH={debian.EPOCH}"
        f" --file {stand_ins.DOCKERFILES}/Dockerfile.alpine {tmp_path}/cache/bases"
    )
    assert buildx.environment["BUILDX_CONFIG"] == "/config"


def test_a_go_stand_in_is_for_the_builders_own_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(stand_ins, "own_platform", lambda: "linux/arm64")
    monkeypatch.setattr(stand_ins, "published_go", lambda _: PUBLISHED)
    monkeypatch.setattr(stand_ins, "this_debian", lambda: SimpleNamespace(codename="trixie"))
    monkeypatch.setattr(stand_ins, "make_root", lambda _debian, file, _report: file.touch())
    monkeypatch.setattr(stand_ins, "_write_go", lambda _version, _own, file: file.touch())
    buildx = FakeProgram(tmp_path, "buildx")
    maker = StandInMaker(tmp_path, Builder(buildx.path), cast("Any", FakeRegistry()), lambda _: None)
    stand_ins.make_golang(maker, "1.25")
    (call,) = buildx.calls
    assert "--platform linux/arm64 " in call
    assert "compression=uncompressed --tag vm:5443/library/golang:1.25 " in call
    assert (
        "--build-arg DEBIAN_ARCHIVE=debian-trixie-linux-arm64 --build-arg GO_ARCHIVE=golang-1.25.10-linux-arm64 "
        in call
    )
    assert "--build-arg GO_VERSION=1.25.10 " in call
    assert "--build-arg DIFFERENCE=Go 1.25.10 on Debian trixie instead of golang " in call


def test_every_folder_of_go_has_a_time_of_its_own(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "go.tar", "w") as tar:
        stand_ins._add_tree(tar, {"src/fmt/print.go": b"package fmt", "VERSION": b"go1.25"})
    with tarfile.open(tmp_path / "go.tar") as tar:
        members = {member.name: member for member in tar}
    folders = ["usr", "usr/local", "usr/local/go", "usr/local/go/src", "usr/local/go/src/fmt"]
    assert [name for name, member in members.items() if member.isdir()] == folders
    assert {member.mtime for member in members.values()} == {debian.EPOCH}
    assert members.keys() - folders == {"usr/local/go/src/fmt/print.go", "usr/local/go/VERSION"}


def test_go_programs_are_executable() -> None:
    paths = ("bin/go", "pkg/tool/linux_amd64/compile", "src/make.bash", "src/fmt/print.go")
    assert [stand_ins._go_mode(path) for path in paths] == [0o755, 0o755, 0o755, 0o644]


def test_a_broken_off_archive_never_has_its_name(tmp_path: Path) -> None:
    def break_off(file: Path) -> None:
        file.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stand_ins._archive(tmp_path / "x.tar", break_off)
    assert not (tmp_path / "x.tar").exists()

    def finish(file: Path) -> None:
        file.write_text("whole")

    assert stand_ins._archive(tmp_path / "x.tar", finish).read_text() == "whole"


@pytest.mark.parametrize(("identity", "uid"), [("fedora", 0), ("debian", 1000)])
def test_stand_ins_need_root_on_debian(monkeypatch: pytest.MonkeyPatch, identity: str, uid: int) -> None:
    release = {"ID": identity, "VERSION_CODENAME": "x"}
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: release)
    monkeypatch.setattr("os.geteuid", lambda: uid)
    with pytest.raises(SetupError, match="CARBIDE_DOCKERHUB_MIRROR"):
        debian.this_debian()
