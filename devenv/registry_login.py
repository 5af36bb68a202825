"""The login of a checkout's registry: a random password, and the Docker configuration that hands it to programs."""

import secrets
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from carbide_infra.errors import SetupError
from carbide_infra.paths import state_dir
from carbide_infra.registry.docker_config import config_file, entries, private_copy, read_config
from carbide_infra.state_files import read_text, write_text

USER = "carbide"


@dataclass(frozen=True)
class Login:
    """Who may read and write the registry."""

    password: str = field(repr=False)
    username: str = USER


def password_file(root: Path) -> Path:
    """Name the file with the password; without it, the next start of the registry makes another."""
    return state_dir(root) / "registry-password"


def htpasswd_file(root: Path) -> Path:
    """Name the file that the registry knows the login by."""
    return state_dir(root) / "registry.htpasswd"


def ensure_login(root: Path, registry: Path) -> Login:
    """Give the login, made where there is none.

    Args:
        root: the checkout.
        registry: the server's program, which makes its own file of logins.
    """
    found = read_login(root)
    if found and read_text(htpasswd_file(root)).startswith(f"{USER}:"):
        return found
    password = secrets.token_urlsafe(32)
    done = subprocess.run(
        [registry, "htpasswd", USER], input=password, capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode:
        message = f"The local registry's login could not be made: {done.stderr.strip()}"
        raise SetupError(message)
    write_text(htpasswd_file(root), done.stdout)
    write_text(password_file(root), f"{password}\n")
    return Login(password)


def read_login(root: Path) -> Login | None:
    """Give the login; None before the registry's first start."""
    password = read_text(password_file(root)).strip()
    return Login(password) if password else None


def with_login(environment: Mapping[str, str], root: Path, server: str) -> dict[str, str]:
    """The environment in which docker, buildx and Pulumi's plugins know the login, beside the user's own ones.

    It is in none of a resource's inputs, so that no image differs by it.
    """
    login = read_login(root)
    users = without_login(environment, root)
    if login is None:
        return users
    config = read_config(config_file(users))
    text = b64encode(f"{login.username}:{login.password}".encode()).decode()
    config["auths"] = {**entries(config, "auths"), server: {"auth": text}}
    # Else Docker asks the store for all registries, and for no file.
    config["credHelpers"] = {**entries(config, "credHelpers"), server: ""}
    _remember(root, users.get("DOCKER_CONFIG"))
    private_copy(users, _folder(root), config)
    return {**users, "DOCKER_CONFIG": str(_folder(root))}


def without_login(environment: Mapping[str, str], root: Path) -> dict[str, str]:
    """The environment with the user's own choice of Docker's configuration, in a shell of `make env` too."""
    users = dict(environment)
    if users.get("DOCKER_CONFIG") == str(_folder(root)):
        del users["DOCKER_CONFIG"]
        if chosen := read_text(_source(root)):
            users["DOCKER_CONFIG"] = chosen
    return users


def _remember(root: Path, chosen: str | None) -> None:
    if not chosen:
        _source(root).unlink(missing_ok=True)
    elif read_text(_source(root)) != chosen:
        write_text(_source(root), chosen)


def _folder(root: Path) -> Path:
    return state_dir(root) / "docker-login"


def _source(root: Path) -> Path:
    return state_dir(root) / "docker-login.source"
