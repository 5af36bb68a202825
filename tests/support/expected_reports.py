"""The expected texts of the report: what each recorded or made preview gives as a comment."""

import json
from pathlib import Path
from typing import Any

from carbide_infra.report.changes import Report, report_of
from carbide_infra.report.markdown import markdown
from carbide_infra.report.preview import read_preview
from tests.support.made_previews import MADE

STACK = "dev"
"""The stack that was previewed."""

_UNIT = Path(__file__).parents[1] / "unit"
RECORDINGS, REPORTS = _UNIT / "recordings", _UNIT / "reports"
RECORDED = sorted(file.stem for file in RECORDINGS.glob("*.json"))
SCENES = sorted([*RECORDED, *MADE])


def recorded(scene: str) -> dict[str, Any]:
    """What `pulumi preview --json` printed, or would have printed."""
    if scene in MADE:
        return MADE[scene](recorded)
    return dict(json.loads((RECORDINGS / f"{scene}.json").read_text(encoding="utf-8")))


def reported(scene: str) -> Report:
    """What is to be said of it."""
    return report_of(read_preview(recorded(scene), STACK))


def expected_report(scene: str) -> str:
    """The comment of it."""
    return markdown(reported(scene))
