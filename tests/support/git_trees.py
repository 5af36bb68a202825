"""Real git repositories for tests: commands in them, and commits."""

import subprocess
from pathlib import Path

IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *IDENTITY, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(root: Path, *names: str) -> str:
    """Commit everything, with a further line in each of the files."""
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(file.read_text() + "more\n" if file.exists() else "new\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", f"Touch {names}")
    return git(root, "rev-parse", "HEAD")
