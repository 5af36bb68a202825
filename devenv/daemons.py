"""Daemons: background programs of a checkout that outlive the command that starts them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.errors import SetupError
from carbide_infra.processes import last_lines, start_time, works_in
from carbide_infra.state_files import PRIVATE_UMASK, make_private, read_json, read_text, write_json

# How long a daemon may take before it is helped along, and then before it is killed.
PATIENCE_SECONDS, GRACE_SECONDS = 2.0, 20.0
_PAUSE = 0.05
_PROC = Path("/proc")


@dataclass(frozen=True)
class Daemon:
    """One background program of a checkout.

    Attributes:
        program: the binary's path; its name also names the log and the pid file.
        config: configuration file among its arguments, by which a lost process is found again.
        state: the checkout's state folder.
    """

    program: Path
    config: Path
    state: Path

    @property
    def name(self) -> str:
        """What log and messages call it."""
        return self.program.name

    @property
    def log(self) -> Path:
        """Where it writes since its last start."""
        return self.state / "log" / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """Which process it is."""
        return self.state / "run" / f"{self.name}.json"

    def runs(self, fingerprint: str) -> bool:
        """Whether it is alive, and was started with this fingerprint."""
        return self._pid() is not None and read_json(self.pid_file).get("fingerprint") == fingerprint

    def serves(self, fingerprint: str, is_ready: Callable[[], bool], seconds: float) -> bool:
        """Whether it runs as this fingerprint says, and answers in time.

        A busy one answers late, and to start another would end the work that keeps it busy.
        """
        if not self.runs(fingerprint):
            return False
        try:
            self.await_ready(is_ready, seconds)
        except SetupError:
            return False
        return True

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], fingerprint: str) -> None:
        """Start it in a session of its own, where a terminal's Ctrl-C does not reach it."""
        make_private(self.log.parent)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [self.program, *arguments],
                cwd=self.state,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=PRIVATE_UMASK,
            )
        try:
            record = {"pid": process.pid, "started": start_time(process.pid), "fingerprint": fingerprint}
            write_json(self.pid_file, record)
        except BaseException:
            # Nobody would find it again.
            process.kill()
            raise

    def await_ready(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Wait until it serves; raise SetupError with the end of its log when it does not."""
        deadline = time.monotonic() + seconds
        while not is_ready():
            if self._pid() is None:
                raise SetupError(self._failure("stopped right after its start"))
            if time.monotonic() > deadline:
                raise SetupError(self._failure(f"was not ready after {seconds:.0f} s"))
            time.sleep(_PAUSE)

    def stop(self, unblock: Callable[[], None] | None = None) -> bool:
        """End it, gently first; tell whether there was anything to end.

        `unblock` is called when it does not leave at once, to end what it waits for.
        """
        recorded = self._pid()
        pids = {pid for pid in (recorded, *self._lost()) if pid is not None}
        for pid in pids:
            _end(pid, unblock)
        self.pid_file.unlink(missing_ok=True)
        return bool(pids)

    def _pid(self) -> int | None:
        record = read_json(self.pid_file)
        pid, started = record.get("pid"), record.get("started")
        # A pid alone may belong to another process by now, and the file may be the copy of another checkout's.
        if not isinstance(pid, int) or not started or start_time(pid) != started:
            return None
        return pid if works_in(pid, self.state) else None

    def _lost(self) -> Iterator[int]:
        """Processes of this daemon that no pid file names: it was deleted, or never written."""
        for entry in _PROC.glob("[0-9]*/cmdline"):
            program, *arguments = read_text(entry).split("\0")
            pid = int(entry.parent.name)
            if Path(program).name == self.name and str(self.config) in arguments and works_in(pid, self.state):
                yield pid

    def _failure(self, problem: str) -> str:
        return f"{self.name} {problem}; the end of its log {self.log}:\n{last_lines(read_text(self.log))}"


def _end(pid: int, unblock: Callable[[], None] | None) -> None:
    identity = start_time(pid)
    if identity is None:
        return
    _signal(pid, signal.SIGTERM)
    if _leaves(pid, identity, PATIENCE_SECONDS):
        return
    if unblock:
        unblock()
    if not _leaves(pid, identity, GRACE_SECONDS):
        _signal(pid, signal.SIGKILL)
        _leaves(pid, identity, GRACE_SECONDS)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _leaves(pid: int, identity: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while start_time(pid) == identity:
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    _reap(pid)
    return True


def _reap(pid: int) -> None:
    # Only a process that this very command has started is its child.
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
