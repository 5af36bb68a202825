"""The tools, as binaries: those already installed, and the others built from the lock files in tools/."""

import errno
import fcntl
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.errors import SetupError
from carbide_infra.paths import cache_dir
from carbide_infra.programs import docker_plugin_folders
from carbide_infra.progress import Report
from carbide_infra.state_files import make_private
from devenv.go_environment import contained_go
from devenv.prerequisites import require_go

LOCKS = Path(__file__).resolve().parents[1] / "tools"
# Part of every cache key: raise it when the way to build changes in a manner that the key cannot see.
KEY_VERSION = "1"
# The linker drops debug information, so the compiler need not make it.
BUILD_FLAGS = ("-trimpath", "-gcflags=all=-dwarf=false")
LINKER_FLAGS = "-s -w"
# Records are resources of the type pulumi:index:Stash, which engines have had since the end of 2025.
OLDEST_PULUMI, TOO_NEW_PULUMI = (3, 215), (4, 0)
OLDEST_BUILDX = (0, 12)
MANIFEST = ".sizes.json"
UNFINISHED = ".unfinished-"
# The tools are for this machine, whatever else its user cross-compiles; GOBIN would move them.
FOREIGN_GO_SETTINGS = frozenset({"GOOS", "GOARCH", "GOBIN", "GOEXPERIMENT", "GO111MODULE"})
DISK_FULL = "The disk is full: free some space in {folder}, or let CARBIDE_CACHE_DIR name another cache folder."
CAUSES = (
    (("no space left on device",), DISK_FULL),
    (
        ("dial tcp", "no such host", "i/o timeout", "proxyconnect", "x509", "TLS handshake timeout"),
        (
            "Go could not reach its module proxy: check the network, GOPROXY and HTTPS_PROXY, "
            "and that SSL_CERT_FILE holds the certificate authority of a proxy in between."
        ),
    ),
    (
        ("403 Forbidden", "404 Not Found", "410 Gone"),
        "The module proxy would not give out a module: choose another proxy with GOPROXY.",
    ),
    (("signal: killed", "cannot allocate memory"), "The machine ran out of memory: 4 GB are needed."),
)


@dataclass(frozen=True)
class Script:
    """A file of a locked module that has to lie beside a binary."""

    folder: str
    module: str
    path: str


@dataclass(frozen=True)
class Binary:
    """One binary: the folder in tools/ that locks it, what to compile, and the variable that holds its version."""

    name: str
    folder: str
    module: str
    package: str
    version_variable: str
    version_prefix: str = "v"
    script: Script | None = None

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders in tools/ that this binary is made from."""
        return (self.folder, self.script.folder) if self.script else (self.folder,)


PULUMI = Binary(
    name="pulumi",
    folder="pulumi",
    module="github.com/pulumi/pulumi/pkg/v3",
    package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    version_variable="github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",
)
LANGUAGE_PYTHON = Binary(
    name="pulumi-language-python",
    folder="language-python",
    module="github.com/pulumi/pulumi/sdk/v3",
    package="github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python",
    version_variable="github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",
    # The script speaks to the Python SDK, so it comes from the CLI's release, not from the older host's.
    script=Script(
        folder="pulumi",
        module="github.com/pulumi/pulumi/sdk/v3",
        path="python/cmd/pulumi-language-python-exec",
    ),
)
DOCKER_BUILD = Binary(
    name="pulumi-resource-docker-build",
    folder="builder",
    module="github.com/pulumi/pulumi-docker-build",
    package="github.com/pulumi/pulumi-docker-build/provider/cmd/pulumi-resource-docker-build",
    version_variable="github.com/pulumi/pulumi-docker-build/provider.Version",
    version_prefix="",
)
BUILDX = Binary(
    name="buildx",
    folder="builder",
    module="github.com/docker/buildx",
    package="github.com/docker/buildx/cmd/buildx",
    version_variable="github.com/docker/buildx/version.Version",
)
BUILDCTL = Binary(
    name="buildctl",
    folder="builder",
    module="github.com/moby/buildkit",
    package="github.com/moby/buildkit/cmd/buildctl",
    version_variable="github.com/moby/buildkit/version.Version",
)
BUILDKITD = Binary(
    name="buildkitd",
    folder="builder",
    module="github.com/moby/buildkit",
    package="github.com/moby/buildkit/cmd/buildkitd",
    version_variable="github.com/moby/buildkit/version.Version",
)
REGISTRY = Binary(
    name="registry",
    folder="registry",
    module="github.com/distribution/distribution/v3",
    # A main package of our own, in the folder of its locks.
    package=".",
    version_variable="github.com/distribution/distribution/v3/version.version",
)
ACTIONLINT = Binary(
    name="actionlint",
    folder="lint",
    module="github.com/rhysd/actionlint",
    package="github.com/rhysd/actionlint/cmd/actionlint",
    version_variable="github.com/rhysd/actionlint.version",
    version_prefix="",
)


@dataclass(frozen=True)
class Tools:
    """The binaries; `bin_dir` goes first on PATH, and `buildctl` and `buildkitd` exist when embedded."""

    bin_dir: Path
    pulumi: Path
    buildx: Path
    docker_build_plugin: Path
    buildctl: Path | None
    buildkitd: Path | None


def ensure_tools(report: Report, *, embedded: bool = True) -> Tools:
    """Give every binary that the program needs, building those that this machine has not got.

    `embedded` asks for a BuildKit of our own, for a machine without Docker. Raises SetupError.
    """
    store = ToolStore(locks=LOCKS, cache=cache_dir(), report=report)
    with _storage_errors_explained(store.cache):
        return _gather(store, embedded=embedded)


def ensure_actionlint(report: Report) -> Path:
    """Give the checker of GitHub's workflows, building it when this machine has not got it. Raises SetupError."""
    return _ensure(ACTIONLINT, report)


def ensure_registry_server(report: Report) -> Path:
    """Give the registry that `registryServer: local` means, building it when it is not there. Raises SetupError."""
    return _ensure(REGISTRY, report)


def _ensure(binary: Binary, report: Report) -> Path:
    store = ToolStore(locks=LOCKS, cache=cache_dir(), report=report)
    with _storage_errors_explained(store.cache):
        _build_missing(store, [binary])
    return store.folder_of(binary) / binary.name


def missing_tools(*, embedded: bool = True) -> list[str]:
    """Name the binaries, with their versions, that `ensure_tools` would have to build."""
    store = ToolStore(locks=LOCKS, cache=cache_dir(), report=lambda _: None)
    pulumi, buildx = _installed_pulumi(store.finished), _installed_buildx(store.finished)
    plugin = () if _installed_plugin(store.locks) else (DOCKER_BUILD,)
    wanted = [*_to_be_built(pulumi, buildx, embedded=embedded), *plugin, REGISTRY]
    return [f"{binary.name} {locked_version(binary, store.locks)}" for binary in store.missing(wanted)]


def plugin_folder(pulumi_home: Path) -> Path:
    """Name the folder of Pulumi's plugin cache that the docker-build provider belongs in."""
    return _plugin_folder(pulumi_home, LOCKS)


def _plugin_folder(pulumi_home: Path, locks: Path) -> Path:
    return pulumi_home / "plugins" / f"resource-docker-build-v{locked_version(DOCKER_BUILD, locks)}"


def install_plugin(tools: Tools, pulumi_home: Path) -> None:
    """Put the docker-build provider into the plugin cache of `pulumi_home`, unless it is there already.

    Pulumi warns of a provider that it finds on PATH, and accepts a link in its plugin cache.
    """
    with _storage_errors_explained(pulumi_home):
        _link_plugin(tools.docker_build_plugin, plugin_folder(pulumi_home))


def _link_plugin(built: Path, folder: Path) -> None:
    partial = _partial(folder)
    plugin = folder / DOCKER_BUILD.name
    if not partial.exists() and _serves(plugin, built):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as unfinished:
        link = Path(unfinished) / plugin.name
        link.symlink_to(built)
        link.replace(plugin)
    partial.unlink(missing_ok=True)


def _partial(folder: Path) -> Path:
    """Name Pulumi's own mark of an installation that was broken off."""
    return folder.with_name(f"{folder.name}.partial")


def locked_version(binary: Binary, locks: Path) -> str:
    """Read from its go.mod which version of a binary is pinned, as in "3.259.0"."""
    lock_file = locks / binary.folder / "go.mod"
    pinned = re.search(rf"^\s*(?:require\s+)?{re.escape(binary.module)} v(\S+)", lock_file.read_text(), re.MULTILINE)
    if pinned is None:
        message = f"{lock_file} does not require {binary.module}: run `go get` there."
        raise SetupError(message)
    return pinned[1]


def cache_key(binary: Binary, locks: Path) -> str:
    """Hash everything that decides the bytes of a binary: its lock files, the platform, and the way to build it."""
    facts = [KEY_VERSION, sys.platform, platform.machine(), *BUILD_FLAGS, LINKER_FLAGS, _key_text(binary)]
    digest = hashlib.sha256("\0".join(facts).encode())
    for folder in binary.folders:
        for file in sorted(_lock_files(locks / folder)):
            digest.update(f"\0{file.relative_to(locks).as_posix()}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _key_text(binary: Binary) -> str:
    # The names are those of the first version: others would build everything anew.
    return repr(binary).replace("Binary(name=", "Recipe(binary=", 1)


def _lock_files(folder: Path) -> Iterator[Path]:
    # A local stub counts as part of the lock; an editor's leftovers do not.
    return (file for file in folder.rglob("*") if file.name in {"go.mod", "go.sum"} or file.suffix == ".go")


@dataclass(frozen=True)
class ToolStore:
    """The folders that binaries are made from and kept in, and where progress is told."""

    locks: Path
    cache: Path
    report: Report

    @property
    def finished(self) -> Path:
        """The folder of finished binaries, one folder each."""
        return self.cache / "tools"

    def folder_of(self, binary: Binary) -> Path:
        """Name the folder of the store that a binary belongs in."""
        return self.finished / f"{binary.name}-{locked_version(binary, self.locks)}-{cache_key(binary, self.locks)}"

    def missing(self, binaries: Iterable[Binary]) -> list[Binary]:
        """Pick the binaries that the store has not got, or only in part."""
        return [binary for binary in binaries if not is_complete(self.folder_of(binary))]


def _gather(store: ToolStore, *, embedded: bool) -> Tools:
    pulumi, buildx = _installed_pulumi(store.finished), _installed_buildx(store.finished)
    on_path = _to_be_built(pulumi, buildx, embedded=embedded)
    plugin = _installed_plugin(store.locks)
    _build_missing(store, [*on_path, *(() if plugin else (DOCKER_BUILD,))])
    bin_dir = _lay_out(store, on_path)
    return Tools(
        bin_dir=bin_dir,
        pulumi=pulumi or bin_dir / PULUMI.name,
        buildx=buildx or bin_dir / BUILDX.name,
        docker_build_plugin=plugin or store.folder_of(DOCKER_BUILD) / DOCKER_BUILD.name,
        buildctl=bin_dir / BUILDCTL.name if embedded else None,
        buildkitd=bin_dir / BUILDKITD.name if embedded else None,
    )


def _to_be_built(pulumi: Path | None, buildx: Path | None, *, embedded: bool) -> list[Binary]:
    """What is put on PATH beside what is installed."""
    return [
        *(() if pulumi else (PULUMI, LANGUAGE_PYTHON)),
        *((BUILDCTL, BUILDKITD) if embedded else ()),
        *(() if buildx else (BUILDX,)),
    ]


def _installed_pulumi(finished: Path) -> Path | None:
    pulumi = _find_outside(finished, "pulumi")
    if pulumi is None:
        return None
    host = "pulumi-language-python"
    has_host = os.access(pulumi.resolve().parent / host, os.X_OK) or _find_outside(finished, host)
    return pulumi if has_host and OLDEST_PULUMI <= _version_of(pulumi) < TOO_NEW_PULUMI else None


def _installed_buildx(finished: Path) -> Path | None:
    # The plugin of the docker command also runs by itself.
    buildx = _find_outside(finished, "docker-buildx", *docker_plugin_folders())
    return buildx if buildx and _version_of(buildx) >= OLDEST_BUILDX else None


def _installed_plugin(locks: Path) -> Path | None:
    """The docker-build provider that `pulumi plugin install` put there, of the locked version; a link is our own."""
    homes = (os.environ.get("PULUMI_HOME"), "~/.pulumi")
    folders = [_plugin_folder(Path(home).expanduser(), locks) for home in homes if home]
    plugins = [folder / DOCKER_BUILD.name for folder in folders if not _partial(folder).exists()]
    return next((plugin for plugin in plugins if os.access(plugin, os.X_OK) and not plugin.is_symlink()), None)


def _find_outside(finished: Path, program: str, *more_folders: Path) -> Path | None:
    # A command that was started with bin_dir on PATH must come to the same answer as the one that started it.
    folders = [Path(entry) for entry in os.get_exec_path() if not Path(entry).is_relative_to(finished)]
    found = shutil.which(program, path=os.pathsep.join(map(str, [*folders, *more_folders])))
    return Path(found).absolute() if found else None


def _version_of(program: Path) -> tuple[int, ...]:
    """Ask a program for its version; one that does not answer is older than any."""
    env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run([program, "version"], env=env, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    version = re.search(r"\bv?(\d+)\.(\d+)\.\d+", answer.stdout)
    return (int(version[1]), int(version[2])) if version and answer.returncode == 0 else ()


def _build_missing(store: ToolStore, binaries: list[Binary]) -> None:
    if not store.missing(binaries):
        return
    go = require_go()
    with _sole_builder(store):
        # Whoever held the lock before may have built them.
        missing = store.missing(binaries)
        if missing:
            many = "; this takes some minutes" if len(missing) > 1 else ""
            store.report(f"Building what is missing from source, once for all checkouts{many}.")
        for number, binary in enumerate(missing, start=1):
            _build_one(store, go, binary, f"{number}/{len(missing)}")
        # Sources and packages take twenty times the binaries' room, and serve no more until a version changes.
        shutil.rmtree(store.cache / "go", ignore_errors=True)


def _build_one(store: ToolStore, go: Path, binary: Binary, progress: str) -> None:
    title = f"{binary.name} {locked_version(binary, store.locks)}"
    store.report(f"{title}: building ({progress})…")
    start = time.monotonic()
    with (
        _completed(store.folder_of(binary)) as folder,
        tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=store.finished, ignore_cleanup_errors=True) as scratch,
    ):
        compiler = Compiler(go, store, _go_env(store.cache, Path(scratch)), title)
        compiler.build(binary, folder / binary.name)
        if binary.script:
            compiler.copy(binary.script, folder)
    store.report(f"{title}: done in {time.monotonic() - start:.0f} s")


@dataclass(frozen=True)
class Compiler:
    """Go, with everything that it writes kept inside the cache folder."""

    go: Path
    store: ToolStore
    env: Mapping[str, str]
    title: str

    def build(self, binary: Binary, target: Path) -> None:
        """Compile one binary and stamp its version into it."""
        version = binary.version_prefix + locked_version(binary, self.store.locks)
        linker_flags = f"{LINKER_FLAGS} -X {binary.version_variable}={version}"
        self._run(binary.folder, "build", *BUILD_FLAGS, "-ldflags", linker_flags, "-o", str(target), binary.package)

    def copy(self, script: Script, folder: Path) -> None:
        """Take a script out of the module that holds it."""
        module = json.loads(self._run(script.folder, "mod", "download", "-json", script.module))
        source = Path(module["Dir"]) / script.path
        target = folder / source.name
        shutil.copyfile(source, target)
        target.chmod(0o755)

    def _run(self, lock_folder: str, *arguments: str) -> str:
        where = self.store.locks / lock_folder
        process = subprocess.Popen(
            [self.go, *arguments],
            cwd=where,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        with _stopped_on_interrupt(process):
            answer, log = process.communicate()
        if process.returncode:
            command = f"cd {where} && {shlex.join(['go', *arguments])}"
            raise SetupError(_build_failure(self.title, command, log + answer, self.store.cache))
        return answer


@contextmanager
def _stopped_on_interrupt(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        # On this signal Go stops its compilers and clears up after them.
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        process.kill()
        raise


def _go_env(cache: Path, scratch: Path) -> dict[str, str]:
    inherited = {name: value for name, value in contained_go(cache / "go").items() if name not in FOREIGN_GO_SETTINGS}
    return inherited | {
        "CGO_ENABLED": "0",
        "GOTMPDIR": str(scratch),
        # The lock files may ask for a newer Go than the installed one, which then fetches it.
        "GOTOOLCHAIN": "auto",
    }


def _build_failure(title: str, command: str, output: str, cache: Path) -> str:
    causes = [cause.format(folder=cache) for signs, cause in CAUSES if any(sign in output for sign in signs)]
    last_lines = output.splitlines()[-20:]
    return "\n".join([" ".join([f"Building {title} failed.", *causes[:1]]), f"$ {command}", *last_lines])


@contextmanager
def _storage_errors_explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SetupError(_storage_advice(error, folder)) from error


def _storage_advice(error: OSError, folder: Path) -> str:
    if error.errno == errno.ENOSPC:
        return DISK_FULL.format(folder=folder)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{error.filename or folder} cannot be written: let CARBIDE_CACHE_DIR name another cache folder."
    return f"Setting up the tools failed: {error}."


@contextmanager
def _sole_builder(store: ToolStore) -> Iterator[None]:
    """Hold the store's lock, so that two runs at once do not do the same work."""
    make_private(store.finished)
    with (store.finished / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            store.report("Another run is building the tools: waiting for it…")
            fcntl.flock(lock, fcntl.LOCK_EX)
        # What a killed run left behind; nobody else is building now.
        for leftover in store.finished.glob(f"{UNFINISHED}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


@contextmanager
def _completed(final: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which appears as `final` all at once, and only if nothing goes wrong."""
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=final.parent, ignore_cleanup_errors=True) as unfinished:
        folder = Path(unfinished) / final.name
        folder.mkdir()
        yield folder
        sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
        (folder / MANIFEST).write_text(json.dumps(sizes, indent=1, sort_keys=True))
        # A broken folder may be in the way.
        shutil.rmtree(final, ignore_errors=True)
        folder.rename(final)


def is_complete(folder: Path) -> bool:
    """Tell whether a folder of the store holds all that was put into it, unharmed."""
    try:
        sizes = json.loads((folder / MANIFEST).read_text())
        return all(_is_program_of_size(folder / name, size) for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def _is_program_of_size(file: Path, size: int) -> bool:
    return file.stat().st_size == size and os.access(file, os.X_OK)


def _lay_out(store: ToolStore, binaries: list[Binary]) -> Path:
    """Bring binaries together in one folder for PATH."""
    folders = [store.folder_of(binary) for binary in binaries]
    names = "\n".join(folder.name for folder in folders)
    bin_dir = store.finished / f"bin-{hashlib.sha256(names.encode()).hexdigest()[:12]}"
    if not is_complete(bin_dir):
        with _sole_builder(store):
            # Another run may have laid it out meanwhile, and be using it.
            if not is_complete(bin_dir):
                _fill(bin_dir, folders)
    return bin_dir


def _fill(bin_dir: Path, folders: list[Path]) -> None:
    programs = [file for folder in folders for file in folder.iterdir() if file.name != MANIFEST]
    with _completed(bin_dir) as folder:
        for program in programs:
            _duplicate(program, folder / program.name)


def _duplicate(file: Path, target: Path) -> None:
    # Symbolic links will not do: a process of the engine resolves them, and then misses its neighbours.
    try:
        target.hardlink_to(file)
    except OSError:
        shutil.copy2(file, target)


def _serves(plugin: Path, built: Path) -> bool:
    """Tell whether a plugin cache has a working provider: our link, or a binary that the engine itself put there."""
    return os.access(plugin, os.X_OK) and (not plugin.is_symlink() or plugin.samefile(built))
