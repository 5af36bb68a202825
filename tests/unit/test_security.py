"""SECURITY.md names a test for each promise; each is there."""

import re
import subprocess

from carbide_infra.paths import project_root


def test_each_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (project_root() / "SECURITY.md").read_text(encoding="utf-8")))
    found = subprocess.run(
        ["git", "grep", "--untracked", "-hoE", r"def test_\w+", "--", "tests"],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert len(named) > 20
    assert named - set(re.findall(r"test_\w+", found)) == set()
