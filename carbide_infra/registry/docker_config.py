"""Docker's configuration: where it is, whether its credential store works, and a copy that does without one."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbide_infra.registry.errors import RegistryError
from carbide_infra.state_files import make_private, read_text, write_text

_FILE = "config.json"
_STORE_SECONDS = 30


@dataclass(frozen=True)
class BrokenStore:
    """A credential store that Docker's configuration names, and that does not work.

    Attributes:
        program: the helper, such as docker-credential-desktop.
        file: the configuration that names it.
        problem: what is wrong, as the end of a sentence.
    """

    program: str
    file: Path
    problem: str

    def __str__(self) -> str:
        """A sentence with both names."""
        return f"{self.program}, the credsStore of {self.file}, {self.problem}"


def config_file(environment: Mapping[str, str]) -> Path:
    """Where Docker keeps its configuration, whether or not there is one."""
    folder = environment.get("DOCKER_CONFIG")
    return (Path(folder) if folder else Path(environment.get("HOME") or Path.home()) / ".docker") / _FILE


def read_config(file: Path) -> dict[str, Any]:
    """Docker's configuration; empty where there is none.

    Raises:
        RegistryError: it cannot be read.
    """
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        message = f"{file}: cannot be read as Docker's configuration ({error}); repair it, or run docker login again"
        raise RegistryError(message) from error
    return config if isinstance(config, dict) else {}


def entries(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A map of Docker's configuration; empty where it is null, absent or something else."""
    found = config.get(key)
    return found if isinstance(found, dict) else {}


def broken_store(environment: Mapping[str, str]) -> BrokenStore | None:
    """Try the credential store as the provider does, by listing it; None where it works, or none is named.

    Raises:
        RegistryError: Docker's configuration cannot be read.
    """
    file = config_file(environment)
    store = read_config(file).get("credsStore")
    if not store:
        return None
    program = f"docker-credential-{store}"
    problem = _problem(program, environment)
    return BrokenStore(program, file, problem) if problem else None


def _problem(program: str, environment: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run(
            [program, "list"], env=dict(environment), capture_output=True, text=True, check=False,
            errors="replace", stdin=subprocess.DEVNULL, timeout=_STORE_SECONDS,
        )  # fmt: skip
    except FileNotFoundError:
        return "is not on PATH"
    except subprocess.TimeoutExpired:
        return f"does not answer in {_STORE_SECONDS} s"
    except OSError as error:
        return f"does not run ({error.strerror})"
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        return f"fails to list its logins ({said[-1] if said else f'exit code {done.returncode}'})"
    try:
        listed = json.loads(done.stdout)
    except ValueError:
        listed = ""
    return None if isinstance(listed, dict | None) else "does not answer with a list of logins"


def without_store(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment with a private copy of Docker's configuration that names no store.

    The logins in the file itself, helpers of single registries, contexts and plugins are those of the user.

    Args:
        environment: all variables.
        folder: for the copy; what was there is replaced.

    Raises:
        RegistryError: Docker's configuration cannot be read.
    """
    file = config_file(environment)
    config = {key: value for key, value in read_config(file).items() if key != "credsStore"}
    config["auths"] = {server: login for server, login in entries(config, "auths").items() if login}
    private_copy(environment, folder, config)
    builders = environment.get("BUILDX_CONFIG") or str(file.parent / "buildx")
    return {**environment, "DOCKER_CONFIG": str(folder), "BUILDX_CONFIG": builders}


def private_copy(environment: Mapping[str, str], folder: Path, config: Mapping[str, Any]) -> None:
    """Make a folder that programs can have for Docker's configuration: another `config.json`, all else the user's.

    Args:
        environment: names the user's own.
        folder: for the copy; nothing is written where it is as it should be.
        config: what `config.json` is to hold.
    """
    make_private(folder)
    text = json.dumps(config)
    if read_text(folder / _FILE) != text:
        write_text(folder / _FILE, text)
    _link(config_file(environment).parent.absolute(), folder)


def _link(user: Path, folder: Path) -> None:
    """What stands beside the configuration: contexts, plugins."""
    names = {entry.name for entry in os.scandir(user)} - {_FILE} if user.is_dir() else set()
    for old in folder.iterdir():
        if old.is_symlink() and (old.name not in names or old.readlink() != user / old.name):
            old.unlink()
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(user / name)
