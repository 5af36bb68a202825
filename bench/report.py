"""What the report adds to a preview, in pairs.

Usage: make up && .venv/bin/python bench/report.py [--pairs N]

Each pair is `pulumi preview --json` and then `carbide-infra report --preview` on what it printed, as a process of its
own: Python's start and every import count. Prints the median seconds of both, the part of it that is the
work itself, and what the report adds as a share of the preview.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from carbide_infra.paths import project_root
from carbide_infra.report.changes import report_of
from carbide_infra.report.markdown import markdown
from carbide_infra.report.preview import read_preview
from devenv import ensure

ROOT = project_root()
STACK = "dev"
PREVIEW = ("pulumi", "preview", "--json", "--show-sames", "--stack", STACK, "--non-interactive")
AT_MOST = 0.5


def main() -> None:
    """Measure the pairs; the first only fills caches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=11)
    pairs = parser.parse_args().pairs
    environment = ensure(STACK, report=print)
    with tempfile.TemporaryDirectory() as folder:
        measured = [_pair(Path(folder) / "preview.json", environment) for _ in range(pairs + 1)][1:]
    preview, added, work = (statistics.median(values) for values in zip(*measured, strict=True))
    share = statistics.median(report / first for first, report, _ in measured)
    print(f"preview        {preview:6.3f} s, median of {pairs}")
    print(f"report adds    {added:6.3f} s, median of {pairs}; at most {AT_MOST} on an idle machine")
    print(f"of which work  {work:6.3f} s")
    print(f"added/preview  {share:6.3f}")


def _pair(file: Path, environment: Mapping[str, str]) -> tuple[float, float, float]:
    started = time.perf_counter()
    with file.open("wb") as stream:
        subprocess.run(PREVIEW, cwd=ROOT, env=dict(environment), check=True, stdout=stream)
    previewed = time.perf_counter()
    report = ["carbide-infra", "report", "--stack", STACK, "--format", "markdown", "--preview", str(file)]
    subprocess.run(report, cwd=ROOT, env=dict(environment), check=True, stdout=subprocess.DEVNULL)
    reported = time.perf_counter()
    markdown(report_of(read_preview(json.loads(file.read_text()), STACK)))
    return previewed - started, reported - previewed, time.perf_counter() - reported


if __name__ == "__main__":
    main()
