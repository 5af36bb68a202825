"""Write requirements.txt anew from the two pyproject.toml; `make lock` calls it."""

import subprocess
import sys
from pathlib import Path

from carbide_infra.paths import project_root

OPTIONS = (
    "--quiet",
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-header",
)


def command() -> tuple[str, ...]:
    """Give the command to run in the folder with pyproject.toml; what is locked already stays as it is."""
    uv = str(Path(sys.executable).with_name("uv"))
    # carbide-infra itself is no package of an index, but of this checkout.
    own = ("--no-emit-package", "carbide-infra", "--group", "dev")
    return (uv, "pip", "compile", *OPTIONS, *own, "pyproject.toml", "--output-file", "requirements.txt")


if __name__ == "__main__":
    sys.exit(subprocess.run(command(), cwd=project_root(), check=False).returncode)
