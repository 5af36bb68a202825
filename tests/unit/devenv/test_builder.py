"""Tests of the builder's configuration, and of the choice between Docker and BuildKit."""

import dataclasses
import fcntl
import os
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from carbide_infra.errors import MissingPrerequisite, SetupError
from carbide_infra.registry.mirror import Mirror
from carbide_infra.state_files import write_text
from devenv import builder, containers, registration
from devenv.builder import container_arguments, docker_answers, render_config, use_builder
from devenv.certificates import Certificates
from devenv.daemons import Daemon
from devenv.registration import Builder
from devenv.registry import Registry
from devenv.registry_login import Login
from devenv.toolchain import Tools
from devenv.trust import Trust
from tests.support.fake_programs import FakeProgram


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".local").mkdir()
    return tmp_path


@pytest.fixture
def registry(root: Path) -> Registry:
    return Registry("vm:5443", Certificates(root / ".local" / "tls"), Login("s3cr3t"))


def tools(folder: Path) -> Tools:
    names = ("pulumi", "buildx", "plugin", "buildctl", "buildkitd")
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
    assert arguments[-1] == "--bootstrap"
    assert len(arguments) == 9
    # Two checkouts on one Docker must not share a container.
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
    docker = FakeProgram(tmp_path, "docker")
    docker.answer("", does=script)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    docker_answers.cache_clear()
    assert docker_answers() is expected
    assert docker.calls == ["version --format {{.Server.Version}}"]
    docker_answers.cache_clear()


@pytest.fixture
def buildx(root: Path) -> FakeProgram:
    """A buildx that knows no builder."""
    return FakeProgram(root, "buildx")


def register(root: Path, buildx: FakeProgram, driver: str, *arguments: str) -> None:
    config = {"BUILDX_CONFIG": str(root / "buildx-config")}
    registration.register(root, Builder(buildx.path, environment=config), driver, arguments, "")


LIST, CREATE = "ls --format {{.Name}}", "create --name carbide-local"
REMOVE = "rm --force --keep-state carbide-local"


def test_builder_is_registered_once(root: Path, buildx: FakeProgram) -> None:
    register(root, buildx, "remote", "--driver", "remote", "unix:///s")
    assert buildx.calls == [LIST, f"{CREATE} --driver remote unix:///s"]
    register(root, buildx, "remote", "--driver", "remote", "unix:///s")
    assert buildx.calls[2:] == ["inspect --bootstrap carbide-local"]


def test_a_builder_that_buildx_has_forgotten_is_registered_again(root: Path, buildx: FakeProgram) -> None:
    register(root, buildx, "remote", "unix:///s")
    buildx.answer("inspect", error='ERROR: no builder "carbide-local" found', code=1)
    register(root, buildx, "remote", "unix:///s")
    assert buildx.calls[2:] == ["inspect --bootstrap carbide-local", LIST, f"{CREATE} unix:///s"]


def test_a_changed_builder_is_registered_anew_with_its_cache(root: Path, buildx: FakeProgram) -> None:
    buildx.answer("ls", "default\ncarbide-local\n")
    register(root, buildx, "remote", "unix:///old")
    register(root, buildx, "remote", "unix:///new")
    assert buildx.calls == [LIST, REMOVE, f"{CREATE} unix:///old", LIST, REMOVE, f"{CREATE} unix:///new"]


def test_a_builder_that_cannot_be_registered_is_told_and_tried_again(root: Path, buildx: FakeProgram) -> None:
    buildx.answer("create", error="ERROR: could not create the container", code=1)
    for _ in range(2):
        with pytest.raises(SetupError, match=r"Registering the builder failed:(.|\n)*could not create the container"):
            register(root, buildx, "remote", "unix:///s")
    assert buildx.calls == [LIST, f"{CREATE} unix:///s"] * 2


def test_stopping_removes_the_container_and_keeps_its_cache(root: Path, buildx: FakeProgram) -> None:
    register(root, buildx, "docker-container", *container_arguments(root))
    buildx.answer("ls", "default\ncarbide-local\n")
    assert builder.stop_builder(root)
    assert buildx.calls[-1] == REMOVE
    assert buildx.environment["BUILDX_CONFIG"] == str(root / "buildx-config")
    assert buildx.environment["HOME"] == os.environ["HOME"]
    assert not builder.stop_builder(root)


def test_a_container_that_was_created_and_never_started_is_found(root: Path, buildx: FakeProgram) -> None:
    buildx.answer("create", error="ERROR: no such image", code=1)
    with pytest.raises(SetupError, match="no such image"):
        register(root, buildx, "docker-container", *container_arguments(root))
    buildx.answer("ls", "default\ncarbide-local\n")
    assert builder.stop_builder(root)
    assert buildx.calls[-1] == REMOVE


@pytest.fixture
def gone(root: Path, buildx: FakeProgram) -> FakeProgram:
    """A buildx whose builder was in a Docker that has gone: to remove it fails, and it is forgotten."""
    register(root, buildx, "docker-container", *container_arguments(root))
    known = root / "known"
    known.touch()
    buildx.answer("ls", does=f"if [ -e {known} ]; then echo carbide-local; fi")
    buildx.answer("rm --force", error="Cannot connect to the Docker daemon", code=1, does=f"rm {known}")
    return buildx


def test_the_first_make_after_docker_has_gone_works(root: Path, gone: FakeProgram) -> None:
    register(root, gone, "remote", "unix:///s")
    assert gone.calls[-1] == f"{CREATE} unix:///s"


def test_nothing_runs_where_docker_has_gone(root: Path, gone: FakeProgram) -> None:
    assert not builder.stop_builder(root)
    assert gone.calls[-1] == LIST


@pytest.mark.parametrize("end", ["register", "stop"])
def test_a_copy_of_a_checkout_leaves_the_originals_container_alone(tmp_path: Path, end: str) -> None:
    original, copy = tmp_path / "a", tmp_path / "b"
    buildx = FakeProgram(tmp_path / "bin", "buildx")
    buildx.answer("ls", "carbide-local\n")
    (original / ".local/buildx").mkdir(parents=True)
    config = {"BUILDX_CONFIG": str(original / ".local/buildx")}
    registration.register(original, Builder(buildx.path, environment=config), "docker-container", [], "")
    shutil.copytree(original, copy)
    asked = len(buildx.calls)
    if end == "stop":
        assert not builder.stop_builder(copy)
        assert len(buildx.calls) == asked
    else:
        buildx.answer("ls", "")
        own = {"BUILDX_CONFIG": str(copy / ".local/buildx")}
        registration.register(copy, Builder(buildx.path, environment=own), "docker-container", [], "")
        assert buildx.calls[asked:] == [LIST, CREATE]
    assert not (copy / ".local/buildx").exists(), "it knew the original's container"


def test_a_checkout_that_was_moved_removes_its_container(tmp_path: Path, buildx: FakeProgram) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    register(old, buildx, "docker-container")
    buildx.answer("ls", "carbide-local\n")
    old.rename(new)
    assert builder.stop_builder(new)
    assert buildx.calls[-1] == REMOVE


class Embedded:
    """In the place of our own BuildKit: notes when it is started and stopped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, root: bool = True) -> None:
        self.done: list[str] = []
        monkeypatch.setattr(builder, "docker_answers", lambda: True)
        monkeypatch.setattr(builder, "can_embed", lambda: root)
        monkeypatch.setattr(builder, "_ensure_buildkit", lambda *_: self._noted("start", Path("/s")))
        monkeypatch.setattr(builder, "_stop_buildkit", lambda _: self._noted("stop", value=False))

    def _noted(self, what: str, value: object) -> object:
        self.done.append(what)
        return value


NO_IMAGE = "ERROR: failed to pull moby/buildkit:buildx-stable-1: no route to host"


def test_where_docker_cannot_start_the_builder_an_embedded_one_does_instead(
    root: Path, buildx: FakeProgram, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded, told = Embedded(monkeypatch), list[str]()
    buildx.answer("create --name carbide-local --driver docker-container", error=NO_IMAGE, code=1)
    for _ in range(2):
        assert builder.ensure_builder(root, tools(root), registry, [], told.append).name == "carbide-local"
    assert embedded.done == ["start", "start"], "the one that worked was not stopped"
    assert told == [
        f"WARNING: Docker answers, but cannot start the builder ({NO_IMAGE}): an embedded one builds instead"
    ]
    assert sum("docker-container" in call for call in buildx.calls) == 1, "it is not tried again each time"
    builder.stop_builder(root)
    buildx.answer("create --name carbide-local --driver docker-container")
    builder.ensure_builder(root, tools(root), registry, [], told.append)
    assert embedded.done[2:] == ["stop", "stop"], "by make down, and once the new one had answered"


def test_who_is_not_root_is_told_what_to_do_where_docker_cannot_start_the_builder(
    root: Path, buildx: FakeProgram, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = Embedded(monkeypatch, root=False)
    buildx.answer("create", error=NO_IMAGE, code=1)
    with pytest.raises(SetupError, match=r"^Docker answers, but cannot start the builder: let it pull (.|\n)*no route"):
        builder.ensure_builder(root, tools(root), registry, [], lambda _: None)
    assert embedded.done == []


@dataclasses.dataclass
class Started:
    """How our own BuildKit would be started."""

    fingerprint: str = ""
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    folder: Path = Path()


@pytest.fixture
def start(root: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Started]:
    """Let an embedded builder start, and give how."""
    started = Started()

    def begin(_: Daemon, arguments: list[str], environment: dict[str, str], fingerprint: str) -> None:
        started.fingerprint, started.environment = fingerprint, environment
        started.folder = Path(arguments[arguments.index("--root") + 1])

    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(root / "cache"))
    monkeypatch.setattr(builder, "require_builder", lambda: None)
    monkeypatch.setattr(builder, "ensure_debian_packages", lambda *_: {"runc": Path("/runc")})
    monkeypatch.setattr(Daemon, "serves", lambda *_: False)
    monkeypatch.setattr(Daemon, "start", begin)
    monkeypatch.setattr(Daemon, "await_ready", lambda *_: None)

    def run(trust: Trust = Trust.OTHER) -> Started:
        builder._ensure_buildkit(root, tools(root), registry, "", lambda _: None, trust)
        return dataclasses.replace(started)

    return run


def test_trust_is_part_of_the_builders_fingerprint_by_its_content(
    start: Callable[..., Started], registry: Registry
) -> None:
    bundle = registry.certificates.bundle
    write_text(bundle, "a CA")
    before = start()
    assert start().fingerprint == before.fingerprint
    write_text(bundle, "a CA, and the company's")
    after = start()
    assert after.fingerprint != before.fingerprint
    assert after.environment["SSL_CERT_FILE"] == before.environment["SSL_CERT_FILE"] == str(bundle)


def test_build_secrets_are_mounted_in_a_folder_of_ours_alone(start: Callable[..., Started]) -> None:
    temporary = Path(start().environment["TMPDIR"])
    assert temporary.is_relative_to(start().folder)
    assert temporary.stat().st_mode & 0o777 == 0o700


def test_each_level_of_trust_has_a_builder_of_its_own_under_one_name(root: Path, start: Callable[..., Started]) -> None:
    started = {trust: start(trust) for trust in (*Trust, *Trust)}
    assert len({each.folder for each in started.values()}) == len({each.fingerprint for each in started.values()}) == 3
    nodes = {arguments[arguments.index("--node") + 1] for arguments in (container_arguments(root, t) for t in Trust)}
    assert len(nodes) == 3


def test_secrets_of_a_killed_builder_are_gone_with_the_next_command(
    root: Path, start: Callable[..., Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, unmounted = start().folder, list[list[str]]()
    mount = str(folder / "tmp/buildkit-secret")
    Path(mount).mkdir()
    table = root / "mountinfo"
    table.write_text(f"9 1 0:1 / {mount} rw - tmpfs tmpfs rw\n")
    monkeypatch.setattr(containers, "MOUNTS", table)
    monkeypatch.setattr(containers, "find_system_program", lambda _: None)

    def umount(command: list[str], **_: object) -> SimpleNamespace:
        unmounted.append([str(word) for word in command])
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr("subprocess.run", umount)
    with (folder / "buildkitd.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        builder.clear_after_killed(root)
        assert unmounted == [], "it runs, and builds"
    builder.clear_after_killed(root)
    assert unmounted == [["umount", mount], ["umount", "--lazy", mount]]
    assert not (folder / "tmp").exists()
    table.write_text("")
    builder.clear_after_killed(root)
    assert len(unmounted) == 2, "nothing is left to clear"


def test_stopping_leaves_a_builder_that_is_no_container_registered(root: Path, buildx: FakeProgram) -> None:
    register(root, buildx, "remote", "unix:///s")
    assert not builder.stop_builder(root)
    assert REMOVE not in buildx.calls


def test_with_docker_the_builder_is_a_container_of_the_engine(
    root: Path, buildx: FakeProgram, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "docker_answers", lambda: True)
    monkeypatch.setenv("DOCKER_HOST", "tcp://engine:2376")
    monkeypatch.setenv("BUILDX_CONFIG", str(root / "mine"))
    made = builder.ensure_builder(root, tools(root), registry, [Mirror("mirror.example")], lambda _: None)
    arguments = " ".join(container_arguments(root))
    assert buildx.calls == [LIST, f"{CREATE} {arguments}", "use --global carbide-local"]
    assert buildx.environment["DOCKER_HOST"] == "tcp://engine:2376"
    assert buildx.environment["BUILDX_CONFIG"] == str(root / "mine") == made.environment["BUILDX_CONFIG"]
    assert builder.config_file(root).read_text() == render_config(root, registry, [Mirror("mirror.example")])
    assert made.name == "carbide-local"


def test_another_configuration_or_ca_makes_another_container(
    root: Path, buildx: FakeProgram, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "docker_answers", lambda: True)

    def created(*mirrors: Mirror) -> int:
        builder.ensure_builder(root, tools(root), registry, mirrors, lambda _: None)
        return sum(call.startswith(CREATE) for call in buildx.calls)

    assert (created(), created()) == (1, 1)
    assert created(Mirror("mirror.example")) == 2
    registry.certificates.ca.parent.mkdir()
    registry.certificates.ca.write_text("another CA")
    assert created(Mirror("mirror.example")) == 3


def test_without_docker_buildx_is_told_the_socket_of_our_own_buildkit(
    root: Path, buildx: FakeProgram, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BUILDX_CONFIG", raising=False)
    monkeypatch.setattr(builder, "docker_answers", lambda: False)
    monkeypatch.setattr(builder, "_ensure_buildkit", lambda *_: Path("/run/buildkitd.sock"))
    builder.ensure_builder(root, tools(root), registry, [], lambda _: None)
    remote = "--driver remote unix:///run/buildkitd.sock"
    assert buildx.calls == [LIST, f"{CREATE} {remote}", "use --global carbide-local"]
    assert buildx.environment["BUILDX_CONFIG"] == str(root / ".local/buildx")
    assert buildx.environment["PATH"] == os.environ["PATH"]


def test_our_own_buildkit_has_all_its_files_in_the_checkout(root: Path) -> None:
    socket = root / "run" / "buildkitd.sock"
    assert builder._daemon_arguments(root, socket, Path("/usr/bin/runc")) == [
        *("--config", f"{root}/.local/buildkitd.toml"),
        *("--addr", f"unix://{socket}"),
        *("--otel-socket-path", f"{root}/run/buildkit-otel.sock"),
        "--cdi-disabled",
        *("--oci-worker-binary", "/usr/bin/runc"),
        *("--oci-worker-net", "host"),
    ]


@pytest.mark.parametrize(("code", "answers"), [(0, True), (1, False)])
def test_buildkit_answers_by_its_workers(root: Path, code: int, *, answers: bool) -> None:
    buildctl = FakeProgram(root, "buildctl")
    buildctl.answer("", code=code)
    assert builder._buildkit_answers(buildctl.path, Path("/s.sock")) is answers
    assert buildctl.calls == ["--addr unix:///s.sock --timeout 2 debug workers"]


def test_the_machine_s_builder_becomes_the_current_one(root: Path, buildx: FakeProgram) -> None:
    found = dataclasses.replace(tools(root), buildx=buildx.path)
    use_builder(found, "builder-1", os.environ)
    assert buildx.calls == ["use builder-1"]


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
