"""The reports that the tests expect of previews: their diff is where a change of words is read."""

from collections.abc import Mapping
from pathlib import Path

from tests.support.expected_reports import SCENES, expected_report


def expected(project: Path) -> Mapping[Path, str | None]:
    """The comment on each preview that was recorded or made; a report without one goes."""
    folder = project / "tests/unit/reports"
    left_over: dict[Path, str | None] = dict.fromkeys(folder.glob("*.md"))
    return left_over | {folder / f"{scene}.md": expected_report(scene) for scene in SCENES}
