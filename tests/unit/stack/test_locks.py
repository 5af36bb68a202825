"""Whose locks are those of the dead."""

import json
import os
import socket
from pathlib import Path

import pytest

from carbide_infra.processes import has_process, pid_namespace, start_time
from carbide_infra.stack import locks
from carbide_infra.stack.locks import has_dead_lock, note_update, running_update

GONE = 2**22 + 1


def lock(folder: Path, pid: object, host: str = socket.gethostname(), project: str = "carbide-infra") -> str:
    """Give the URL of a backend that has it."""
    held = folder / f"state/.pulumi/locks/organization/{project}/dev/x.json"
    held.parent.mkdir(parents=True, exist_ok=True)
    held.write_text(json.dumps({"pid": pid, "hostname": host, "username": "me", "timestamp": "?"}))
    return f"file://{folder}/state"


def test_a_process_that_is_gone_is_dead_and_one_that_runs_is_not(tmp_path: Path) -> None:
    assert has_dead_lock(lock(tmp_path, GONE), tmp_path, "dev")
    assert not has_dead_lock(lock(tmp_path, os.getpid()), tmp_path, "dev")
    assert not has_dead_lock(lock(tmp_path, GONE, "elsewhere"), tmp_path, "dev")
    assert not has_dead_lock(lock(tmp_path, "x"), tmp_path, "dev"), "a lock that nobody can read"


def test_who_cannot_see_all_processes_calls_nobody_dead_by_the_pid_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two containers with one host name and one state folder: each has a process 17 of its own, or none."""
    monkeypatch.setattr(locks, "sees_all_processes", lambda: False)
    assert not has_dead_lock(lock(tmp_path, GONE), tmp_path, "dev")


def test_an_update_of_ours_that_was_killed_is_dead_in_a_container_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "sees_all_processes", lambda: False)
    backend = lock(tmp_path, os.getpid())
    note_update(tmp_path, "dev", os.getpid())
    assert not has_dead_lock(backend, tmp_path, "dev"), "it runs"
    monkeypatch.setattr(locks, "start_time", lambda _: None)
    assert has_dead_lock(backend, tmp_path, "dev")
    assert has_dead_lock(backend, tmp_path, "organization/carbide-infra/dev"), "the same by its long name"
    monkeypatch.setattr(locks, "pid_namespace", lambda: "pid:[1]")
    assert not has_dead_lock(backend, tmp_path, "dev"), "noted in another container"


def test_a_pid_that_another_process_has_by_now_is_not_the_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_update(tmp_path, "dev", os.getpid())
    monkeypatch.setattr(locks, "start_time", lambda _: f"{start_time(os.getpid())}0")
    assert has_dead_lock(lock(tmp_path, os.getpid()), tmp_path, "dev")


def test_processes_of_namespaces_below_count_by_the_pid_that_they_have_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = tmp_path / "812/status"
    status.parent.mkdir()
    status.write_text("Name:\tpulumi\nNSpid:\t812\t17\n")
    monkeypatch.setattr("carbide_infra.processes._PROC", tmp_path)
    monkeypatch.setattr("carbide_infra.processes.start_time", lambda _: None)
    assert has_process(17)
    assert not has_process(1)
    assert pid_namespace() == ""


def test_locks_are_those_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: theirs\n")
    backend = lock(tmp_path, GONE, project="theirs")
    assert has_dead_lock(backend, tmp_path, "dev")
    assert running_update(backend, "dev", "theirs")
    assert not running_update(backend, "dev")


def test_an_update_is_told_with_its_holder(tmp_path: Path) -> None:
    assert running_update("s3://bucket", "dev") is None
    assert running_update(f"file://{tmp_path}/state", "dev") is None
    told = "another update runs since an unknown time (process 17 of me on build-3)"
    assert str(running_update(lock(tmp_path, 17, "build-3"), "organization/carbide-infra/dev")) == told
