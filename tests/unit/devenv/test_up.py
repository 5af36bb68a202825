"""Tests of what setting up says when the machine is in the way."""

import errno
import fcntl
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import pytest

from carbide_infra.endpoint import Endpoint, read_endpoint
from carbide_infra.errors import MissingPrerequisite, SetupError
from carbide_infra.progress import Report
from carbide_infra.registry.docker_hub import DockerHub
from carbide_infra.registry.mirror import Mirror
from devenv import up
from devenv.bases import BaseImages
from devenv.certificates import Certificates
from devenv.registration import Builder
from devenv.registry import Registry
from devenv.registry_login import Login
from devenv.stand_ins import StandInMaker
from devenv.toolchain import Tools
from devenv.trust import Trust


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full: free some space for"),
        (SetupError("Building failed:\nwrite /x: no space left on device"), "The disk is full: free some space for"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/.local"), "/x/.local: Permission denied"),
    ],
)
def test_what_the_disk_says_is_explained(tmp_path: Path, error: Exception, sentence: str) -> None:
    with pytest.raises(SetupError, match=sentence), up._explained(tmp_path):
        raise error


def test_a_quota_is_a_full_disk_too_and_names_both_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBIDE_CACHE_DIR", "/c")
    with pytest.raises(SetupError) as caught, up._explained(tmp_path):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")
    assert str(caught.value).startswith(f"The disk is full: free some space for {tmp_path}/.local and /c, then run")
    told = SetupError("write /x: No space left on device")
    with pytest.raises(SetupError) as caught, up._explained(tmp_path):
        raise told
    assert str(caught.value).splitlines()[1:] == [str(told)], "what failed is told, too"


def test_an_error_without_a_file_or_words_is_told_as_it_is(tmp_path: Path) -> None:
    error = OSError("strange")
    with pytest.raises(SetupError, match=rf"set up: {tmp_path}/\.local: strange\."), up._explained(tmp_path):
        raise error


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    error = MissingPrerequisite("install something")
    with pytest.raises(MissingPrerequisite) as caught, up._explained(tmp_path):
        raise error
    assert caught.value is error


def test_where_docker_hubs_images_come_from(tmp_path: Path) -> None:
    registry, mirror = Registry("vm:5443", Certificates(tmp_path), Login("s3cr3t")), Mirror("mirror")
    assert up._mirrors(DockerHub(answers=True), registry) == []
    assert up._mirrors(DockerHub(answers=True, mirror=mirror), registry) == [mirror]
    assert up._mirrors(DockerHub(answers=False), registry) == [Mirror("vm:5443")]


def test_a_second_run_waits_and_says_so(tmp_path: Path) -> None:
    told: list[str] = []
    waits, done = threading.Event(), threading.Event()

    def second() -> None:
        def report(line: str) -> None:
            told.append(line)
            waits.set()

        with up._sole_run(tmp_path, report):
            done.set()

    with up._sole_run(tmp_path, told.append):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(10)
        assert not done.is_set()
    thread.join(10)
    assert done.is_set()
    assert told == ["Another run is setting up this checkout: waiting for it…"]


_Result = TypeVar("_Result")


class Setup:
    """Everything that `local_up` calls, noted in its order."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, hub: DockerHub) -> None:
        self.root = root
        self.done: list[str] = []
        self.bases: BaseImages | None = None
        self.stand_ins = {"alpine:latest": DIGEST}
        self.trust: Trust | None = None
        self.mirrors: list[Mirror] = []
        self.registry = Registry("vm:5443", Certificates(root / "tls"), Login("s3cr3t"))
        self.builder = Builder(Path("buildx"))
        self.reports: list[object] = []
        monkeypatch.setattr(up, "ensure_registry_server", self._ensure_server)
        monkeypatch.setattr(up, "ensure_registry", self._ensure_registry)
        monkeypatch.setattr(up, "ensure_bundle", lambda _: root / "bundle.pem")
        monkeypatch.setattr(up, "find_docker_hub", lambda *given: self._found(*given, hub=hub))
        monkeypatch.setattr(up, "ensure_builder", self._ensure_builder)
        monkeypatch.setattr(up, "ensure_bases", self._ensure_bases)

    def _noted(self, name: str, result: _Result) -> _Result:
        self.done.append(name)
        return result

    def _ensure_server(self, report: object) -> Path:
        self.reports.append(report)
        return Path("/tools/registry")

    def _ensure_registry(self, root: Path, program: Path, report: object) -> Registry:
        self.reports.append(report)
        return self._noted(f"{root.name} {program}", self.registry)

    def _found(self, environment: object, bundle: Path, report: object, *, hub: DockerHub) -> DockerHub:
        assert environment is os.environ
        self.reports.append(report)
        return self._noted(f"hub {bundle.name}", hub)

    def _ensure_builder(
        self, root: Path, tools: Tools, registry: Registry, mirrors: list[Mirror], report: object, trust: Trust
    ) -> Builder:
        assert (root.name, tools) == (self.root.name, TOOLS)
        self.trust = trust
        self.reports.append(report)
        assert registry is self.registry
        self.mirrors = mirrors
        return self._noted("builder", self.builder)

    def _ensure_bases(self, bases: BaseImages, maker: StandInMaker) -> dict[str, str]:
        assert (maker.builder, maker.registry) == (self.builder, self.registry)
        self.bases = bases
        return self._noted("bases", self.stand_ins)


DIGEST = f"sha256:{'0' * 64}"
OTHER = f"sha256:{'b' * 64}"
BASES = BaseImages(("golang:1.25",), {"alpine:latest": ("linux/arm64",)})
NAMES = ("bin", "pulumi", "buildx", "plugin", "buildctl", "buildkitd")
TOOLS = Tools(*(Path("/tools", name) for name in NAMES))


def test_up_brings_registry_builder_and_bases_and_leaves_an_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = Setup(tmp_path, monkeypatch, DockerHub(answers=False))
    told: list[str] = []
    endpoint = up.local_up(tmp_path, TOOLS, BASES, told.append)
    assert setup.reports == [told.append] * 4
    assert setup.done == [f"{tmp_path.name} /tools/registry", "hub bundle.pem", "builder", "bases"]
    assert setup.bases == BASES
    assert setup.mirrors == [Mirror("vm:5443")]
    bundle = str(setup.registry.certificates.bundle)
    bases = ("golang:1.25", "alpine:latest")
    expected = Endpoint("vm:5443", "carbide-local", bundle, {"alpine:latest": DIGEST}, bases)
    assert endpoint == expected == read_endpoint(tmp_path)


def test_stand_ins_belong_to_the_stacks_and_not_to_the_last_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another stack, with another Go version, is set up between two updates of this one."""
    setup = Setup(tmp_path, monkeypatch, DockerHub(answers=False))
    up.local_up(tmp_path, TOOLS, BASES, lambda _: None)
    setup.stand_ins = {"golang:1.26": OTHER}
    endpoint = up.local_up(tmp_path, TOOLS, BaseImages(("golang:1.26",), {}), lambda _: None)
    assert endpoint == read_endpoint(tmp_path)
    assert endpoint.stand_ins == {"alpine:latest": DIGEST, "golang:1.26": OTHER}
    assert endpoint.bases == ("golang:1.25", "alpine:latest", "golang:1.26")
    monkeypatch.setattr(up, "find_docker_hub", lambda *_: DockerHub(answers=True))
    endpoint = up.local_up(tmp_path, TOOLS, BASES, lambda _: None)
    assert (endpoint.stand_ins, endpoint.bases) == ({}, ("golang:1.25", "alpine:latest")), "all is to be set up anew"


def test_where_nothing_can_be_built_the_registry_is_there_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = Setup(tmp_path, monkeypatch, DockerHub(answers=False))
    up.local_registry(tmp_path, lambda _: None)
    assert setup.done == [f"{tmp_path.name} /tools/registry"]
    bundle = str(setup.registry.certificates.bundle)
    assert read_endpoint(tmp_path) == Endpoint("vm:5443", "carbide-local", bundle)
    made = up.local_up(tmp_path, TOOLS, BASES, lambda _: None)
    up.local_registry(tmp_path, lambda _: None)
    assert read_endpoint(tmp_path) == made


def test_a_registry_that_has_moved_is_named_anew_and_all_else_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = Setup(tmp_path, monkeypatch, DockerHub(answers=False))
    made = up.local_up(tmp_path, TOOLS, BASES, lambda _: None)
    setup.registry = replace(setup.registry, server="vm:6000")
    told: list[str] = []
    setup.reports.clear()
    up.local_registry(tmp_path, told.append)
    assert read_endpoint(tmp_path) == replace(made, registry="vm:6000")
    assert setup.reports == [told.append] * 2


def test_where_docker_hub_answers_nothing_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = Setup(tmp_path, monkeypatch, DockerHub(answers=True))
    assert up.local_up(tmp_path, TOOLS, BASES, lambda _: None, Trust.MAIN).stand_ins == {}
    assert setup.trust is Trust.MAIN
    assert setup.done[1:] == ["hub bundle.pem", "builder"]
    assert setup.mirrors == []


@pytest.mark.parametrize(
    "other",
    [up.local_down, up.local_registry, lambda root, report: up.local_up(root, TOOLS, BASES, report)],
    ids=["down", "registry", "up"],
)
def test_up_and_down_wait_for_each_other_and_explain_themselves(
    other: Callable[[Path, Report], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        # One lock a file, also for this very process.
        with (tmp_path / ".local/lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(up, "ensure_registry_server", lambda _: Path("/tools/registry"))
    monkeypatch.setattr(up, "stop_builder", full)
    monkeypatch.setattr(up, "ensure_registry", full)
    with pytest.raises(SetupError, match="The disk is full"):
        other(tmp_path, lambda _: None)


@pytest.mark.parametrize(
    ("builder", "registry", "told"),
    [
        (True, False, "Builder and registry are stopped; their data stay"),
        (False, True, "Builder and registry are stopped; their data stay"),
        (False, False, "Nothing runs"),
    ],
)
def test_down_stops_both_and_says_whether_anything_ran(
    told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, builder: bool, registry: bool
) -> None:
    stopped: list[Path] = []

    def stop(what: Path, *, runs: bool) -> bool:
        stopped.append(what)
        return runs

    monkeypatch.setattr(up, "stop_builder", lambda root: stop(root, runs=builder))
    monkeypatch.setattr(up, "registry_daemon", lambda state: SimpleNamespace(stop=lambda: stop(state, runs=registry)))
    lines: list[str] = []
    up.local_down(tmp_path, lines.append)
    assert (lines, stopped) == ([told], [tmp_path, tmp_path / ".local"])


def test_down_where_nothing_runs(tmp_path: Path) -> None:
    told: list[str] = []
    up.local_down(tmp_path, told.append)
    assert told == ["Nothing runs"]
