"""`make test-docker` where no Docker engine can run."""

import os

import pytest

from tests.docker.__main__ import main
from tests.docker.programs import CannotRunError, not_run


@pytest.mark.parametrize(("required", "code"), [("", 0), ("1", 1)])
def test_what_cannot_run_is_said_last(
    required: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("CARBIDE_REQUIRE_ALL", required)
    assert main([]) == code
    assert capsys.readouterr().out == "not run: a Docker engine needs root\n"


@pytest.mark.parametrize(("required", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_a_test_that_cannot_run_is_skipped_unless_all_must(
    required: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARBIDE_REQUIRE_ALL", required)
    with pytest.raises(outcome, match="not run: no cgroups"):
        not_run(CannotRunError("no cgroups"))
