"""Tests of the builder's configuration, and of the choice between Docker and BuildKit."""

import os
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from carbide_infra.local import builder, containers
from carbide_infra.local.builder import Builder, container_arguments, docker_answers, render_config
from carbide_infra.local.certificates import Certificates
from carbide_infra.local.docker_hub import Mirror
from carbide_infra.local.errors import MissingPrerequisite
from carbide_infra.local.paths import project_root
from carbide_infra.local.registry import Registry
from carbide_infra.local.toolchain import Tools


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".local").mkdir()
    template = tmp_path / builder.TEMPLATE
    template.parent.mkdir(parents=True)
    template.write_text((project_root() / builder.TEMPLATE).read_text())
    return tmp_path


@pytest.fixture
def registry(root: Path) -> Registry:
    return Registry("vm:5443", Certificates(root / ".local" / "tls"))


def tools(folder: Path) -> Tools:
    names = ("pulumi", "buildx", "registry", "plugin", "buildctl", "buildkitd")
    return Tools(folder, *(folder / name for name in names))


def test_configuration_names_registry_and_mirrors(root: Path, registry: Registry) -> None:
    mirrors = [Mirror("mirror.example:5000", "/hub", plain_http=True)]
    config = tomllib.loads(render_config(root, registry, mirrors))
    assert config["registry"]["docker.io"]["mirrors"] == ["mirror.example:5000/hub"]
    assert config["registry"]["mirror.example:5000"] == {"http": True}
    assert config["registry"]["vm:5443"]["ca"] == [str(registry.certificates.ca)]
    assert config["worker"]["oci"]["gc"] is True


def test_cache_size_is_decided_once(root: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def free(size: int) -> None:
        monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=size))

    def limit() -> int:
        config = tomllib.loads(render_config(root, registry, []))
        return int(config["worker"]["oci"]["gcpolicy"][0]["maxUsedSpace"])

    free(500 * builder.GIGABYTE)
    assert limit() == 40 * builder.GIGABYTE
    free(21 * builder.GIGABYTE)
    assert limit() == 10 * builder.GIGABYTE
    builder.config_file(root).write_text(render_config(root, registry, []))
    free(3 * builder.GIGABYTE)
    assert limit() == 10 * builder.GIGABYTE


def test_container_builder_is_told_everything(root: Path) -> None:
    arguments = container_arguments(root)
    assert arguments[:4] == ["--driver", "docker-container", "--driver-opt", "network=host"]
    assert arguments[arguments.index("--buildkitd-config") + 1] == str(root / ".local" / "buildkitd.toml")
    node = arguments[arguments.index("--node") + 1]
    assert node.startswith("carbide-local-")
    # Two checkouts on one engine must not share a container.
    assert node not in container_arguments(root / "other")


def test_without_docker_and_root_there_is_one_sentence(
    root: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "docker_answers", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MissingPrerequisite, match="start Docker"):
        builder.ensure_builder(root, tools(root), registry, [], lambda _: None)


@pytest.mark.parametrize(
    ("script", "expected"),
    [("echo 27.5.1", True), ("echo; exit 0", False), ("echo refused >&2; exit 1", False)],
)
def test_docker_counts_only_when_its_engine_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, *, expected: bool
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    docker_answers.cache_clear()
    assert docker_answers() is expected
    docker_answers.cache_clear()


def fake_buildx(folder: Path) -> tuple[Builder, Path]:
    """A buildx that writes down how it was called, and knows the builders in the file `known`."""
    log, known, program = folder / "calls", folder / "known", folder / "buildx"
    log.touch()
    known.touch()
    program.write_text(f'#!/bin/sh\necho "$@" >> {log}\n[ "$1" != ls ] || cat {known}\n')
    program.chmod(0o755)
    return Builder(program, environment={**os.environ, "BUILDX_CONFIG": str(folder)}), log


def test_builder_is_registered_once(root: Path) -> None:
    buildx, log = fake_buildx(root)
    builder._register(root, buildx, "remote", ["--driver", "remote", "unix:///s"], "")
    assert log.read_text().splitlines()[-1] == "create --name carbide-local --driver remote unix:///s"
    log.write_text("")
    builder._register(root, buildx, "remote", ["--driver", "remote", "unix:///s"], "")
    assert log.read_text() == "inspect --bootstrap carbide-local\n"


def test_a_changed_builder_is_registered_anew_with_its_cache(root: Path) -> None:
    buildx, log = fake_buildx(root)
    (root / "known").write_text("default\ncarbide-local\n")
    builder._register(root, buildx, "remote", ["unix:///old"], "")
    builder._register(root, buildx, "remote", ["unix:///new"], "")
    assert log.read_text().count("rm --force --keep-state carbide-local\n") == 2


def test_stopping_removes_the_container_and_keeps_its_cache(root: Path) -> None:
    buildx, log = fake_buildx(root)
    builder._register(root, buildx, "docker-container", container_arguments(root), "")
    assert builder.stop_builder(root)
    assert log.read_text().splitlines()[-1] == "rm --force --keep-state carbide-local"
    assert not builder.stop_builder(root)


def test_the_socket_stays_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(tmp_path / ("c" * 100)))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    socket = builder._socket(tmp_path / ("d" * 100))
    assert len(os.fsencode(socket)) < 108
    assert socket == builder._socket(tmp_path / ("d" * 100))
    assert socket.parent.stat().st_mode & 0o777 == 0o700


def test_a_strangers_folder_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(Exception, match="belongs to somebody else"):
        builder._claim(link)


def test_mounts_are_found_innermost_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 8:1 / / rw - ext4 /dev/a rw\n"
        "2 1 0:1 / /a\\040b/.local/buildkit/x rw - overlay overlay rw\n"
        "3 2 0:2 / /a\\040b/.local/buildkit/x/y rw - overlay overlay rw\n"
        "4 1 0:3 / /other/.local/buildkit/x rw - overlay overlay rw\n"
    )
    monkeypatch.setattr(containers, "MOUNTS", table)
    folder = Path("/a b/.local/buildkit")
    assert list(containers._mounts(folder)) == [folder / "x/y", folder / "x"]
