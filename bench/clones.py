"""How long `make up` takes in a second clone, beside the first one.

Usage: .venv/bin/python bench/clones.py

Both have the programs; packages, layers and compiled Go are what the second finds in the cache folder.
"""

import os
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from carbide_infra.paths import cache_dir, project_root

# What a clone needs before it can begin to build: the programs, and the base images' archives.
BROUGHT = ("tools", "bases")


def seconds_to_up(folder: Path, cache: Path) -> float:
    """Clone the project's last commit, and build its images there."""
    subprocess.run(["git", "clone", "--quiet", project_root(), folder], check=True)
    environment = {**os.environ, "CARBIDE_CACHE_DIR": str(cache)}
    start = time.monotonic()
    subprocess.run(["make", "up"], cwd=folder, env=environment, check=True, capture_output=True)
    seconds = time.monotonic() - start
    subprocess.run(["make", "down"], cwd=folder, env=environment, check=True, capture_output=True)
    return seconds


def main() -> None:
    """Measure two clones, one after the other, with a cache folder that begins empty."""
    with TemporaryDirectory(prefix="carbide-bench-") as name:
        folder = Path(name)
        cache = folder / "cache"
        cache.mkdir()
        for kept in BROUGHT:
            (cache / kept).symlink_to(cache_dir() / kept)
        first, second = (seconds_to_up(folder / number, cache) for number in ("first", "second"))
    print(f"first clone {first:.0f} s, second clone {second:.0f} s, second / first {second / first:.2f}")


if __name__ == "__main__":
    main()
