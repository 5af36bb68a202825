"""Which builder a stack builds on, and what is said of one that is dead."""

import time
from pathlib import Path

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.stack import builder
from carbide_infra.stack.builder import ask_builder, chosen_builder, require_builder
from tests.support.fake_programs import FakeProgram

INSPECTED = """Name:          {name}
Driver:        {driver}
Last Activity: 2026-11-26 13:12:48 +0000 UTC

Nodes:
Name:     {name}0
Endpoint: tcp://10.0.0.7:1234
Status:   {status}
"""


@pytest.mark.parametrize(
    ("config", "server", "variable", "chosen"),
    [
        ("mine", "nvcr.io", "other", "mine"),
        ("mine", "local", "other", "mine"),
        (None, "nvcr.io", "other", "other"),
        (None, "nvcr.io", "", None),
        (None, "local", "other", None),
    ],
)
def test_config_comes_before_the_variable_and_that_before_the_current_one(
    config: str | None, server: str, variable: str, chosen: str | None
) -> None:
    assert chosen_builder(config, server, {"BUILDX_BUILDER": variable}) == chosen


@pytest.fixture
def buildx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProgram:
    program = FakeProgram(tmp_path / "bin", "buildx")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return program


def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "BUILDX_BUILDER": "other"}


@pytest.mark.parametrize(
    ("driver", "status", "answers"),
    [
        ("remote", "running", True),
        ("remote", "inactive", False),
        ("docker-container", "inactive", True),
        ("docker-container", "stopped", True),
        ("docker-container", "error", False),
        ("kubernetes", "inactive", True),
    ],
)
def test_a_dead_builder_is_one_sentence_with_its_endpoint_and_what_to_do(
    driver: str, status: str, tmp_path: Path, buildx: FakeProgram, *, answers: bool
) -> None:
    buildx.answer("inspect", INSPECTED.format(name="fleet", driver=driver, status=status))
    if answers:
        require_builder("fleet", environment(tmp_path))
    else:
        with pytest.raises(SetupError) as caught:
            require_builder("fleet", environment(tmp_path))
        assert str(caught.value) == (
            "builder fleet at tcp://10.0.0.7:1234 does not answer; start it, or name another: docker buildx use, "
            "BUILDX_BUILDER, the stack's builder"
        )
    assert buildx.calls == ["inspect fleet"]
    assert "BUILDX_BUILDER" not in buildx.environment, "who was chosen is asked"


def test_a_builder_that_hangs_is_given_up_within_ten_seconds(
    tmp_path: Path, buildx: FakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert builder._SECONDS < 10
    monkeypatch.setattr(builder, "_SECONDS", 0.2)
    buildx.answer("inspect", does="exec sleep 60")
    started = time.monotonic()
    with pytest.raises(SetupError, match=r"^builder fleet does not answer \(nothing within 0.2 s\); start it, or name"):
        require_builder("fleet", environment(tmp_path))
    assert time.monotonic() - started < 5


def test_a_builder_that_is_not_known_is_named(tmp_path: Path, buildx: FakeProgram) -> None:
    buildx.answer("inspect", error='ERROR: no builder "fleet" found', code=1)
    with pytest.raises(SetupError, match=r'^builder fleet does not answer \(ERROR: no builder "fleet" found\); start'):
        require_builder("fleet", environment(tmp_path))


def test_the_current_builder_is_asked_where_none_is_chosen(buildx: FakeProgram) -> None:
    buildx.answer("inspect", INSPECTED.format(name="default", driver="docker", status="running"))
    assert ask_builder(buildx.path, None, {}).name == "default"
    assert buildx.calls == ["inspect"]


def test_the_provider_builds_where_there_is_no_buildx(tmp_path: Path) -> None:
    require_builder("fleet", {"PATH": str(tmp_path)})
