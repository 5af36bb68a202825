"""A source tree under git."""

from pathlib import Path

import pytest

from tests.support.git_trees import git


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository whose only commit has VERSION 1.4.0."""
    (tmp_path / "VERSION").write_text("# licence\n\n1.4.0\n")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--date=@1700000000", "-m", "First")
    return tmp_path
