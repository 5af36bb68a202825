"""Programs of the tests: each notes its command lines and its environment, and answers as it is told."""

import json
import shlex
from pathlib import Path


class FakeProgram:
    """A program in a folder; without an answer it prints nothing and ends well."""

    def __init__(self, folder: Path, name: str) -> None:
        self._notes = folder / f"notes of {name}"
        self._notes.mkdir(parents=True)
        self._answers: list[str] = []
        self.path = folder / name
        self._write()

    def answer(self, words: str, output: object = "", *, error: str = "", code: int = 0, does: str = ":") -> None:
        """What it prints and does when its command line has these words; of two answers that fit, the later one."""
        text = output if isinstance(output, str) else json.dumps(output)
        steps = f"{does}; printf %s {shlex.quote(text)}; printf %s {shlex.quote(error)} >&2; exit {code}"
        self._answers.insert(0, f"*{shlex.quote(words)}*) {steps} ;;")
        self._write()

    @property
    def calls(self) -> list[str]:
        """Its command lines, without its own name."""
        file = self._notes / "calls"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def folder(self) -> Path:
        """Where it was called last."""
        return Path((self._notes / "folder").read_text().strip())

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the last call."""
        entries = (self._notes / "environment").read_bytes().decode().split("\0")
        return dict(entry.split("=", 1) for entry in entries if entry)

    def _write(self) -> None:
        notes = [f'printf "%s\\n" "$*" >>{self._note("calls")}', f"pwd >{self._note('folder')}"]
        notes.append(f"env -0 >{self._note('environment')}")
        lines = ["#!/bin/sh", *notes, 'case "$*" in', *self._answers, "esac"]
        self.path.write_text("\n".join(lines) + "\n")
        self.path.chmod(0o755)

    def _note(self, name: str) -> str:
        return shlex.quote(str(self._notes / name))
