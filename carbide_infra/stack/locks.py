"""The locks of updates: in a folder backend, that of an update that was killed stays for ever."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from carbide_infra.paths import state_dir
from carbide_infra.processes import has_process, pid_namespace, sees_all_processes, start_time
from carbide_infra.stack.stack_file import PROJECT, project_name
from carbide_infra.state_files import read_json, write_json


@dataclass(frozen=True)
class RunningUpdate:
    """An update that holds the lock on a stack."""

    pid: int
    user: str
    host: str
    since: str

    def __str__(self) -> str:
        """As a sentence without its end."""
        return f"another update runs since {self.since} (process {self.pid} of {self.user} on {self.host})"


def note_update(project: Path, stack: str, pid: int) -> None:
    """Remember the CLI that updates a stack, so that its lock can be known for its own after it was killed."""
    write_json(_note(project, stack), {"pid": pid, "started": start_time(pid), "namespace": pid_namespace()})


def has_dead_lock(backend: str, project: Path, stack: str) -> bool:
    """Whether nobody who holds a lock on the stack is alive any more.

    Args:
        backend: the backend's URL; nothing is known but of a folder.
        project: the folder that updates are started in.
        stack: the stack's name.
    """
    locks, note = _locks(backend, stack, project_name(project)), read_json(_note(project, stack))
    return bool(locks) and all(_is_dead(lock, note) for lock in locks)


def running_update(backend: str, stack: str, project: str = PROJECT) -> RunningUpdate | None:
    """The update that keeps others out; None where nobody has a lock, or the backend is no folder."""
    locks = _locks(backend, stack, project)
    if not locks:
        return None
    lock = locks[0]
    return RunningUpdate(lock["pid"], str(lock.get("username")), str(lock.get("hostname")), _since(lock))


def _locks(backend: str, stack: str, project: str) -> list[dict[str, Any]]:
    if not backend.startswith("file://"):
        return []
    name = stack.rpartition("/")[2]
    folder = Path(backend.removeprefix("file://")) / ".pulumi/locks/organization" / project / name
    return list(_whole(folder))


def _whole(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("*.json")):
        lock = read_json(file)
        yield lock if isinstance(lock.get("pid"), int) else {**lock, "pid": 0}


def _is_dead(lock: Mapping[str, Any], note: Mapping[str, Any]) -> bool:
    """Whether the holder is certainly gone: another container may have the same host name, and other pids."""
    pid = lock["pid"]
    if lock.get("hostname") != socket.gethostname() or pid == 0:
        return False
    if note.get("pid") == pid and note.get("namespace") == pid_namespace():
        return start_time(pid) != note.get("started")
    return sees_all_processes() and not has_process(pid)


def _since(lock: Mapping[str, Any]) -> str:
    try:
        began = datetime.fromisoformat(str(lock.get("timestamp")))
    except ValueError:
        return "an unknown time"
    return began.astimezone().strftime("%H:%M:%S on %-d %B %Y")


def _note(project: Path, stack: str) -> Path:
    return state_dir(project) / "updates" / f"{stack.rpartition('/')[2]}.json"
