"""The figures that a run of the tests ends with, and that SECURITY.md repeats: faults x runs, hostile cases."""

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

RUNS_VARIABLE, EXAMPLES_VARIABLE = "CARBIDE_FAULT_RUNS", "CARBIDE_HOSTILE_EXAMPLES"
CASES = "hostile cases"
"""The property under which a test says how many cases it has tried."""


def fault_runs() -> int:
    """How often each fault is tried."""
    return int(os.environ.get(RUNS_VARIABLE, "1"))


def figures(reporter: pytest.TerminalReporter) -> Iterator[str]:
    """A line for each kind of test that has run."""
    faults = list(_reports(reporter, "tests/faults/"))
    if faults:
        names = {re.sub(r"run\d+-?", "", report.nodeid) for report in faults}
        survived, not_run = sum(report.passed for report in faults), sum(report.skipped for report in faults)
        rest = f", {not_run} not run" if not_run else ""
        yield f"faults: {len(names)} x {fault_runs()} runs, {survived} of {len(faults)} survived{rest}"
    hostile = list(_reports(reporter, "tests/unit/hostile/"))
    if hostile:
        cases = sum(number for report in hostile for name, number in report.user_properties if name == CASES)
        yield f"hostile: {cases} cases, {sum(report.failed for report in hostile)} found"


def _reports(reporter: pytest.TerminalReporter, folder: str) -> Iterator[Any]:
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in reporter.stats.get(outcome, ()):
            if folder in report.nodeid and (report.when == "call" or not report.passed):
                yield report
