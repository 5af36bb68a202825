"""Asks the Go program beside this file which files each package's binary is made of."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROGRAM = ("go.mod", "main.go")
_COMPILE_SECONDS = 600  # a cold standard library on a busy machine
_READ_SECONDS = 120

# Where Go and git keep things, and nothing that changes what they answer (GOFLAGS, GOWORK, GOROOT, GO111MODULE, …).
_PASSED_ON = ("PATH", "HOME", "XDG_CACHE_HOME", "GOCACHE", "TMPDIR", "LD_LIBRARY_PATH")
_GO_ENVIRONMENT = {
    "GOENV": "off",
    "GOFLAGS": "",
    "GOWORK": "off",
    "GOTOOLCHAIN": "local",
    "GOPROXY": "off",
    "GO111MODULE": "on",
    "CGO_ENABLED": "0",
    # Go counts its own uses in a folder below this one, outside the user's cache; it does without.
    "XDG_CONFIG_HOME": os.devnull,
}


class GoUnavailableError(Exception):
    """No usable Go toolchain: the message is a clause that says why."""


class GraphError(Exception):
    """The source tree cannot be built as asked: the message says what is wrong with it and what to do."""


@dataclass(frozen=True)
class Graph:
    """Which files each package is made of, and what that was derived from.

    Attributes:
        files: every file of any package, relative to the root.
        packages: package folder → indices into `files`.
        listings: folder → names in it and their kinds; None where there was no such folder.
        reads: file → SHA-256 of the content that was parsed; None where it could not be read.
    """

    files: list[str]
    packages: dict[str, list[int]]
    listings: dict[str, dict[str, str] | None]
    reads: dict[str, str | None]


@dataclass(frozen=True)
class Question:
    """What is asked about packages of one main module.

    Attributes:
        root: the tree, absolute.
        module: folder of the go.mod, relative to the root.
        work: folder of the go.work that holds, relative to the root; None where there is none.
        packages: folders of main packages, relative to the root.
        platforms: like `linux/amd64`.
        go_version: whose `go1.N` build tags hold.
        tags: further build tags.
    """

    root: str
    module: str
    work: str | None
    packages: Sequence[str]
    platforms: Sequence[str]
    go_version: str
    tags: Sequence[str] = ()

    def key(self) -> str:
        """Names the question, for answers kept in a cache."""
        asked = [self.module, self.work, sorted(self.packages), sorted(self.platforms), sorted(self.tags)]
        parts = [self.root, *asked, self.go_version]
        return hashlib.sha256(json.dumps([parts, _source_key()]).encode()).hexdigest()[:24]


class Toolchain:
    """The Go command on PATH, and the compiled program that reads import graphs with it."""

    def __init__(self, command: str, version: str) -> None:
        self._command = command
        self.version = version

    @classmethod
    def found(cls) -> "Toolchain":
        """The toolchain on PATH.

        Raises:
            GoUnavailableError: there is none, or it does not run.
        """
        command = shutil.which("go")
        if command is None:
            msg = "the go command is not on PATH"
            raise GoUnavailableError(msg)
        return cls(command, _run_go([command, "env", "GOVERSION"], Path(__file__).parent, {}, 60))

    def read_graph(self, question: Question, cache_dir: Path) -> Graph:
        """Read the tree anew.

        Raises:
            GoUnavailableError: the program cannot be compiled or run here.
            GraphError: the tree has no such package, or needs what a build context cannot hold.
        """
        request = {
            "root": question.root,
            "go": self._command,
            "module": question.module,
            "work": question.work or "",
            "tags": list(question.tags),
            "packages": list(question.packages),
            "platforms": list(question.platforms),
            "goVersion": question.go_version,
        }
        reply = _ask(self._program(cache_dir), request)
        if reply.get("error"):
            raise GraphError(reply["error"])
        return Graph(reply["files"] or [], reply["packages"], reply["listings"], reply["reads"])

    def _program(self, cache_dir: Path) -> Path:
        name = hashlib.sha256(f"{_source_key()} {self.version} {os.uname().machine}".encode()).hexdigest()[:24]
        program = cache_dir / f"importgraph-{name}"
        if not program.exists():
            self._compile(program)
        return program

    def _compile(self, program: Path) -> None:
        # The folder is our own until the rename, so that a concurrent process never runs half a program.
        with tempfile.TemporaryDirectory(dir=program.parent, prefix="compile-") as folder:
            half = Path(folder) / "importgraph"
            command = [self._command, "build", "-trimpath", "-buildvcs=false", "-o", str(half), "."]
            try:
                _run_go(command, Path(__file__).parent, {}, _COMPILE_SECONDS)
            except GoUnavailableError:
                # The usual reason is a build cache that cannot be written, or no HOME to have one in.
                own = {"GOCACHE": str(Path(folder) / "cache"), "GOPATH": str(Path(folder) / "path")}
                _run_go(command, Path(__file__).parent, own, _COMPILE_SECONDS)
            half.replace(program)


def _source_key() -> str:
    content = b"\0".join((Path(__file__).parent / name).read_bytes() for name in _PROGRAM)
    return hashlib.sha256(content).hexdigest()


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed, **_GO_ENVIRONMENT, **extra}


def _run_go(command: Sequence[str], folder: Path, extra: Mapping[str, str], seconds: float) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, env=_environment(extra), capture_output=True, text=True, check=True, timeout=seconds
        )
    except subprocess.CalledProcessError as error:
        msg = f"`{command[0]} {command[1]}` failed: {_first_line(error.stderr)}"
        raise GoUnavailableError(msg) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"`{command[0]} {command[1]}` did not run: {error}"
        raise GoUnavailableError(msg) from error
    return done.stdout.strip()


def _ask(program: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [program], input=json.dumps(request).encode(), env=_environment({}),
            capture_output=True, check=True, timeout=_READ_SECONDS,
        )  # fmt: skip
        reply: dict[str, Any] = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        msg = f"the import-graph reader failed: {_first_line(error.stderr.decode(errors='replace'))}"
        raise GoUnavailableError(msg) from error
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        msg = f"the import-graph reader did not run: {error}"
        raise GoUnavailableError(msg) from error
    return reply


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else "no message"
