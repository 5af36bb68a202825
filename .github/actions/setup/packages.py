"""Install the packages of the project in this folder into its .venv: what its requirements.txt locks, by hash.

A checkout of carbide-infra itself, which no lock of its own can name, is installed by `make venv`.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_REQUIREMENTS = Path("requirements.txt")
_VENV = Path(".venv")
_KIT = Path("devenv/__main__.py")
# A wheel runs nothing when it is installed.
_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:")


def commands(*, has_kit: bool) -> list[list[str]]:
    """Say what installs them."""
    if has_kit:
        return [["make", "--silent", "venv"]]
    return [
        [sys.executable, "-m", "venv", "--clear", str(_VENV)],
        [str(_VENV / "bin/python"), *_PIP, "--requirement", str(_REQUIREMENTS)],
    ]


def main(given: Mapping[str, str]) -> int:
    """Install them, put their commands on PATH, and say whether a bare machine's kit is there; give the exit code."""
    if not _REQUIREMENTS.is_file():
        sys.stdout.write("::error::project: it has no requirements.txt, which locks its packages with their hashes\n")
        return 1
    has_kit = _KIT.is_file()
    for command in commands(has_kit=has_kit):
        code = subprocess.run(command, check=False).returncode
        if code:
            return code
    with Path(given["GITHUB_PATH"]).open("a", encoding="utf-8") as file:
        file.write(f"{(_VENV / 'bin').absolute()}\n")
    if has_kit:
        with Path(given["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
            file.write("kit=true\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
