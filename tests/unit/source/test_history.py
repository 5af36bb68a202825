"""Which commit of the main line last touched files: real repositories."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from carbide_infra.source.git import Git
from carbide_infra.source.history import last_commits
from tests.support.git_trees import commit, git
from tests.support.started_programs import recorded


def revisions(root: Path, files: dict[str, list[str]], *, is_shallow: bool = False) -> dict[str, str | None]:
    return last_commits(Git(root), files, is_shallow=is_shallow)


def test_a_revision_is_the_last_commit_that_touched_the_files(tree: Path) -> None:
    root = tree / "sub folder"
    first = commit(tree, "sub folder/a ü.go", "sub folder/b.go")
    second = commit(tree, "sub folder/b.go")
    commit(tree, "other")
    files = {"a": ["a ü.go"], "b": ["b.go"], "both": ["a ü.go", "b.go"], "none": ["missing.go"]}
    assert revisions(root, files) == {"a": first, "b": second, "both": second, "none": None}


def test_a_merge_counts_as_the_commit_that_brought_the_change(tree: Path) -> None:
    git(tree, "checkout", "--quiet", "-b", "feature")
    commit(tree, "a.go")
    git(tree, "checkout", "--quiet", "main")
    commit(tree, "b.go")
    git(tree, "merge", "--quiet", "--no-ff", "-m", "Merge", "feature")
    merge = git(tree, "rev-parse", "HEAD")
    assert revisions(tree, {"a": ["a.go"]}) == {"a": merge}


def test_a_revision_is_one_of_the_main_line(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A branch that took its change back again brings none, though two commits of it touched the file."""
    first = commit(tree, "a.go")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "@2000000000 +0000")
    git(tree, "checkout", "--quiet", "-b", "feature")
    commit(tree, "a.go")
    git(tree, "revert", "--no-edit", "HEAD")
    commit(tree, "other.go")
    git(tree, "checkout", "--quiet", "main")
    git(tree, "merge", "--quiet", "--no-ff", "-m", "Merge", "feature")
    assert revisions(tree, {"a": ["a.go"]}) == {"a": first}


def test_a_file_that_was_renamed_is_touched_under_both_names(tree: Path) -> None:
    commit(tree, "old.go")
    git(tree, "mv", "old.go", "new.go")
    git(tree, "commit", "--quiet", "-m", "Rename")
    git(tree, "config", "diff.renames", "true")
    renamed = git(tree, "rev-parse", "HEAD")
    commit(tree, "later.go")
    assert revisions(tree, {"old": ["old.go"], "new": ["new.go"]}) == {"old": renamed, "new": renamed}


def test_an_empty_commit_touches_nothing(tree: Path) -> None:
    first = git(tree, "rev-parse", "HEAD")
    git(tree, "commit", "--quiet", "--allow-empty", "-m", "Nothing")
    assert revisions(tree, {"version": ["VERSION"], "none": []}) == {
        "version": first,
        "none": None,
    }


NAMES = [
    "line\nbreak.go",
    "\nled",
    "ended\n",
    " ",
    "X",
    "\x01",
    "\f\u2028.go",
    "größe.go",
    os.fsdecode(b"no text \xff.go"),
]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
def test_history_is_read_in_pieces_of_any_size(chunk: int, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carbide_infra.source.git._CHUNK", chunk)
    expected = {name: commit(tree, name) for name in NAMES}
    together = commit(tree, *(f"{name}2" for name in NAMES))
    git(tree, "commit", "--quiet", "--allow-empty", "-m", "Nothing")
    expected |= {f"{name}2": together for name in NAMES}
    assert revisions(tree, {name: [name] for name in expected}) == expected


def test_history_is_read_as_far_as_somebody_asks(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = commit(tree, "a.go")
    started = recorded(monkeypatch)
    assert revisions(tree, {}) == {}
    assert started == []

    def endless(*_: object) -> Iterator[str]:
        yield from ("", f"{last} {last}", "\na.go", "", f"{last} {last}", "\na.go", "", last)
        pytest.fail("an older commit was asked for")

    monkeypatch.setattr(Git, "fields", endless)
    assert revisions(tree, {"a": ["a.go"]}) == {"a": last}


def test_where_a_shallow_history_is_cut_nothing_is_known(tree: Path) -> None:
    commit(tree, "old.go")
    commit(tree, "cut.go")
    last = commit(tree, "new.go")
    git(tree, "clone", "--quiet", "--depth=2", f"file://{tree}", "clone")
    files = {"old": ["old.go"], "cut": ["cut.go"], "new": ["new.go"]}
    assert revisions(tree / "clone", files, is_shallow=True) == {"old": None, "cut": None, "new": last}


def test_what_a_submodule_ignores_is_in_the_history(tree: Path) -> None:
    git(tree, "init", "--quiet", "sub")
    commit(tree / "sub", "a.go")
    git(tree, "add", "--all")
    git(tree, "config", "--file", ".gitmodules", "submodule.sub.path", "sub")
    git(tree, "config", "--file", ".gitmodules", "submodule.sub.ignore", "all")
    commit(tree)
    commit(tree / "sub", "a.go")
    git(tree, "config", "diff.ignoreSubmodules", "all")
    git(tree, "update-index", "--cacheinfo", "160000", git(tree / "sub", "rev-parse", "HEAD"), "sub")
    git(tree, "commit", "--quiet", "--allow-empty", "-m", "Move the submodule")
    moved = git(tree, "rev-parse", "HEAD")
    commit(tree, "later.go")
    assert revisions(tree, {"sub": ["sub"]}) == {"sub": moved}


def test_outside_git_nothing_has_a_revision(tmp_path: Path) -> None:
    assert revisions(tmp_path, {"a": ["a.go"]}) == {"a": None}
