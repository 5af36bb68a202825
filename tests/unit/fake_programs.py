"""Programs of the tests: each notes its command lines and its environment, and answers as it is told."""

import json
from pathlib import Path

_SCRIPT = """#!/bin/sh
here='{folder}'
printf '%s\\n' "$*" >> "$here/calls"
pwd > "$here/folder"
env > "$here/environment"
for words in "$1 $2 $3" "$1 $2" "$1" any; do
  if [ -f "$here/$words.code" ]; then
    cat "$here/$words.out"
    cat "$here/$words.error" >&2
    exit "$(cat "$here/$words.code")"
  fi
done
"""


class FakeProgram:
    """A program in a folder of its own; without an answer it prints nothing and ends well."""

    def __init__(self, folder: Path, name: str) -> None:
        self._notes = folder / f"notes of {name}"
        self._notes.mkdir(parents=True)
        self.path = folder / name
        self.path.write_text(_SCRIPT.format(folder=self._notes))
        self.path.chmod(0o755)

    def answer(self, words: str = "any", output: object = "", *, error: str = "", code: int = 0) -> None:
        """What it prints when its command line begins with these words, three at most."""
        text = output if isinstance(output, str) else json.dumps(output)
        for ending, content in (("out", text), ("error", error), ("code", str(code))):
            (self._notes / f"{words}.{ending}").write_text(content)

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
        """The variables of the last call; what spans lines is cut."""
        lines = (self._notes / "environment").read_text().splitlines()
        return {name: value for name, found, value in (line.partition("=") for line in lines) if found}
