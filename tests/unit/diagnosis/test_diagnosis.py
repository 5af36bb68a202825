"""Judgements of the doctor, each on facts that are given."""

import subprocess
from pathlib import Path

import pytest

from carbide_infra.diagnosis.builder import examine_builder
from carbide_infra.diagnosis.machine import examine_disks, examine_engine, examine_umask
from carbide_infra.diagnosis.registry import examine_registry
from carbide_infra.diagnosis.source_tree import examine_bases, examine_source
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.transport import Transport
from carbide_infra.settings import Settings, load_settings
from tests.support.registry_server import FakeRegistry, Fault, make_tls

INSPECTED = """Name:          fleet
Driver:        remote

Nodes:
Name:             fleet0
Endpoint:         unix:///buildkitd.sock
Status:           {status}
BuildKit version: v0.31.1
Platforms:        linux/amd64*, linux/386
"""
PLATFORMS = ("linux/amd64", "linux/arm64")


def settings(**config: object) -> Settings:
    return load_settings({"registryServer": "local", "registryRepository": "carbide", **config}, {})


def test_missing_binaries_are_named() -> None:
    assert examine_engine([]).level == "ok"
    finding = examine_engine(["pulumi 3.259.0", "buildx 0.35.0"])
    assert (finding.level, finding.told) == ("fail", "pulumi 3.259.0, buildx 0.35.0 are not built yet")
    assert "make tools" in finding.fix


@pytest.mark.parametrize(("umask", "level"), [(0o022, "ok"), (0o077, "ok"), (0o277, "fail")])
def test_a_umask_that_hurts_the_owner_fails(umask: int, level: str) -> None:
    assert examine_umask(umask).level == level


@pytest.mark.parametrize(("gigabytes", "level"), [(1, "fail"), (5, "warn"), (50, "ok")])
def test_room_on_the_disk(gigabytes: int, level: str) -> None:
    (finding,) = examine_disks({Path("/x"): gigabytes * 10**9})
    assert (finding.level, finding.told) == (level, f"{gigabytes}.0 GB free in /x")


def builder_answer(status: str, code: int = 0, error: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.CompletedProcess([], code, INSPECTED.format(status=status), error)


def test_a_builder_that_runs_names_what_it_cross_compiles() -> None:
    builder, platforms = examine_builder(builder_answer("running"), PLATFORMS)
    assert (builder.level, platforms.level) == ("ok", "ok")
    assert "linux/arm64 by cross-compiling" in platforms.told


@pytest.mark.parametrize(("status", "level"), [("inactive", "warn"), ("stopped", "warn"), ("error", "fail")])
def test_a_builder_that_does_not_run(status: str, level: str) -> None:
    (finding,) = examine_builder(builder_answer(status), PLATFORMS)
    assert (finding.level, bool(finding.fix)) == (level, True)


def test_a_builder_that_nobody_knows() -> None:
    (finding,) = examine_builder(subprocess.CompletedProcess([], 1, "", 'ERROR: no builder "x" found\n'), PLATFORMS)
    assert (finding.level, finding.told) == ("fail", 'ERROR: no builder "x" found')


def test_base_images_are_pinned_tracked_stood_in_for_or_may_move() -> None:
    pinned = "alpine:3@sha256:" + "a" * 64
    assert [f.level for f in examine_bases(settings(runtimeImage=pinned), ())] == ["warn", "ok"]
    assert [f.level for f in examine_bases(settings(trackBaseImages="true"), ())] == ["ok", "ok"]
    golang, _ = examine_bases(settings(), ("golang:1.25",))
    assert "stand-in" in golang.told


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    (finding,) = examine_source(settings(source=str(tmp_path / "none")), tmp_path)
    assert (finding.level, "is not a folder" in finding.told) == ("fail", True)


def test_a_source_outside_git_gets_a_warning(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module example.com/x\n\ngo 1.21\n")
    (tmp_path / "api/cmd/api").mkdir(parents=True)
    (tmp_path / "api/cmd/api/main.go").write_text("package main\n")
    found = list(examine_source(settings(source=str(tmp_path), services='["carbide-rest-api"]'), tmp_path))
    assert [(finding.level, finding.subject) for finding in found] == [("ok", "source"), ("warn", "git")]


def test_a_detached_head_is_no_lack_of_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "go.mod").write_text("module example.com/x\n\ngo 1.21\n")
    (tmp_path / "api/cmd/api").mkdir(parents=True)
    (tmp_path / "api/cmd/api/main.go").write_text("package main\n")
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "1"], ["checkout", "-q", "--detach"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)

    def found() -> list[tuple[str, str]]:
        chosen = settings(source=str(tmp_path), services='["carbide-rest-api"]')
        return [(finding.level, finding.subject) for finding in examine_source(chosen, tmp_path)]

    well = [("ok", "source"), ("ok", "git depth"), ("ok", "git tree")]
    assert found() == [*well[:2], ("warn", "git ref"), well[2]]
    monkeypatch.setenv("CARBIDE_REF", "refs/heads/main")
    assert found() == well


def test_a_registry_that_takes_us_and_one_that_does_not(tmp_path: Path) -> None:
    context, trusted = make_tls(tmp_path)
    with FakeRegistry().running(context) as registry:
        client = RegistryClient(registry.server, None, Transport({"SSL_CERT_FILE": str(trusted)}))
        well = list(examine_registry(lambda: client, "team/image", lambda _: None))
        assert [(finding.level, finding.subject) for finding in well] == [("ok", "registry"), ("ok", "push")]
        registry.faults["/v2/team/image/blobs/uploads/"] = Fault(403, 9)
        _, denied = examine_registry(lambda: client, "team/image", lambda _: None)
        assert (denied.level, "registryPassword" in denied.fix) == ("fail", True)
    nobody = RegistryClient("127.0.0.1:1", None, Transport({}, pause=lambda _: None))
    (finding,) = examine_registry(lambda: nobody, "team/image", lambda _: None)
    assert (finding.level, finding.subject) == ("fail", "registry")
