"""A checkout of its own with a builder, a registry and one image, to be maltreated."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine.registry import Repository

IMAGE, PACKAGE = "carbide-rest-ipam", "ipam/cmd/server"
SECONDS = 120.0
# The Python environment is the project's own, which no other checkout may make anew.
MAKE = ("make", "-s", "--old-file=.venv/.requirements")
_IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
_OWN_TAG = re.compile(r".+-[0-9a-f]{12}")
_PAUSE = 0.01
# Nothing that the linker leaves out.
_EDIT = """package main

import "os"

func init() {
	if len(os.Args) > 9999 {
		println("NUMBER")
	}
}
"""


@dataclass(frozen=True)
class Ended:
    """A command that has ended.

    Attributes:
        code: its exit code; negative where a signal ended it.
        text: both its streams.
    """

    code: int
    text: str


@dataclass
class Running:
    """A command at work, in a session of its own, with all that it has started."""

    process: "subprocess.Popen[bytes]"
    output: Path

    def ended(self) -> Ended:
        try:
            code = self.process.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.kill_all()
            pytest.fail(f"did not end:\n{self.output.read_text(errors='replace')}")
        return Ended(code, self.output.read_text(errors="replace"))

    def below(self, program: str) -> int | None:
        """The pid of a program among what it has started."""
        children: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parts[2]))
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            if _program_of(pid) == program:
                return pid
            waiting += children.get(pid, [])
        return None

    def kill_all(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def _program_of(pid: int) -> str:
    with suppress(OSError):
        return Path(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()).name
    return ""


@dataclass
class Site:
    """The checkout.

    Attributes:
        root: its folder.
        environment: all variables of its commands.
        known: the images' own tags that were ever pushed, with their digests.
    """

    root: Path
    environment: Mapping[str, str] = field(repr=False)
    known: dict[str, str] = field(default_factory=dict)
    _edits: int = 0

    @property
    def cache(self) -> Path:
        return Path(self.environment["CARBIDE_CACHE_DIR"])

    @property
    def local(self) -> Path:
        return self.root / ".local"

    @property
    def main(self) -> Path:
        return self.root / "examples/carbide-rest-api" / PACKAGE / "main.go"

    # ---- Commands.

    def start(self, *command: str, **variables: str) -> Running:
        output = self.root.parent / f"output-{time.monotonic_ns()}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=self.root,
                env={**self.environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        return Running(process, output)

    def run(self, *command: str, **variables: str) -> Ended:
        return self.start(*command, **variables).ended()

    def make(self, *targets: str, **variables: str) -> Ended:
        return self.run(*MAKE, *targets, **variables)

    def shell(self, script: str) -> Ended:
        """Commands as a user would type them, after `eval "$(make -s env)"`."""
        return self.run("bash", "-ec", f'eval "$({" ".join(MAKE)} env)"; {script}')

    def carbide(self, *arguments: str, **variables: str) -> Ended:
        """A command that starts and inspects no daemon."""
        return self.run(".venv/bin/python", "-m", "devenv", "run", "--", "carbide-infra", *arguments, **variables)

    def git(self, *arguments: str) -> str:
        command = ["git", *_IDENTITY, *arguments]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def edit(self, package: str = PACKAGE) -> None:
        """Make and commit a change that is to be compiled and pushed."""
        self._edits += 1
        text = _EDIT.replace("NUMBER", str(time.time_ns()))
        (self.root / "examples/carbide-rest-api" / package / "edit.go").write_text(text)
        self.git("add", "examples")
        self.git("commit", "--quiet", "--message", f"Edit {self._edits}")

    @contextmanager
    def services(self, *names: str) -> Iterator[None]:
        """The stack with these images, and with what it had again in the end."""
        file = self.root / "Pulumi.dev.yaml"
        before = file.read_text()
        content = yaml.safe_load(before)
        content["config"]["carbide-infra:services"] = list(names)
        file.write_text(yaml.safe_dump(content))
        try:
            yield
        finally:
            file.write_text(before)

    # ---- At the right moment.

    def until(self, condition: Callable[[], bool], running: Running) -> None:
        """Wait for a moment of a command that must not end before."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert running.process.poll() is None, f"ended too early:\n{running.ended().text}"
            assert time.monotonic() < deadline, "the moment did not come"
            time.sleep(_PAUSE)

    def until_it_says(self, words: str, running: Running, before: Collection[Path]) -> None:
        """Wait until the engine's log of this update, which is none of those before, has these words."""
        self.until(lambda: any(words in text for text in self._new_logs(before)), running)

    def event_logs(self) -> frozenset[Path]:
        """The engine's logs of all updates so far."""
        return frozenset((self.local / "events").glob("*.json"))

    def _new_logs(self, before: Collection[Path]) -> Iterator[str]:
        for file in self.event_logs().difference(before):
            with suppress(OSError):
                yield file.read_text(errors="replace")

    def compiling(self) -> Running:
        """An update of an edited tree, as the compiler begins."""
        self.edit()
        before, running = self.event_logs(), self.start(*MAKE, "up")
        self.until_it_says("sh /build.sh", running, before)
        return running

    def daemon(self, name: str) -> int:
        return int(json.loads((self.local / "run" / f"{name}.json").read_text())["pid"])

    # ---- What is there.

    def repository(self) -> Repository:
        endpoint = json.loads((self.local / "endpoint.json").read_text())
        return Repository(endpoint["registry"], f"carbide/{IMAGE}", Path(endpoint["ca_bundle"]))

    def images(self) -> dict[str, Any]:
        return dict(json.loads(self.make("images").text))

    def exported(self) -> dict[str, Any]:
        return dict(json.loads(self.shell("pulumi stack export --stack dev").text))

    def note(self) -> None:
        """Remember what is in the registry."""
        repository = self.repository()
        own = filter(_OWN_TAG.fullmatch, repository.tags())
        self.known |= {tag: repository.digest_of(tag) for tag in own}

    def settle(self) -> Ended:
        """A plain re-run succeeds; state, registry and outputs agree; nothing is lost."""
        again = self.make("up")
        assert again.code == 0, again.text
        assert "Traceback" not in again.text
        verified = self.make("verify")
        assert verified.code == 0, verified.text
        assert "all agree" in verified.text
        assert not self.exported()["deployment"].get("pending_operations")
        repository, image = self.repository(), self.images()[IMAGE]
        assert repository.digest_of(image["tags"][0]) == image["digest"]
        before = dict(self.known)
        self.note()
        assert {tag: self.known.get(tag) for tag in before} == before
        assert image["tags"][0] in self.known
        assert all(repository.digest_of(tag) == digest for tag, digest in before.items())
        return again
