"""Tests of how daemons are started, recognised and ended."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.processes import start_time
from carbide_infra.state_files import read_json, write_json
from devenv.daemons import Daemon

SLEEPER = "import time; print('hello', flush=True); time.sleep(60)"


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    return Daemon(Path(sys.executable), tmp_path / "daemon.conf", tmp_path)


def launch(daemon: Daemon, script: str = SLEEPER) -> int:
    daemon.start(["-c", script, str(daemon.config)], os.environ, "one")
    return int(read_json(daemon.pid_file)["pid"])


def test_starts_and_stops(daemon: Daemon) -> None:
    pid = launch(daemon)
    daemon.await_ready(lambda: "hello" in daemon.log.read_text(), 10)
    assert daemon.runs("one")
    assert not daemon.runs("two")
    assert daemon.stop()
    assert start_time(pid) is None
    assert not daemon.stop()


def test_a_recycled_pid_is_another_process(daemon: Daemon) -> None:
    other = start_time(os.getpid())
    write_json(daemon.pid_file, {"pid": os.getpid(), "started": f"{other}0", "fingerprint": "one"})
    assert not daemon.runs("one")
    assert not daemon.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc")
def test_a_process_is_ended_only_when_it_is_proven_ours(daemon: Daemon) -> None:
    """A pid file that an older boot, or somebody else, has left may name any process."""
    with subprocess.Popen(["sleep", "60"], cwd="/") as stranger:
        record = {"pid": stranger.pid, "started": start_time(stranger.pid), "fingerprint": "one"}
        write_json(daemon.pid_file, record)
        assert not daemon.runs("one")
        assert not daemon.stop()
        assert stranger.poll() is None
        stranger.kill()
    script = ["-c", SLEEPER, str(daemon.config)]
    with subprocess.Popen([sys.executable, *script], cwd="/", stdout=subprocess.DEVNULL) as namesake:
        assert not daemon.stop(), "it has our configuration among its arguments, and works elsewhere"
        assert namesake.poll() is None
        namesake.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc")
def test_a_copy_of_a_checkout_stops_nothing_of_the_original(tmp_path: Path) -> None:
    original, copy = tmp_path / "a/.local", tmp_path / "b/.local"
    original.mkdir(parents=True)
    daemon = Daemon(Path(sys.executable), original / "daemon.conf", original)
    launch(daemon)
    shutil.copytree(original, copy)
    copied = Daemon(daemon.program, copy / "daemon.conf", copy)
    assert not copied.runs("one")
    assert not copied.stop()
    assert daemon.runs("one")
    original.parent.rename(tmp_path / "c")
    moved = Daemon(daemon.program, tmp_path / "c/.local/daemon.conf", tmp_path / "c/.local")
    assert moved.runs("one"), "a checkout that was moved keeps its own"
    assert moved.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc")
def test_a_daemon_whose_state_was_deleted_is_found(tmp_path: Path) -> None:
    state = tmp_path / ".local"
    state.mkdir()
    daemon = Daemon(Path(sys.executable), state / "daemon.conf", state)
    pid = launch(daemon)
    daemon.await_ready(lambda: "hello" in daemon.log.read_text(), 10)
    shutil.rmtree(state)
    state.mkdir()
    assert daemon.stop()
    assert start_time(pid) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_a_damaged_pid_file_names_no_process(daemon: Daemon, text: str) -> None:
    daemon.pid_file.parent.mkdir()
    daemon.pid_file.write_text(text)
    assert not daemon.runs("one")


@pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc")
def test_finds_a_process_without_pid_file(daemon: Daemon) -> None:
    pid = launch(daemon)
    daemon.await_ready(lambda: "hello" in daemon.log.read_text(), 10)
    daemon.pid_file.unlink()
    assert daemon.stop()
    assert start_time(pid) is None


def test_an_early_end_is_an_error_with_the_log(daemon: Daemon) -> None:
    launch(daemon, "print('no such luck')")
    with pytest.raises(SetupError, match=r"(?s)stopped right after its start.*daemon|log.*no such luck") as caught:
        daemon.await_ready(lambda: False, 10)
    assert str(daemon.log) in str(caught.value)
    assert "no such luck" in str(caught.value)


def test_waiting_has_an_end(daemon: Daemon) -> None:
    launch(daemon)
    with pytest.raises(SetupError, match="was not ready after 0 s"):
        daemon.await_ready(lambda: False, 0.1)
    daemon.stop()


def test_a_busy_daemon_that_answers_late_serves(daemon: Daemon) -> None:
    launch(daemon)
    answers = iter([False, False, True])
    assert daemon.serves("one", lambda: next(answers), 10)
    assert not daemon.serves("two", lambda: True, 10), "another configuration"
    assert not daemon.serves("one", lambda: False, 0.1), "it never answers"
    daemon.stop()
    assert not daemon.serves("one", lambda: True, 10), "it is dead"


def test_a_stubborn_daemon_is_unblocked(daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devenv.daemons.PATIENCE_SECONDS", 0.2)
    gate = tmp_path / "gate"
    script = (
        "import pathlib, signal, sys, time\n"
        f"gate = pathlib.Path({str(gate)!r})\n"
        "signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "print('hello', flush=True)\n"
        "while not gate.exists(): time.sleep(0.01)\n"
    )
    launch(daemon, script)
    daemon.await_ready(lambda: "hello" in daemon.log.read_text(), 10)
    assert daemon.stop(unblock=gate.touch)
    assert gate.exists()


def test_the_last_log_is_kept(daemon: Daemon) -> None:
    for word in ("first", "second"):
        launch(daemon, f"print({word!r})")
        with pytest.raises(SetupError):
            daemon.await_ready(lambda: False, 10)
    assert daemon.log.read_text() == "second\n"
    assert daemon.log.with_suffix(".log.1").read_text() == "first\n"
