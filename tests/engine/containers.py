"""Containers for the tests: an image's root file system, run by runc as a container runtime would."""

import json
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engine.registry import Platform

UNTIL_HEALTHY = 30


@dataclass(frozen=True)
class Bundle:
    """An unpacked image and the folder of its runc bundle."""

    folder: Path
    config: Mapping[str, Any]

    @classmethod
    def of(cls, image: Platform, folder: Path) -> "Bundle":
        root = folder / "rootfs"
        root.mkdir(parents=True)
        image.unpack(root)
        return cls(folder, image.config["config"])

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, host_network: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run the image to its end, as `docker run --rm --read-only` does."""
        self._write_spec(arguments, env or {}, host_network=host_network)
        name = f"carbide-test-{uuid.uuid4().hex[:8]}"
        return subprocess.run(
            ["runc", "run", "--bundle", str(self.folder), name],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    @contextmanager
    def started(self, env: Mapping[str, str] | None = None) -> Iterator["Container"]:
        """Start the image in a network of its own; it is killed at the end if it still runs."""
        self._write_spec((), env or {}, host_network=False)
        name = f"carbide-test-{uuid.uuid4().hex[:8]}"
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ["runc", "run", "--bundle", str(self.folder), name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Container(name, process, self.config, self.folder / "log")
        finally:
            subprocess.run(["runc", "delete", "--force", name], capture_output=True, check=False)
            process.wait(timeout=10)

    def _user(self) -> tuple[int, int]:
        """Number and group's number of the user, whom the image may name as its passwd has it."""
        user, _, group = (self.config.get("User") or "0:0").partition(":")
        if user.isdecimal():
            return int(user), int(group or 0)
        lines = (self.folder / "rootfs/etc/passwd").read_text().splitlines()
        known = {name: (int(uid), int(gid)) for name, _, uid, gid, *_ in (line.split(":") for line in lines)}
        return known[user]

    def _write_spec(self, arguments: Sequence[str], env: Mapping[str, str], *, host_network: bool) -> None:
        (self.folder / "config.json").unlink(missing_ok=True)
        subprocess.run(["runc", "spec", "--bundle", str(self.folder)], check=True)
        spec = json.loads((self.folder / "config.json").read_text())
        uid, gid = self._user()
        spec["root"] = {"path": "rootfs", "readonly": True}
        spec["process"] |= {
            "terminal": False,
            "args": [*(self.config.get("Entrypoint") or ()), *(arguments or self.config.get("Cmd") or ())],
            "cwd": self.config.get("WorkingDir") or "/",
            "env": [*self.config.get("Env", []), *(f"{key}={value}" for key, value in env.items())],
            "user": {"uid": uid, "gid": gid},
            "noNewPrivileges": True,
            "capabilities": {},
        }
        if host_network:
            spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "network"]
        (self.folder / "config.json").write_text(json.dumps(spec))


@dataclass(frozen=True)
class Container:
    """A running container."""

    name: str
    process: subprocess.Popen[bytes]
    config: Mapping[str, Any]
    log: Path

    def health(self) -> subprocess.CompletedProcess[str]:
        """Run the image's own health check inside, once."""
        kind, *command = self.config["Healthcheck"]["Test"]
        assert kind == "CMD"
        return subprocess.run(
            ["runc", "exec", self.name, *command], capture_output=True, text=True, timeout=20, check=False
        )

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + UNTIL_HEALTHY
        while (last := self.health()).returncode:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, last.stderr + self.log.read_text()
            time.sleep(0.2)

    def stop(self, grace: int) -> int:
        """Send the image's stop signal; gives the exit code, or fails after the grace period."""
        signal = self.config.get("StopSignal", "SIGTERM")
        subprocess.run(["runc", "kill", self.name, signal], check=True)
        return self.process.wait(timeout=grace)
