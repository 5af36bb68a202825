"""The local builder: a BuildKit of our own, or one in Docker, known to buildx as carbide-local."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from carbide_infra.errors import MissingPrerequisite, SetupError
from carbide_infra.paths import cache_dir, state_dir
from carbide_infra.progress import Report
from carbide_infra.registry.mirror import Mirror
from carbide_infra.stack.builder import VARIABLE
from carbide_infra.state_files import make_private, read_text, write_text
from devenv.build_caches import claim_folder, claimed_folder, left_folder
from devenv.containers import TEMPORARY, clear_away, end_containers, has_mounts
from devenv.daemons import Daemon
from devenv.environment import buildx_config, daemon_environment, without_other_checkout
from devenv.prerequisites import ensure_debian_packages, find_program
from devenv.registration import BUILDER, CONTAINER, Builder, fingerprint, register, unregister
from devenv.registry import Registry
from devenv.registry_login import with_login
from devenv.toolchain import Tools, ensure_tools
from devenv.trust import Trust

TEMPLATE = Path(__file__).parent / "docker/buildkitd.toml"
START_SECONDS = 30.0
ANSWER_SECONDS = 10
# The kernel's limit is 108 bytes, on macOS 104; a temporary name may be a little longer.
LONGEST_SOCKET = 100
GIGABYTE = 10**9
MOST_USED, SHARE_OF_DISK, MIN_FREE = 40 * GIGABYTE, 2, GIGABYTE
NO_CONTAINER = (
    "Docker answers, but cannot start the builder: let it pull the image that is named below, or load it with "
    "docker load; or let BUILDX_BUILDER or the stack's builder name a builder that runs."
)
NOBODY_CAN_BUILD = (
    "Docker does not answer, and a builder without it needs root on Linux: "
    "start Docker (with buildx), or run this as root."
)


@functools.cache
def docker_answers() -> bool:
    """Tell whether Docker is there to build with."""
    docker = find_program("docker")
    if docker is None:
        return False
    command = [str(docker), "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and bool(done.stdout.strip())


def can_build() -> bool:
    """Tell whether this machine has what a builder of ours needs."""
    return docker_answers() or can_embed()


def require_builder() -> None:
    """Refuse a machine that nothing can be built on, before minutes are spent on setting it up.

    Raises:
        MissingPrerequisite: neither Docker nor root on Linux is there.
    """
    if not can_build():
        raise MissingPrerequisite(NOBODY_CAN_BUILD)


def can_embed() -> bool:
    """Tell whether a BuildKit of our own runs on this machine."""
    return sys.platform == "linux" and os.geteuid() == 0


def ensure_builder(
    root: Path,
    tools: Tools,
    registry: Registry,
    mirrors: Sequence[Mirror],
    report: Report,
    trust: Trust = Trust.OTHER,
) -> Builder:
    """Give the checkout's builder, started and registered when it is not as it should be.

    Where Docker cannot start one, as without a way to its image, it is an embedded one.

    Raises:
        SetupError: neither Docker nor root is there, or BuildKit does not start.
    """
    environment = without_other_checkout(os.environ, root) | {"BUILDX_CONFIG": str(buildx_config(root))}
    environment.pop(VARIABLE, None)
    builder = Builder(tools.buildx, environment=with_login(environment, root, registry.server))
    config = render_config(root, registry, mirrors)
    if not (docker_answers() and _starts_in_docker(root, builder, config, config + _ca(registry), report, trust)):
        socket = _ensure_buildkit(root, tools, registry, config, report, trust)
        register(root, builder, "remote", ["--driver", "remote", f"unix://{socket}"], "")
    builder.run("Choosing the builder", "use", "--global", builder.name)
    return builder


def _starts_in_docker(root: Path, builder: Builder, config: str, facts: str, report: Report, trust: Trust) -> bool:
    """Let Docker run the builder; False where it cannot, and an embedded one does instead until `make down`."""
    arguments = container_arguments(root, trust)
    attempt = fingerprint([*arguments, facts])
    if can_embed() and read_text(_without_docker(root)) == attempt:
        return False
    write_text(config_file(root), config)
    try:
        register(root, builder, CONTAINER, arguments, facts)
    except SetupError as error:
        if not can_embed():
            message = f"{NO_CONTAINER}\n{error}"
            raise SetupError(message) from error
        reason = str(error).strip().splitlines()[-1]
        report(f"WARNING: Docker answers, but cannot start the builder ({reason}): an embedded one builds instead")
        write_text(_without_docker(root), attempt)
        return False
    _without_docker(root).unlink(missing_ok=True)
    # Only now: until the new one answers, the old one serves.
    _stop_buildkit(root)
    return True


def use_builder(tools: Tools, name: str, environment: Mapping[str, str]) -> None:
    """Make a builder of the machine's own buildx's current one: the provider does not read BUILDX_BUILDER.

    Raises:
        SetupError: there is none of that name.
    """
    Builder(tools.buildx, name, dict(environment)).run("Choosing the builder that BUILDX_BUILDER names", "use", name)


def stop_builder(root: Path) -> bool:
    """Stop the builder and keep its cache; tell whether there was anything to stop."""
    stopped = _stop_buildkit(root)
    _without_docker(root).unlink(missing_ok=True)
    return unregister(root) or stopped


def clear_after_killed(root: Path) -> None:
    """Clear away what a BuildKit of this checkout that was killed has left: build secrets are mounted there."""
    folder = claimed_folder(root)
    if folder and has_mounts(folder):
        with left_folder(root) as left:
            if left:
                clear_away(left)


def config_file(root: Path) -> Path:
    """Name BuildKit's configuration, made from the template."""
    return state_dir(root) / "buildkitd.toml"


def buildkit_daemon(state: Path, program: Path = Path("buildkitd")) -> Daemon:
    """Name the embedded builder's process."""
    return Daemon(program, state / "buildkitd.toml", state)


def container_arguments(root: Path, trust: Trust = Trust.OTHER) -> list[str]:
    """What tells buildx to run BuildKit in Docker, where the registry is on the same network."""
    # Container and cache are named after the node, and one Docker may serve more than one checkout.
    node = "-".join(filter(None, (BUILDER, _hash(str(root))[:8], trust.folder)))
    return [
        *("--driver", "docker-container"),
        *("--driver-opt", "network=host"),
        *("--node", node),
        *("--buildkitd-config", str(config_file(root))),
        "--bootstrap",
    ]


def render_config(root: Path, registry: Registry, mirrors: Sequence[Mirror]) -> str:
    """Fill in the template: where images come from, whom to trust, how much disk to use."""
    most_used = _most_used(root)
    values = {
        "max_used_bytes": most_used,
        "reserved_bytes": most_used // 4,
        "min_free_bytes": MIN_FREE,
        "mirrors": json.dumps([mirror.name for mirror in mirrors]),
        "registry": json.dumps(registry.server),
        "ca": json.dumps(str(registry.certificates.ca), ensure_ascii=False),
    }
    text = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(values)
    plain = [mirror.host for mirror in mirrors if mirror.plain_http]
    return text + "".join(f"\n[registry.{json.dumps(host)}]\nhttp = true\n" for host in plain)


def _most_used(root: Path) -> int:
    """The size that the cache may grow to, decided once: what is free changes with every build."""
    try:
        return int(tomllib.loads(read_text(config_file(root)))["worker"]["oci"]["gcpolicy"][0]["maxUsedSpace"])
    except (ValueError, LookupError, TypeError):
        place = next(folder for folder in (cache_dir(), *cache_dir().parents) if folder.exists())
        free = shutil.disk_usage(place).free
        return min(MOST_USED, free // SHARE_OF_DISK // GIGABYTE * GIGABYTE) or GIGABYTE


def _ensure_buildkit(root: Path, tools: Tools, registry: Registry, config: str, report: Report, trust: Trust) -> Path:
    require_builder()
    if tools.buildkitd is None:
        tools = ensure_tools(report, embedded=True)
    buildkitd, buildctl = tools.buildkitd, tools.buildctl
    if buildkitd is None or buildctl is None:
        raise MissingPrerequisite(NOBODY_CAN_BUILD)
    runc = ensure_debian_packages({"runc": "runc"}, report)["runc"]
    daemon = buildkit_daemon(state_dir(root), buildkitd)
    socket = _socket(root)
    arguments = _daemon_arguments(root, socket, runc)
    environment = daemon_environment(os.environ, registry.server.rpartition(":")[0])
    environment["SSL_CERT_FILE"] = str(registry.certificates.bundle)
    # By its content: a CA that was added to the same file is to be trusted from now on.
    trusted = read_text(registry.certificates.bundle)
    facts = [str(buildkitd), *arguments, config, trusted, json.dumps(_proxies(environment), sort_keys=True)]
    found = fingerprint([*facts, trust.folder])

    def answers() -> bool:
        return _buildkit_answers(buildctl, socket)

    if daemon.serves(found, answers, START_SECONDS):
        return socket
    _stop_buildkit(root)
    socket.unlink(missing_ok=True)
    write_text(config_file(root), config)
    with claim_folder(root, trust.folder) as folder:
        # Another checkout's daemon may have been killed in it.
        clear_away(folder)
        # Build secrets are mounted there: in a folder of ours, they are cleared away when it is killed.
        environment["TMPDIR"] = str(make_private(folder / TEMPORARY))
        daemon.start([*arguments, "--root", str(folder)], environment, found)
        daemon.await_ready(answers, START_SECONDS)
    report(f"BuildKit runs (log: {daemon.log})")
    return socket


def _stop_buildkit(root: Path) -> bool:
    folder = claimed_folder(root)
    stopped = buildkit_daemon(state_dir(root)).stop(unblock=lambda: end_containers(folder) if folder else None)
    with left_folder(root) as left:
        if left:
            clear_away(left)
    return stopped


def _proxies(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.upper().endswith("_PROXY")}


def _ca(registry: Registry) -> str:
    return read_text(registry.certificates.ca)


def _daemon_arguments(root: Path, socket: Path, runc: Path) -> list[str]:
    return [
        *("--config", str(config_file(root))),
        *("--addr", f"unix://{socket}"),
        # Its default is one file for the whole machine, which another checkout's daemon has.
        *("--otel-socket-path", str(socket.with_name("buildkit-otel.sock"))),
        "--cdi-disabled",
        *("--oci-worker-binary", str(runc)),
        *("--oci-worker-net", "host"),
    ]


def _buildkit_answers(buildctl: Path, socket: Path) -> bool:
    command = [str(buildctl), "--addr", f"unix://{socket}", "--timeout", "2", "debug", "workers"]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=ANSWER_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _socket(root: Path) -> Path:
    """Give the first place for the socket whose path the kernel takes."""
    short = _hash(str(root))[:12]
    places = (
        state_dir(root),
        cache_dir() / "run" / short,
        Path(tempfile.gettempdir()) / f"carbide-{os.getuid()}-{short}",
    )
    folder = next((place for place in places if _fits(place)), Path("/tmp") / places[-1].name)  # noqa: S108
    if folder == state_dir(root):
        make_private(folder)
    else:
        _claim(folder)
    return folder / "buildkitd.sock"


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / "buildkit-otel.sock")) < LONGEST_SOCKET


def _claim(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid():
        message = f"{folder} belongs to somebody else: remove it, the builder's socket goes there."
        raise SetupError(message)
    folder.chmod(0o700)


def _without_docker(root: Path) -> Path:
    """Name the file that notes what Docker could not start."""
    return state_dir(root) / "builder-without-docker"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
