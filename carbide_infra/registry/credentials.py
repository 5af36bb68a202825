"""Credentials for a registry: the stack's own, else those of `docker login`."""

import json
import subprocess
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carbide_infra.registry.errors import RegistryError
from carbide_infra.registry.reference import DOCKER_HUB, canonical_server

_HELPER_SECONDS = 30
# What credential helpers give as the user's name when the secret is an identity token.
_TOKEN_USER = "<token>"  # noqa: S105 - a constant of the protocol
_HUB_KEY = "https://index.docker.io/v1/"


@dataclass(frozen=True)
class Credentials:
    """A login.

    Attributes:
        identity_token: stands in for a password at token servers that hand such out; else empty.
    """

    username: str
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


def docker_credentials(server: str, environment: Mapping[str, str]) -> Credentials | None:
    """What `docker login` has kept for a server, in its file or with its credential helper; None for anonymous access.

    Raises:
        RegistryError: Docker's configuration, or the helper that it names, gives no sense.
    """
    file = _docker_config(environment)
    config = _read(file)
    key = _HUB_KEY if canonical_server(server) == DOCKER_HUB else server
    # An empty name says that no program has this server's login, whatever has all others.
    helper = config.get("credHelpers", {}).get(server, config.get("credsStore"))
    if helper:
        found = _ask_helper(str(helper), key, environment)
        if found is not None:
            return found
    entries = config.get("auths", {})
    entry = next((entries[name] for name in (key, server, f"https://{server}") if entries.get(name)), None)
    return _decoded(entry, file, server) if entry else None


def _docker_config(environment: Mapping[str, str]) -> Path:
    folder = environment.get("DOCKER_CONFIG")
    return (Path(folder) if folder else Path(environment.get("HOME") or Path.home()) / ".docker") / "config.json"


def _read(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        message = f"{file}: cannot be read as Docker's configuration ({error}); repair it, or run docker login again"
        raise RegistryError(message) from error
    return config if isinstance(config, dict) else {}


def _decoded(entry: Mapping[str, Any], file: Path, server: str) -> Credentials | None:
    username, password = str(entry.get("username", "")), str(entry.get("password", ""))
    if entry.get("auth"):
        try:
            username, _, password = b64decode(entry["auth"], validate=True).decode().partition(":")
        except (Base64Error, UnicodeDecodeError, TypeError) as error:
            message = f"{file}: the entry of {server} is not a login; run docker login {server} again"
            raise RegistryError(message) from error
    token = str(entry.get("identitytoken", ""))
    return Credentials(username, password.strip("\0"), token) if username or token else None


def _ask_helper(name: str, server: str, environment: Mapping[str, str]) -> Credentials | None:
    """Ask Docker's credential helper; None where it has nothing for this server."""
    program = f"docker-credential-{name}"
    try:
        done = subprocess.run(
            [program, "get"], input=server, env=dict(environment), capture_output=True, text=True, check=False,
            timeout=_HELPER_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"{server}: {program}, which Docker's configuration names, does not run ({error}); install it"
        raise RegistryError(message) from error
    if done.returncode:
        return None
    try:
        answer = json.loads(done.stdout)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError) as error:
        message = f"{server}: {program} gives no login; run docker login {server} again"
        raise RegistryError(message) from error
    if username == _TOKEN_USER:
        return Credentials("", identity_token=secret)
    return Credentials(username, secret)
