"""Judgements of the doctor, each on facts that are given."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from carbide_infra.diagnosis.base_images import check_bases
from carbide_infra.diagnosis.builder import check_builder
from carbide_infra.diagnosis.finding import Finding
from carbide_infra.diagnosis.machine import check_disks, check_umask
from carbide_infra.diagnosis.registry import check_registry, check_store
from carbide_infra.diagnosis.source_tree import check_source
from carbide_infra.paths import project_root
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import Denied, NotFound, RegistryError, Unreachable
from carbide_infra.registry.transport import Transport
from carbide_infra.settings import Settings, load_settings, selected_images
from carbide_infra.stack.builder import BuilderAnswer
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
NOW = f"sha256:{'a' * 64}"
PLATFORMS = ("linux/amd64", "linux/arm64")

MAIN = 'package main\n\nimport _ "example.com/x/common/pkg/version"\n\nfunc main() {}\n'


def write_main(root: Path) -> None:
    """A main package with the symbols that the catalogue has the linker set."""
    (root / "common/pkg/version").mkdir(parents=True)
    (root / "common/pkg/version/v.go").write_text("package version\n\nvar Version, BuildTime string\n")
    (root / "api/cmd/api/main.go").write_text(MAIN)


def found_bases(
    *stand_ins: str, answers: Mapping[str, str | RegistryError] | None = None, **config: object
) -> list[Finding]:
    values = settings(**config)

    def ask(texts: Sequence[str]) -> Mapping[str, str | RegistryError]:
        return {text: (answers or {}).get(text, NOW) for text in texts}

    return list(check_bases(values, selected_images(values, project_root()), dict.fromkeys(stand_ins, NOW), ask))


def found_source(root: Path, **config: object) -> list[Finding]:
    values = settings(**config)
    return list(check_source(values, selected_images(values, project_root()), root))


def settings(**config: object) -> Settings:
    return load_settings({"registryServer": "local", "registryRepository": "carbide", **config}, {})


@pytest.mark.parametrize(("umask", "level"), [(0o022, "ok"), (0o077, "ok"), (0o277, "fail")])
def test_a_umask_that_hurts_the_owner_fails(umask: int, level: str) -> None:
    assert check_umask(umask).level == level


@pytest.mark.parametrize(("gigabytes", "level"), [(1, "fail"), (5, "warn"), (50, "ok")])
def test_room_on_the_disk(gigabytes: int, level: str) -> None:
    (finding,) = check_disks({Path("/x"): gigabytes * 10**9})
    assert (finding.level, finding.told) == (level, f"{gigabytes}.0 GB free in /x")


def builder_answer(status: str, driver: str = "docker-container", problem: str = "") -> BuilderAnswer:
    facts = {"Status": status, "Driver": driver, "Endpoint": "tcp://10.0.0.7:1234", "Platforms": "linux/amd64*"}
    return BuilderAnswer("builder-1", facts, problem)


def test_a_builder_that_runs_names_what_it_cross_compiles() -> None:
    builder, platforms = check_builder(builder_answer("running"), PLATFORMS)
    assert (builder.level, platforms.level) == ("ok", "ok")
    assert "linux/arm64 by cross-compiling" in platforms.told


@pytest.mark.parametrize(("status", "level"), [("inactive", "warn"), ("stopped", "warn"), ("error", "fail")])
def test_a_builder_that_does_not_run(status: str, level: str) -> None:
    (finding,) = check_builder(builder_answer(status), PLATFORMS)
    assert (finding.level, bool(finding.fix)) == (level, True)


def test_a_builder_that_nobody_knows() -> None:
    (finding,) = check_builder(BuilderAnswer("x", {}, 'ERROR: no builder "x" found'), PLATFORMS)
    assert (finding.level, finding.told) == ("fail", 'builder x does not answer (ERROR: no builder "x" found)')


def test_a_remote_builder_that_is_not_there_does_not_start_with_the_next_build() -> None:
    (finding,) = check_builder(builder_answer("inactive", "remote"), PLATFORMS)
    assert (finding.level, finding.told) == ("fail", "builder builder-1 at tcp://10.0.0.7:1234 does not answer")


def test_base_images_are_pinned_tracked_stood_in_for_or_may_move() -> None:
    pinned = f"alpine:3@{NOW}"
    assert [f.level for f in found_bases(runtimeImage=pinned, trackBaseImages=False)] == ["warn", "ok"]
    assert [f.told for f in found_bases(runtimeImage=pinned)] == [f"golang:1.25 is sha256:{'a' * 12}… now", pinned]
    golang, _ = found_bases("golang:1.25")
    assert "stand-in" in golang.told


@pytest.mark.parametrize(
    ("problem", "server", "levels"),
    [
        (Denied("ghcr.io: no; log in"), "local", ("fail", "fail")),
        (NotFound("ghcr.io: no"), "local", ("fail", "fail")),
        (Unreachable("ghcr.io: silent; wait"), "local", ("warn", "warn")),
        (Unreachable("ghcr.io: silent; wait"), "nvcr.io", ("fail", "warn")),
    ],
)
def test_a_base_that_cannot_be_had_is_named_with_its_registry(
    problem: RegistryError, server: str, levels: tuple[str, str]
) -> None:
    tag, pinned = "ghcr.io/my/golang:1", f"ghcr.io/my/alpine@{NOW}"
    found = found_bases(
        answers={tag: problem, pinned: problem}, builderImage=tag, runtimeImage=pinned, registryServer=server
    )
    assert tuple(finding.level for finding in found) == levels
    assert found[0].told.startswith(f"builderImage = {tag}: ghcr.io ")
    assert found[1].told.startswith(f"runtimeImage = {pinned}: ghcr.io ")
    assert all(finding.fix for finding in found)


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    (finding,) = found_source(tmp_path, source=str(tmp_path / "none"))
    assert (finding.level, "is not a folder" in finding.told) == ("fail", True)


def test_a_source_outside_git_gets_a_warning(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module example.com/x\n\ngo 1.21\n")
    (tmp_path / "api/cmd/api").mkdir(parents=True)
    write_main(tmp_path)
    found = found_source(tmp_path, source=str(tmp_path), services='["carbide-rest-api"]')
    assert [(finding.level, finding.subject) for finding in found] == [("ok", "source"), ("warn", "git")]


def test_a_detached_head_is_no_lack_of_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "go.mod").write_text("module example.com/x\n\ngo 1.21\n")
    (tmp_path / "api/cmd/api").mkdir(parents=True)
    write_main(tmp_path)
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "1"], ["checkout", "-q", "--detach"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)

    def found() -> list[tuple[str, str]]:
        chosen = found_source(tmp_path, source=str(tmp_path), services='["carbide-rest-api"]')
        return [(finding.level, finding.subject) for finding in chosen]

    well = [("ok", "source"), ("ok", "git depth"), ("ok", "git tree")]
    assert found() == [*well[:2], ("warn", "git ref"), well[2]]
    monkeypatch.setenv("CARBIDE_REF", "refs/heads/main")
    assert found() == well
    (tmp_path / "README").touch()
    assert found() == well, "no image is made of it"
    (tmp_path / "api/cmd/api/main.go").write_text(MAIN + "// edited\n")
    assert found() == [*well[:2], ("warn", "git tree")]


def test_a_package_that_is_not_there_and_a_user_that_may_do_everything(tmp_path: Path) -> None:
    only: dict[str, object] = {"source": str(tmp_path), "services": '["carbide-rest-api"]'}
    (finding,) = found_source(tmp_path, **only)
    assert (finding.level, "there is no folder" in finding.told) == ("fail", True)
    (tmp_path / "go.mod").write_text("module example.com/x\n\ngo 1.21\n")
    (tmp_path / "api/cmd/api").mkdir(parents=True)
    write_main(tmp_path)
    overrides = {"carbide-rest-api": {"user": "root", "folders": None}}
    found = found_source(tmp_path, **only, serviceOverrides=overrides)
    assert [(each.level, each.subject) for each in found] == [("warn", "catalogue"), ("ok", "source"), ("warn", "git")]


def test_a_broken_credential_store_is_named_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    environment = {"DOCKER_CONFIG": str(tmp_path), "PATH": str(tmp_path)}
    assert list(check_store(environment)) == []
    file.write_text('{"credsStore": "desktop.exe"}')
    (finding,) = check_store(environment)
    assert (finding.level, finding.subject) == ("warn", "docker login")
    assert finding.told == f"docker-credential-desktop.exe, the credsStore of {file}, is not on PATH"
    assert f"take credsStore out of {file}" in finding.fix
    file.write_text("{")
    (finding,) = check_store(environment)
    assert finding.level == "fail"
    assert finding.told.startswith(f"{file}: cannot be read as Docker's configuration")


def test_a_registry_that_takes_us_and_one_that_does_not(tmp_path: Path) -> None:
    context, trusted = make_tls(tmp_path)
    with FakeRegistry().running(context) as registry:
        client = RegistryClient(registry.server, None, Transport({"SSL_CERT_FILE": str(trusted)}))
        well = list(check_registry(lambda: client, "team/image", lambda _: None))
        assert [(finding.level, finding.subject) for finding in well] == [("ok", "registry"), ("ok", "push")]
        registry.faults["/v2/team/image/blobs/uploads/"] = Fault(403, 9)
        _, denied = check_registry(lambda: client, "team/image", lambda _: None)
        assert (denied.level, "registryPassword" in denied.fix) == ("fail", True)
    nobody = RegistryClient("127.0.0.1:1", None, Transport({}, pause=lambda _: None))
    (finding,) = check_registry(lambda: nobody, "team/image", lambda _: None)
    assert (finding.level, finding.subject) == ("fail", "registry")
