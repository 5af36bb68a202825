"""The expected texts of the report: what each recorded preview of the real engine gives as a comment."""

import json
from pathlib import Path
from typing import Any

from carbide_infra.report.changes import Report, report_of
from carbide_infra.report.markdown import markdown
from carbide_infra.report.preview import read_preview
from tools.generate.reports import STACK

_UNIT = Path(__file__).parents[1] / "unit"
RECORDINGS, REPORTS = _UNIT / "recordings", _UNIT / "reports"
SCENES = sorted(file.stem for file in RECORDINGS.glob("*.json"))


def recorded(scene: str) -> dict[str, Any]:
    """What `pulumi preview --json` printed."""
    return dict(json.loads((RECORDINGS / f"{scene}.json").read_text()))


def reported(scene: str) -> Report:
    """What is to be said of it."""
    return report_of(read_preview(recorded(scene), STACK))


def expected_report(scene: str) -> str:
    """The comment of it."""
    return markdown(reported(scene))
