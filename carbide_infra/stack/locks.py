"""The locks of updates: in a folder backend, that of an update that was killed stays for ever."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carbide_infra.processes import start_time
from carbide_infra.stack.stack_file import PROJECT
from carbide_infra.state_files import read_json


def has_dead_lock(backend: str, stack: str) -> bool:
    """Whether nobody who holds a lock on the stack is alive any more.

    Args:
        backend: the backend's URL; nothing is known but of a folder.
        stack: the stack's name.
    """
    if not backend.startswith("file://"):
        return False
    folder = Path(backend.removeprefix("file://")) / ".pulumi/locks/organization" / PROJECT / stack
    locks = [read_json(file) for file in folder.glob("*.json")]
    return bool(locks) and all(_is_dead(lock) for lock in locks)


def _is_dead(lock: Mapping[str, Any]) -> bool:
    return lock.get("hostname") == socket.gethostname() and start_time(int(lock["pid"])) is None
