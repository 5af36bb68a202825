"""What a failed build printed: BuildKit's log, kept by the builder and asked for through buildx, here a script."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.images.build_log import failed_steps, kept_failure
from tests.support.fake_programs import FakeProgram

CONTEXT = ".local/contexts/carbide-rest-ipam/427310800174"
LOG = """#12 [linux/amd64 build 4/4] RUN sh /build.sh
#12 0.636 # example.com/ipam
#12 0.636 main.go:87:17: undefined: x
#12 ERROR: process "/bin/sh -c sh /build.sh" did not complete successfully: exit code: 1
#13 0.5 all well
#13 DONE 0.6s
------
"""


def record(ref: str, name: str, when: str, **more: Any) -> str:  # noqa: ANN401 - any field of a record
    return json.dumps({"ref": f"b/b0/{ref}", "name": name, "created_at": when, "status": "Error"} | more)


def buildx(folder: Path, *records: str) -> FakeProgram:
    program = FakeProgram(folder, "buildx")
    program.answer("history ls", "".join(f"{line}\n" for line in records))
    return program


def environment(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder}{os.pathsep}{os.defpath}", "BUILDX_BUILDER": "of another"}


def test_only_steps_that_did_not_end_well_tell_each_line_once() -> None:
    twice = LOG + LOG.replace("#12", "#14")
    assert failed_steps(twice) == ["# example.com/ipam", "main.go:87:17: undefined: x"]


def test_a_long_output_is_its_end() -> None:
    lines = failed_steps("".join(f"#1 0.1 line {number}\n" for number in range(100)))
    assert (len(lines), lines[0], lines[-1]) == (40, "line 60", "line 99")


def test_the_newest_failed_build_of_a_context_is_asked_for(tmp_path: Path) -> None:
    program = buildx(
        tmp_path,
        record("new", CONTEXT, "2026-11-26T15:54:42Z"),
        record("other", f"{CONTEXT[:-1]}5", "2026-11-26T15:59:42Z"),
        record("old", CONTEXT, "2026-11-26T15:50:42Z"),
    )
    program.answer("logs", error=LOG)
    assert kept_failure(CONTEXT, "mine", environment(tmp_path)) == failed_steps(LOG)
    assert program.calls == [
        "--builder mine history ls --filter status=error --no-trunc --format json",
        "--builder mine history logs new",
    ]
    assert "BUILDX_BUILDER" not in program.environment


def test_without_a_builder_of_its_own_buildx_chooses(tmp_path: Path) -> None:
    program = buildx(tmp_path, record("new", CONTEXT, "2026-11-26T15:54:42Z"))
    kept_failure(CONTEXT, None, environment(tmp_path))
    assert program.calls[1] == "history logs new"


@pytest.mark.parametrize(
    "records",
    [(), (record("x", "elsewhere", "1"),), ("not JSON",), ("[]",), ('{"name": 1}',), (record("", CONTEXT, "1"),)],
)
def test_a_builder_that_does_not_tell_is_no_error(records: tuple[str, ...], tmp_path: Path) -> None:
    program = buildx(tmp_path, *records)
    assert kept_failure(CONTEXT, None, environment(tmp_path)) == []
    assert len(program.calls) == 1


def test_neither_is_a_failed_question_or_no_buildx(tmp_path: Path) -> None:
    buildx(tmp_path, record("new", CONTEXT, "1")).answer("logs", LOG, code=1)
    assert kept_failure(CONTEXT, None, environment(tmp_path)) == []
    assert kept_failure(CONTEXT, None, {"PATH": str(tmp_path / "nowhere")}) == []
