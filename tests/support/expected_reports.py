"""The expected texts of the report: what each recorded preview of the real engine gives as a comment.

`python -m tests.support.expected_reports` writes them anew after a wanted change of a sentence; read the difference.
"""

import json
from pathlib import Path
from typing import Any

from carbide_infra.report.changes import Report, report_of
from carbide_infra.report.markdown import markdown
from carbide_infra.report.preview import read_preview

_UNIT = Path(__file__).parents[1] / "unit"
RECORDINGS, REPORTS = _UNIT / "recordings", _UNIT / "reports"
SCENES = sorted(file.stem for file in RECORDINGS.glob("*.json"))


def recorded(scene: str) -> dict[str, Any]:
    """What `pulumi preview --json` printed."""
    return dict(json.loads((RECORDINGS / f"{scene}.json").read_text()))


def reported(scene: str) -> Report:
    """What is to be said of it."""
    return report_of(read_preview(recorded(scene), "dev"))


def expected_report(scene: str) -> str:
    """The comment of it."""
    return markdown(reported(scene))


if __name__ == "__main__":
    for scene in SCENES:
        (REPORTS / f"{scene}.md").write_text(expected_report(scene))
