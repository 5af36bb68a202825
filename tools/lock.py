"""Write requirements.txt, and the part of it that runs as requirements-runtime.txt, anew; `make lock` calls it."""

import subprocess
import sys
from pathlib import Path

from carbide_infra.paths import project_root

ALL, RUNTIME = "requirements.txt", "requirements-runtime.txt"
OPTIONS = (
    "--quiet",
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-header",
)


def commands() -> tuple[tuple[str, ...], ...]:
    """Give the commands to run in the folder with pyproject.toml; what is locked already stays as it is.

    The second lock is a part of the first: what runs, without what checks and tests.
    """
    uv = str(Path(sys.executable).with_name("uv"))
    # carbide-infra itself is no package of an index, but of this checkout.
    common = (uv, "pip", "compile", *OPTIONS, "--no-emit-package", "carbide-infra", "pyproject.toml")
    return (
        (*common, "--group", "dev", "--output-file", ALL),
        (*common, "--group", "install", "--constraints", ALL, "--output-file", RUNTIME),
    )


def main() -> int:
    """Give the exit code."""
    for command in commands():
        if code := subprocess.run(command, cwd=project_root(), check=False).returncode:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
