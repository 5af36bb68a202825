"""Credentials for a registry: the stack's own, else those of `docker login`."""

import json
import subprocess
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carbide_infra.registry.docker_config import broken_store, config_file, entries, read_config
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
    file = config_file(environment)
    config = read_config(file)
    key = _HUB_KEY if canonical_server(server) == DOCKER_HUB else server
    found = _of_helper(config, server, key, environment)
    if found is not None:
        return found
    logins = entries(config, "auths")
    entry = next((logins[name] for name in (key, server, f"https://{server}") if logins.get(name)), None)
    return _decoded(entry, file, server) if isinstance(entry, dict) else None


def _of_helper(config: Mapping[str, Any], server: str, key: str, environment: Mapping[str, str]) -> Credentials | None:
    own = entries(config, "credHelpers").get(server)
    if own:
        return _ask_helper(str(own), key, environment)
    store = config.get("credsStore")
    try:
        return _ask_helper(str(store), key, environment) if store else None
    except RegistryError:
        # It is there for all registries, of which this one may want no login: where it does, it says so.
        if broken_store(environment) is None:
            raise
        return None


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
