"""Previews have no ssh agent: nothing is built, and a pull request may be a stranger's."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from carbide_infra.names import AGENT_VARIABLE

_SOCKET = "no-agent"


def without_agent(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment with a socket in the agent's place that nobody listens at.

    The provider checks that there is one before it looks for changes, also where nobody has an agent, as in CI. Where
    there can be no such socket, the user's own stays away all the same.

    Args:
        environment: all variables.
        folder: for the socket.
    """
    others = {name: value for name, value in environment.items() if name != AGENT_VARIABLE}
    place = folder / _SOCKET
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not place.is_socket():
            _make_socket(folder)
    except OSError:
        return others
    return others | {AGENT_VARIABLE: str(place)}


def _make_socket(folder: Path) -> None:
    # By the folder's descriptor: a socket's own path may have about a hundred characters only.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as unanswered:
            unanswered.bind(f"/proc/self/fd/{descriptor}/{_SOCKET}")
    finally:
        os.close(descriptor)
