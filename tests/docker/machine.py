"""A machine inside this one: a Docker engine, and a user who is not root but may use it.

Processes, mounts and cgroups are those of namespaces of its own, which the kernel ends with their first process,
however that ends. The network is this machine's: Docker makes neither a bridge nor a firewall rule.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.docker.cgroups import PREFIX, cgroups_of_our_own, clear_cgroups_after_killed
from tests.docker.programs import CannotRunError, Programs, docker_programs

USER, USER_ID, GROUP = "newcomer", 54321, "docker"
_START_SECONDS = 30
# The user has to reach it, and a socket's path is short.
_TEMPORARY = Path("/tmp")  # noqa: S108
_INSIDE, _RUNTIME = (Path(__file__).with_name(name) for name in ("inside.sh", "runtime.py"))


@dataclass(frozen=True)
class Machine:
    """The machine while it runs.

    Attributes:
        folder: all its files, on this machine.
        process: its first process, as this machine numbers it.
        cgroups: those that all its processes are in.
    """

    folder: Path
    programs: Programs
    process: int
    cgroups: Sequence[Path]

    @property
    def home(self) -> Path:
        """The user's home."""
        return self.folder / "home"

    @property
    def docker_host(self) -> str:
        """How clients reach Docker."""
        return f"unix://{self.folder}/docker.sock"

    def docker(self, *arguments: str | Path) -> str:
        """Run a command of docker as root, and give what it prints."""
        command = ["docker", "--host", self.docker_host, *arguments]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}{self.log()}"
        return done.stdout.strip()

    def run(
        self, user: str, *command: str | Path, cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside as a user, with these variables and no others."""
        variables = [f"{name}={value}" for name, value in env.items()]
        identity = ("--reuid", user, "--regid", user, "--init-groups", "--reset-env")
        return subprocess.run(
            [
                *_joined(self.cgroups),
                *("nsenter", "--target", str(self.process), "--mount", "--pid", "--cgroup"),
                *("setpriv", *identity, "env", "--chdir", cwd, *variables, *command),
            ],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def log(self) -> str:
        """The end of what the daemon wrote."""
        return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-20:])

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.programs.environment}


@contextmanager
def machine() -> Iterator[Machine]:
    """Start it, and end all that runs on it; nothing of it is left.

    Raises:
        CannotRunError: this machine does not let it run.
    """
    if os.geteuid() != 0:
        message = "a Docker engine needs root"
        raise CannotRunError(message)
    programs = docker_programs()
    clear_after_killed()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=_TEMPORARY))
    folder.chmod(0o711)
    try:
        with cgroups_of_our_own() as cgroups, _started(folder, programs, cgroups) as process:
            yield _answering(Machine(folder, programs, _first_process(process), cgroups), process)
    finally:
        shutil.rmtree(folder)


def clear_after_killed() -> None:
    """Remove what a test run that was killed has left: nothing of it runs any more, and nothing is mounted."""
    if os.geteuid() == 0:
        clear_cgroups_after_killed()
    for left in _TEMPORARY.glob(f"{PREFIX}*-*"):
        owner = left.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", owner).exists() and left.lstat().st_uid == 0:
            shutil.rmtree(left)


@contextmanager
def _started(folder: Path, programs: Programs, cgroups: list[Path]) -> Iterator[subprocess.Popen[bytes]]:
    for name in ("private", "home", "data", "tmp"):
        (folder / name).mkdir(mode=0o711)
    os.chown(folder / "home", USER_ID, USER_ID)
    daemon: list[str | Path] = [
        *(programs.dockerd, "--host", f"unix://{folder}/docker.sock", "--group", GROUP),
        *("--data-root", folder / "data", "--exec-root", folder / "private/exec", "--pidfile", folder / "pid"),
        *("--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
        *("--add-runtime", f"carbide={_RUNTIME}", "--default-runtime", "carbide"),
    ]
    # Killed with this process, even where it cannot end it, and a Ctrl-C at the terminal is not for it.
    command: list[str | Path] = [
        *("setpriv", "--pdeathsig", "KILL", *_joined(cgroups)),
        *("unshare", "--mount", "--mount-proc", "--pid", "--cgroup", "--fork", "--kill-child"),
        *("sh", _INSIDE, folder / "private", GROUP, *daemon),
    ]
    environment = {
        **os.environ,
        **programs.environment,
        "HOME_OF_USER": str(folder / "home"),
        "ID_OF_USER": str(USER_ID),
        "TMPDIR": str(folder / "tmp"),
        # It must not find another BuildKit than ours, or take a minute to find none.
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _joined(cgroups: Sequence[Path]) -> list[str]:
    """What a command begins with to be in these cgroups."""
    # With version 2, a cgroup that hands controllers on has its processes in one below.
    join = """for folder in $0; do
        [ ! -d "$folder/first" ] || folder=$folder/first
        echo 0 >"$folder/cgroup.procs" || exit
    done
    exec "$@" """
    return ["sh", "-c", join, " ".join(map(str, cgroups))]


def _first_process(process: subprocess.Popen[bytes]) -> int:
    """The number that this machine has for the first process inside."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        found = children.read_text().split()
        # The shell that joins the cgroups has no children; unshare has one.
        if found:
            return int(found[0])
        time.sleep(0.02)
    return 0


def _answering(started: Machine, process: subprocess.Popen[bytes]) -> Machine:
    deadline = time.monotonic() + _START_SECONDS
    command = ["docker", "--host", started.docker_host, "version", "--format", "{{.Server.Version}}"]
    environment = {**os.environ, **started.programs.environment}
    while subprocess.run(command, env=environment, capture_output=True, check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            message = f"dockerd does not start:\n{started.log()}"
            raise CannotRunError(message)
        time.sleep(0.1)
    return started
