"""The go command, asked about a stranger's tree: with the Go version that a stack names, and nothing else of anybody's.

It runs nothing of the tree: no cgo, no toolchain of the tree's choice, no flags from a file. It may fetch modules, from
where the build fetches them.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from carbide_infra.names import AGENT_VARIABLE
from carbide_infra.paths import trusted_bundle

_LOCAL_SECONDS = 120
_NETWORK_SECONDS = 600
# Where Go and git keep things, and nothing that changes what they answer (GOFLAGS, GOROOT, GO111MODULE, …).
_PASSED_ON = ("PATH", "HOME", "XDG_CACHE_HOME", "GOCACHE", "GOPATH", "GOMODCACHE", "LD_LIBRARY_PATH")
_FIXED = {
    "GOENV": "off",
    "GO111MODULE": "on",
    "CGO_ENABLED": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C.UTF-8",
    # Go counts its own uses in a folder below this one, outside the user's cache; it does without.
    "XDG_CONFIG_HOME": os.devnull,
}
OFFLINE = {"GOPROXY": "off"}
_LINE = re.compile(r"1\.\d+")


class GoUnavailableError(Exception):
    """Go cannot be asked as wished: the message is a clause that says why."""


class GoError(Exception):
    """What the go command says is wrong, in its own words."""


@dataclass(frozen=True)
class ModuleAccess:
    """How modules are fetched: as the build fetches them.

    Attributes:
        environment: GOPROXY, GOPRIVATE, HTTPS_PROXY and their kin.
        netrc: credentials in the format of .netrc; empty for those of the user.
        certificates: CAs in PEM, beside those that the machine trusts.
        known_hosts: the keys of hosts whose modules come by ssh, with the user's agent; empty for none.
        git_config: git's configuration by which they do.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    netrc: str = field(default="", repr=False)
    certificates: str = ""
    known_hosts: str = ""
    git_config: str = ""

    @classmethod
    def of_secrets(cls, secrets: Mapping[str, str]) -> "ModuleAccess":
        """What the build gets as its secrets (see images/build_secrets.py)."""
        assignments = (word.partition("=") for word in shlex.split(secrets.get("goenv", "")))
        return cls(
            {name: value for name, _, value in assignments},
            secrets.get("gitcreds", ""),
            secrets.get("extra_ca", ""),
            secrets.get("known_hosts", ""),
            secrets.get("gitconfig", ""),
        )


@dataclass(frozen=True)
class GoCommand:
    """A go command of a chosen version.

    Attributes:
        path: the program.
        toolchain: GOTOOLCHAIN: `local`, or a release like `go1.25.4`.
        environment: everything that it is told.
    """

    path: str
    toolchain: str
    environment: Mapping[str, str]

    def run(
        self,
        folder: Path,
        *arguments: str,
        network: bool = False,
        variables: Mapping[str, str] | None = None,
        given: str = "",
    ) -> str:
        """Run it in a folder, with a text on its standard input.

        Raises:
            GoError: it fails.
            GoUnavailableError: it does not run, or does not end.
        """
        environment = {
            **self.environment,
            "GOTOOLCHAIN": self.toolchain,
            **({} if network else OFFLINE),
            **(variables or {}),
        }
        seconds = _NETWORK_SECONDS if network else _LOCAL_SECONDS
        command = [self.path, *arguments]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, check=False, timeout=seconds,
                input=given.encode(),
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            msg = f"`go {arguments[0]}` did not end within {seconds} s"
            raise GoUnavailableError(msg) from error
        except OSError as error:
            msg = f"`go {arguments[0]}` did not run: {error.strerror}"
            raise GoUnavailableError(msg) from error
        if done.returncode != 0:
            raise GoError(done.stderr.decode(errors="replace").strip() or f"go {arguments[0]}: exit {done.returncode}")
        return os.fsdecode(done.stdout)


@contextlib.contextmanager
def go_command(version: str | None, access: ModuleAccess, cache_dir: Path) -> Iterator[GoCommand]:
    """The go command of a release, or of a line of releases like `1.25`; without one, the command on PATH.

    Raises:
        GoUnavailableError: there is no go command, or this release cannot be had here.
    """
    path = shutil.which("go")
    if path is None:
        msg = "the go command is not on PATH"
        raise GoUnavailableError(msg)
    with tempfile.TemporaryDirectory(prefix="carbide-go-") as private:
        local = GoCommand(path, "local", _environment(path, access, cache_dir, Path(private)))
        yield _of_version(local, version)


def line_of(version: str) -> str:
    """The line of a release: `1.25` for `1.25.4`."""
    found = _LINE.match(version)
    return found[0] if found else version


def _environment(path: str, access: ModuleAccess, cache_dir: Path, private: Path) -> dict[str, str]:
    environment = {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)}
    if not Path(environment.get("HOME", "")).is_dir():  # Go would make it
        environment.pop("HOME", None)
    environment |= {**_own_caches(environment, cache_dir), **_FIXED, "TMPDIR": str(private), **access.environment}
    if access.netrc:
        environment |= _with_netrc(path, environment, access.netrc, private)
    if access.certificates:
        bundle = private / "ca.pem"
        bundle.write_text(_trusted() + access.certificates, encoding="utf-8")
        environment |= {"SSL_CERT_FILE": str(bundle), "GIT_SSL_CAINFO": str(bundle)}
    if access.known_hosts:
        environment |= with_agent(access, private)
    return environment


def with_agent(access: ModuleAccess, private: Path) -> dict[str, str]:
    """What lets git use the agent and the given hosts' keys, as in the step of the build, and no other key of the user.

    Args:
        access: with the hosts.
        private: folder for what git and ssh read.
    """
    known, config = private / "known_hosts", private / "gitconfig"
    known.write_text(access.known_hosts, encoding="utf-8")
    config.write_text(access.git_config, encoding="utf-8")
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(known),
        "GlobalKnownHostsFile": os.devnull,
        "IdentityFile": "none",
    }
    ssh = ["ssh", "-F", os.devnull, *(f"-o{name}={value}" for name, value in options.items())]
    agent = {AGENT_VARIABLE: os.environ[AGENT_VARIABLE]} if os.environ.get(AGENT_VARIABLE) else {}
    return {"GIT_SSH_COMMAND": shlex.join(ssh), "GIT_CONFIG_GLOBAL": str(config), **agent}


def _own_caches(environment: Mapping[str, str], cache_dir: Path) -> dict[str, str]:
    """Folders of ours, where the user has none of Go's: nothing appears in a home that Go never saw."""
    home = environment.get("HOME")
    is_cached = bool(home or environment.get("XDG_CACHE_HOME") or environment.get("GOCACHE"))
    caches = {} if is_cached else {"GOCACHE": str(cache_dir / "go-build")}
    path = environment.get("GOPATH") or (f"{home}/go" if home else "")
    if environment.get("GOMODCACHE") or (path and Path(path, "pkg/mod").is_dir()):
        return {**caches, "GOFLAGS": ""}
    # Without -modcacherw nobody could delete the folder with a plain rm -r.
    return {**caches, "GOPATH": str(cache_dir / "go"), "GOFLAGS": "-modcacherw"}


def _with_netrc(path: str, environment: Mapping[str, str], netrc: str, private: Path) -> dict[str, str]:
    """A home with the stack's credentials in it, for go and git; Go's own folders stay where they are."""
    names = ("GOCACHE", "GOPATH", "GOMODCACHE")
    try:
        done = subprocess.run(
            [path, "env", *names], env=dict(environment), cwd=private, capture_output=True, text=True, check=True,
            timeout=_LOCAL_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        msg = f"`go env` failed: {error}"
        raise GoUnavailableError(msg) from error
    file = private / ".netrc"
    file.touch(mode=0o600)
    file.write_text(netrc if netrc.endswith("\n") else f"{netrc}\n", encoding="utf-8")
    return {**dict(zip(names, done.stdout.splitlines(), strict=True)), "HOME": str(private), "NETRC": str(file)}


def _trusted() -> str:
    bundle = trusted_bundle(os.environ)
    return bundle.read_text(encoding="utf-8", errors="replace") + "\n" if bundle else ""


def _of_version(local: GoCommand, version: str | None) -> GoCommand:
    """The command on PATH where it is of that line: build tags and language are the line's, not the patch's."""
    folder = Path(local.environment["TMPDIR"])
    try:
        own = local.run(folder, "env", "GOVERSION").strip().removeprefix("go")
        if version is None or line_of(version) == line_of(own):
            return local
        return released(local, version)
    except GoError as error:
        msg = f"Go {version or ''} cannot be had here ({last_line(error)})".replace("Go  ", "Go ")
        raise GoUnavailableError(msg) from error


def released(local: GoCommand, version: str) -> GoCommand:
    """A release that Go fetches where it is not there yet; of a line, the newest.

    Raises:
        GoError: it cannot be had.
    """
    folder = Path(local.environment["TMPDIR"])
    release = version if version != line_of(version) else _newest(local, folder, version)
    chosen = GoCommand(local.path, f"go{release}", local.environment)
    chosen.run(folder, "env", "GOVERSION", network=True)
    return chosen


def last_line(error: Exception) -> str:
    """The last line of what a command said."""
    return (str(error).strip().splitlines() or ["no message"])[-1]


def _newest(local: GoCommand, folder: Path, line: str) -> str:
    """The newest release of a line: of those that were fetched, else of those that can be."""
    there = Path(local.run(folder, "env", "GOMODCACHE").strip(), "golang.org").glob("toolchain@v0.0.1-go*")
    patches = _patches(line, (each.name.removeprefix("toolchain@v0.0.1-go") for each in there))
    if not patches:
        listed = local.run(folder, "list", "-m", "-versions", "go", network=True).split()
        patches = _patches(line, listed)
    if not patches:
        msg = f"there is no release of Go {line}"
        raise GoError(msg)
    return f"{line}.{max(patches)}"


def _patches(line: str, releases: Iterable[str]) -> list[int]:
    found = (re.match(rf"{re.escape(line)}\.(\d+)(?!\d|rc|beta)", each) for each in releases)
    return [int(match[1]) for match in found if match]
