"""A preview of the sample with nothing changed beside one of an empty Pulumi program, in pairs.

Usage: make up && .venv/bin/python bench/preview.py [--pairs N]

Both run in the shell that `make env` prepares, one after the other, so that what else the machine does
falls on both. Prints the median seconds of each and the median of the pairs' ratios.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from carbide_infra.paths import project_root
from devenv import ensure

ROOT = project_root()
STACK = "dev"
EMPTY = "name: empty\nruntime: python\n"


def main() -> None:
    """Measure the pairs; the first of each program only fills caches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=11)
    pairs = parser.parse_args().pairs
    environment = ensure(STACK, report=print)
    with tempfile.TemporaryDirectory() as folder:
        aside = environment | {"PULUMI_BACKEND_URL": f"file://{folder}"}
        _empty_program(Path(folder), aside)
        measured = [(_preview(Path(folder), aside), _preview(ROOT, environment)) for _ in range(pairs + 1)][1:]
    print(f"empty program   {statistics.median(first for first, _ in measured):6.2f} s, median of {pairs}")
    print(f"sample          {statistics.median(second for _, second in measured):6.2f} s, median of {pairs}")
    print(f"sample / empty  {statistics.median(second / first for first, second in measured):6.2f}")


def _empty_program(folder: Path, environment: Mapping[str, str]) -> None:
    (folder / "Pulumi.yaml").write_text(EMPTY)
    (folder / "__main__.py").write_text("import pulumi\n")
    _pulumi(folder, environment, "stack", "init", STACK)
    _pulumi(folder, environment, "up", "--yes", "--skip-preview", "--stack", STACK)


def _preview(folder: Path, environment: Mapping[str, str]) -> float:
    started = time.perf_counter()
    _pulumi(folder, environment, "preview", "--stack", STACK, "--expect-no-changes")
    return time.perf_counter() - started


def _pulumi(folder: Path, environment: Mapping[str, str], *arguments: str) -> None:
    command = ["pulumi", *arguments, "--non-interactive"]
    subprocess.run(command, cwd=folder, env=dict(environment), check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
