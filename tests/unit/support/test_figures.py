"""What a run of the tests prints in the end: nothing that was not run counts as survived."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.figures import figures


def reported(outcome: str, name: str, when: str = "call") -> Any:  # noqa: ANN401 - a report of pytest's
    return SimpleNamespace(
        nodeid=f"tests/faults/test_x.py::{name}",
        when=when,
        passed=outcome == "passed",
        skipped=outcome == "skipped",
        user_properties=[],
    )


def told(**outcomes: list[Any]) -> list[str]:
    reporter: Any = SimpleNamespace(stats=outcomes)
    return list(figures(reporter))


def test_faults_are_counted_once_for_all_their_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBIDE_FAULT_RUNS", "2")
    passed = [reported("passed", f"test_{name}[run{run}]") for name in "ab" for run in (0, 1)]
    assert told(passed=passed) == ["faults: 2 x 2 runs, 4 of 4 survived"]


def test_what_was_not_run_or_failed_is_not_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBIDE_FAULT_RUNS", "1")
    outcomes = {
        "passed": [reported("passed", "test_a[run0]"), reported("passed", "test_a[run0]", "setup")],
        "failed": [reported("failed", "test_b[run0]")],
        "error": [reported("error", "test_c[run0]", "setup")],
        "skipped": [reported("skipped", "test_d[run0]", "setup"), reported("skipped", "test_e[run0]")],
    }
    assert told(**outcomes) == ["faults: 5 x 1 runs, 1 of 5 survived, 2 not run"]


def test_other_tests_have_no_figure() -> None:
    assert told(passed=[SimpleNamespace(nodeid="tests/unit/test_x.py::test_a", when="call", passed=True)]) == []
