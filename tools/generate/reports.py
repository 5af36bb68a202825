"""The reports that the tests expect of recorded previews: their diff is where a change of words is read."""

import json
from collections.abc import Mapping
from pathlib import Path

from carbide_infra.report.changes import report_of
from carbide_infra.report.markdown import markdown
from carbide_infra.report.preview import read_preview

STACK = "dev"
"""The stack that was previewed."""


def expected(project: Path) -> Mapping[Path, str | None]:
    """The comment on each recorded preview; a report without a recording goes."""
    tests = project / "tests/unit"
    left_over: dict[Path, str | None] = dict.fromkeys((tests / "reports").glob("*.md"))
    return left_over | {
        tests / f"reports/{recording.stem}.md": _comment(recording)
        for recording in (tests / "recordings").glob("*.json")
    }


def _comment(recording: Path) -> str:
    return markdown(report_of(read_preview(json.loads(recording.read_text(encoding="utf-8")), STACK)))
