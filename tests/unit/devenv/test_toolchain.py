"""The toolchain: built once from its lock files, taken from PATH where it is there, and never left half-made."""

import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from carbide_infra import paths, programs
from carbide_infra.errors import MissingPrerequisite, SetupError
from devenv import prerequisites, toolchain
from devenv.toolchain import (
    ACTIONLINT,
    BUILDX,
    DOCKER_BUILD,
    LANGUAGE_PYTHON,
    PULUMI,
    REGISTRY,
    ensure_actionlint,
    ensure_registry_server,
    ensure_tools,
    missing_tools,
)

ENGINE = (
    PULUMI,
    LANGUAGE_PYTHON,
    toolchain.BUILDCTL,
    toolchain.BUILDKITD,
    BUILDX,
    DOCKER_BUILD,
)
BINARIES = (*ENGINE, REGISTRY)

# Answers as Go does for the three things that are asked of it, and notes what it built.
FAKE_GO = """#!/bin/sh
case "$1" in
version) echo go version go1.26.8 linux/amd64 ;;
mod) echo '{{"Dir": "{machine}/module"}}' ;;
build)
  while [ "$1" != -o ]; do shift; done
  {instead}
  echo "${{2##*/}}" >> {machine}/built
  printf '#!/bin/sh\\necho %s' "${{2##*/}}" > "$2"
  /bin/chmod +x "$2" ;;
esac
"""


class Machine:
    """A machine with nothing but the programs that a test puts on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "project"
        self.tools = self.root / "tools"
        self.cache = folder / "cache"
        self.programs = folder / "programs"
        self.lines: list[str] = []
        self.programs.mkdir()
        self._write_lock_files()
        script = folder / "module/python/cmd/pulumi-language-python-exec"
        script.parent.mkdir(parents=True)
        script.write_text("#!/usr/bin/env python3\n")
        self.install_go()

    def _write_lock_files(self) -> None:
        self.root.mkdir()
        (self.root / "Pulumi.yaml").touch()
        for binary in (*BINARIES, ACTIONLINT):
            lock_file = self.tools / binary.folder / "go.mod"
            lock_file.parent.mkdir(parents=True, exist_ok=True)
            with lock_file.open("a") as lock:
                lock.write(f"require (\n\t{binary.module} v1.2.3 // indirect\n)\n")

    def install(self, name: str, script: str) -> Path:
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    def install_go(self, *, instead: str = "") -> None:
        go = self.programs / "go"
        go.write_text(FAKE_GO.format(machine=self.folder, instead=instead))
        go.chmod(0o755)

    def built(self) -> list[str]:
        log = self.folder / "built"
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return names

    def ensure(self, *, embedded: bool = True) -> toolchain.Tools:
        return ensure_tools(self.lines.append, embedded=embedded)

    def leftovers(self) -> list[Path]:
        return [file for file in (self.cache / "tools").iterdir() if file.name.startswith(toolchain.UNFINISHED)]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(made.programs))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(made.cache))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.setattr(toolchain, "LOCKS", made.tools)
    monkeypatch.setattr(programs, "SHARED_DOCKER_FOLDERS", ())
    monkeypatch.setattr(prerequisites, "GO_FOLDERS", ())
    return made


def test_every_tool_is_built_and_runs(machine: Machine) -> None:
    tools = machine.ensure()
    assert sorted(machine.built()) == sorted(binary.name for binary in ENGINE)
    for program in (tools.pulumi, tools.buildx, tools.buildctl, tools.buildkitd):
        assert program is not None
        assert program.parent == tools.bin_dir
        assert subprocess.check_output([program], text=True).strip() == program.name
    assert tools.bin_dir.is_relative_to(machine.cache)


def test_engine_and_its_language_host_are_neighbours_when_links_are_followed(machine: Machine) -> None:
    folder = machine.ensure().pulumi.resolve().parent
    assert os.access(folder / "pulumi-language-python", os.X_OK)
    assert os.access(folder / "pulumi-language-python-exec", os.X_OK)


def test_provider_is_kept_off_path(machine: Machine) -> None:
    tools = machine.ensure()
    assert os.access(tools.docker_build_plugin, os.X_OK)
    assert not (tools.bin_dir / tools.docker_build_plugin.name).exists()


def test_progress_is_one_line_before_and_one_after_each_tool(machine: Machine) -> None:
    machine.ensure()
    assert machine.lines[1:3] == ["pulumi 1.2.3: building (1/6)…", "pulumi 1.2.3: done in 0 s"]
    assert len(machine.lines) == 1 + 2 * len(ENGINE)


def test_second_run_builds_nothing_and_needs_no_go(machine: Machine) -> None:
    first = machine.ensure()
    machine.built()
    (machine.programs / "go").unlink()
    assert machine.ensure() == first
    assert machine.built() == []


def test_what_is_missing_is_named_and_not_built(machine: Machine) -> None:
    missing = missing_tools()
    assert {line.split()[0] for line in missing} == {binary.name for binary in BINARIES}
    assert {line.split()[1] for line in missing} == {"1.2.3"}
    assert not machine.cache.exists()
    machine.ensure()
    ensure_registry_server(machine.lines.append)
    assert missing_tools() == []


def test_bin_dir_on_path_does_not_count_as_installed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    first = machine.ensure()
    monkeypatch.setenv("PATH", f"{first.bin_dir}:{machine.programs}")
    assert machine.ensure() == first


def test_docker_engine_makes_our_own_buildkit_unnecessary(machine: Machine) -> None:
    tools = machine.ensure(embedded=False)
    assert (tools.buildctl, tools.buildkitd) == (None, None)
    assert not {"buildctl", "buildkitd"} & set(machine.built())


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "stub/stub.go"])
def test_a_changed_lock_file_changes_the_keys_of_its_tools_only(machine: Machine, file: str) -> None:
    before = {binary.name: toolchain.cache_key(binary, machine.tools) for binary in BINARIES}
    changed = machine.tools / "builder" / file
    changed.parent.mkdir(exist_ok=True)
    with changed.open("a") as lock:
        lock.write("// another line\n")
    after = {binary.name: toolchain.cache_key(binary, machine.tools) for binary in BINARIES}
    moved = {binary for binary in before if before[binary] != after[binary]}
    assert moved == {binary.name for binary in BINARIES if binary.folder == "builder"}


def test_the_key_does_not_depend_on_the_place_of_the_checkout(machine: Machine, tmp_path: Path) -> None:
    before = toolchain.cache_key(BUILDX, machine.tools)
    elsewhere = machine.tools.rename(tmp_path / "elsewhere")
    assert toolchain.cache_key(BUILDX, elsewhere) == before


def test_language_host_follows_the_engine_that_its_script_comes_from(machine: Machine) -> None:
    before = toolchain.cache_key(LANGUAGE_PYTHON, machine.tools)
    (machine.tools / "pulumi/go.sum").write_text("changed")
    assert toolchain.cache_key(LANGUAGE_PYTHON, machine.tools) != before


def test_a_changed_lock_file_rebuilds_its_tools_only(machine: Machine) -> None:
    first = machine.ensure()
    machine.built()
    (machine.tools / "language-python/go.sum").write_text("changed")
    assert machine.ensure().bin_dir != first.bin_dir
    assert machine.built() == ["pulumi-language-python"]


def test_installed_engine_and_buildx_are_used_as_they_are(machine: Machine) -> None:
    pulumi = machine.install("pulumi", "echo v3.250.1")
    machine.install("pulumi-language-python", "")
    buildx = machine.install("docker-buildx", "echo github.com/docker/buildx v0.20.0 abc")
    tools = machine.ensure()
    assert (tools.pulumi, tools.buildx) == (pulumi, buildx)
    assert not {"pulumi", "pulumi-language-python", "buildx"} & set(machine.built())


@pytest.mark.parametrize("version", ["v3.214.9", "v4.0.0", "3", ""])
def test_unsuitable_installed_engine_is_not_used(machine: Machine, version: str) -> None:
    machine.install("pulumi", f"echo {version}")
    machine.install("pulumi-language-python", "")
    assert machine.ensure().pulumi.is_relative_to(machine.cache)


def test_installed_engine_without_language_host_is_not_used(machine: Machine) -> None:
    machine.install("pulumi", "echo v3.259.0")
    assert machine.ensure().pulumi.is_relative_to(machine.cache)


def test_buildx_that_does_not_run_is_not_used(machine: Machine) -> None:
    machine.install("docker-buildx", "echo v0.35.0; exit 1")
    assert machine.ensure().buildx.is_relative_to(machine.cache)


def truncate(tools: toolchain.Tools) -> None:
    tools.buildx.write_text("")


def make_unrunnable(tools: toolchain.Tools) -> None:
    tools.buildx.chmod(0o644)


def remove_from_bin_dir(tools: toolchain.Tools) -> None:
    tools.buildx.unlink()


def remove_manifest(tools: toolchain.Tools) -> None:
    (tools.bin_dir / toolchain.MANIFEST).unlink()


@pytest.mark.parametrize("harm", [truncate, make_unrunnable, remove_from_bin_dir, remove_manifest])
def test_broken_cache_entry_is_mended(machine: Machine, harm: Callable[[toolchain.Tools], None]) -> None:
    tools = machine.ensure()
    harm(tools)
    assert machine.ensure() == tools
    assert subprocess.check_output([tools.buildx], text=True).strip() == "buildx"


def test_only_the_broken_entry_is_built_again(machine: Machine) -> None:
    tools = machine.ensure()
    machine.built()
    truncate(tools)
    machine.ensure()
    assert machine.built() == ["buildx"]


def test_leftovers_of_a_killed_run_are_removed(machine: Machine) -> None:
    leftover = machine.cache / "tools" / f"{toolchain.UNFINISHED}abc" / "pulumi"
    leftover.mkdir(parents=True)
    machine.ensure()
    assert machine.leftovers() == []


def test_missing_go_is_one_sentence(machine: Machine) -> None:
    (machine.programs / "go").unlink()
    with pytest.raises(MissingPrerequisite, match=r"^Go is missing: [^.]*1\.21[^\n]*\.$"):
        machine.ensure()


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("dial tcp: lookup proxy.invalid: no such host", "GOPROXY"),
        ("proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused", "HTTPS_PROXY"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "SSL_CERT_FILE"),
        ("mkdir x: no space left on device", "The disk is full"),
        ("server response: 403 Forbidden", "choose another proxy with GOPROXY"),
        ("compile: signal: killed", "out of memory"),
    ],
)
def test_failed_build_names_command_output_and_cause(machine: Machine, said: str, cause: str) -> None:
    machine.install_go(instead=f"for n in $(/usr/bin/seq 40); do echo line $n; done >&2; echo '{said}' >&2; exit 1")
    with pytest.raises(SetupError, match=cause) as raised:
        machine.ensure()
    first, command, *output = str(raised.value).splitlines()
    assert first.startswith("Building pulumi 1.2.3 failed. ")
    assert f"{machine.tools}/pulumi && go build -trimpath" in command
    assert output == [*(f"line {number}" for number in range(22, 41)), said]
    assert machine.leftovers() == []


def test_disk_full_is_one_sentence_that_names_the_folder(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SetupError, match=f"^The disk is full: free some space in {machine.cache}[^.]*\\.$"):
        machine.ensure()


def test_unusable_cache_folder_is_named(machine: Machine) -> None:
    machine.cache.write_text("a file where the folder should be")
    with pytest.raises(SetupError, match=str(machine.cache)):
        machine.ensure()


def test_everything_go_writes_is_inside_the_cache(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("GOPROXY", "https://proxy.example")
    machine.install_go(instead=f"/usr/bin/env > {machine.folder}/env")
    machine.ensure()
    env = dict(line.split("=", 1) for line in (machine.folder / "env").read_text().splitlines() if "=" in line)
    assert all(env[name].startswith(str(machine.cache)) for name in ("GOCACHE", "GOMODCACHE", "GOPATH", "GOTMPDIR"))
    assert (env["GOTOOLCHAIN"], env["CGO_ENABLED"], env["GOPROXY"]) == ("auto", "0", "https://proxy.example")
    assert "GOOS" not in env


def ensure_in_another_process() -> None:
    ensure_tools(lambda _line: None)


def test_two_runs_at_once_build_each_tool_once(machine: Machine) -> None:
    machine.install_go(instead="/bin/sleep 0.05")
    # Forked, so that the fixture's replacements hold in the other process too.
    other = multiprocessing.get_context("fork").Process(target=ensure_in_another_process)
    other.start()
    machine.ensure()
    other.join()
    assert other.exitcode == 0
    assert sorted(machine.built()) == sorted(binary.name for binary in ENGINE)


INTERRUPTED_RUN = """
import sys
from pathlib import Path
from devenv import toolchain
toolchain.LOCKS = Path(sys.argv[1])
toolchain.ensure_tools(lambda line: print(line, flush=True))
"""


def test_interrupt_leaves_nothing_half_made(machine: Machine) -> None:
    started = machine.folder / "started"
    machine.install_go(instead=f"echo > {started}; exec /bin/sleep 30")
    command = [sys.executable, "-c", INTERRUPTED_RUN, str(machine.tools)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    run = subprocess.Popen(command, env=env, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    # As a terminal does on Ctrl-C: the whole group gets the signal.
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(timeout=20) != 0
    assert {file.name for file in (machine.cache / "tools").iterdir()} == {".lock"}
    machine.install_go()
    machine.ensure()


def test_plugin_is_put_into_the_engines_cache_once(machine: Machine, tmp_path: Path) -> None:
    tools = machine.ensure()
    home = tmp_path / "pulumi-home"
    toolchain.install_plugin(tools, home)
    plugin = home / "plugins/resource-docker-build-v1.2.3/pulumi-resource-docker-build"
    assert plugin.samefile(tools.docker_build_plugin)
    stamp = plugin.lstat().st_mtime_ns
    toolchain.install_plugin(tools, home)
    assert plugin.lstat().st_mtime_ns == stamp


def test_stale_or_broken_plugin_is_replaced(machine: Machine, tmp_path: Path) -> None:
    tools = machine.ensure()
    folder = tmp_path / "pulumi-home/plugins/resource-docker-build-v1.2.3"
    folder.mkdir(parents=True)
    plugin = folder / "pulumi-resource-docker-build"
    plugin.symlink_to(tmp_path / "deleted")
    (folder.parent / f"{folder.name}.partial").touch()
    toolchain.install_plugin(tools, tmp_path / "pulumi-home")
    assert plugin.samefile(tools.docker_build_plugin)
    assert [file.name for file in folder.parent.iterdir()] == [folder.name]
    assert [file.name for file in folder.iterdir()] == [plugin.name]


def test_the_workflow_checker_is_built_once_and_apart_from_the_engine(machine: Machine) -> None:
    program = ensure_actionlint(machine.lines.append)
    assert machine.built() == ["actionlint"]
    assert subprocess.run([program], check=True, capture_output=True, text=True).stdout == "actionlint\n"
    assert ensure_actionlint(machine.lines.append) == program
    assert machine.built() == []


def test_plugin_that_the_engine_fetched_itself_is_kept(machine: Machine, tmp_path: Path) -> None:
    tools = machine.ensure()
    plugin = tmp_path / "pulumi-home/plugins/resource-docker-build-v1.2.3/pulumi-resource-docker-build"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("from the engine's own download")
    plugin.chmod(0o755)
    toolchain.install_plugin(tools, tmp_path / "pulumi-home")
    assert plugin.read_text() == "from the engine's own download"


def test_the_provider_that_the_engine_installed_is_not_built(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugin = tmp_path / "home/.pulumi/plugins/resource-docker-build-v1.2.3/pulumi-resource-docker-build"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("from the engine's own download")
    plugin.chmod(0o755)
    # Its own mark of an installation that was broken off.
    partial = plugin.parent.with_name(f"{plugin.parent.name}.partial")
    partial.touch()
    assert machine.ensure().docker_build_plugin.is_relative_to(machine.cache)
    partial.unlink()
    shutil.rmtree(machine.cache)
    machine.built()
    # As in a shell with this checkout's variables.
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "checkout/.local/pulumi-home"))
    tools = machine.ensure()
    assert tools.docker_build_plugin == plugin
    assert "pulumi-resource-docker-build" not in machine.built()
    assert not any("docker-build" in line for line in missing_tools())


def test_our_own_link_to_a_provider_does_not_stand_for_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "pulumi-home"
    toolchain.install_plugin(machine.ensure(), home)
    monkeypatch.setenv("PULUMI_HOME", str(home))
    assert machine.ensure().docker_build_plugin.is_relative_to(machine.cache)


def test_the_registry_is_built_where_it_is_asked_for(machine: Machine) -> None:
    machine.ensure()
    assert "registry" not in machine.built()
    server = ensure_registry_server(machine.lines.append)
    assert subprocess.check_output([server], text=True).strip() == "registry"
    assert machine.built() == ["registry"]


def test_every_binary_is_pinned_in_the_projects_lock_files() -> None:
    locks = Path(__file__).parents[3] / "tools"
    versions = {binary.name: toolchain.locked_version(binary, locks) for binary in (*BINARIES, ACTIONLINT)}
    assert all(version[0].isdigit() for version in versions.values())


def test_unpinned_binary_is_named(machine: Machine) -> None:
    (machine.tools / "registry/go.mod").write_text("module empty\n")
    with pytest.raises(SetupError, match=REGISTRY.module):
        ensure_registry_server(machine.lines.append)


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CARBIDE_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert paths.cache_dir() == tmp_path / ".cache/carbide-infra"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert paths.cache_dir() == tmp_path / "xdg/carbide-infra"
    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(tmp_path / "chosen"))
    assert paths.cache_dir() == tmp_path / "chosen"
