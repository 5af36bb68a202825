import os
import subprocess
from pathlib import Path

import pytest

from carbide_infra.services import CATALOGUE
from carbide_infra.settings import ConfigError
from carbide_infra.source import read_source, require_go_version, require_packages, revisions_of, version_of

IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *IDENTITY, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "VERSION").write_text("# licence\n\n1.4.0\n")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--date=@1700000000", "-m", "First")
    return tmp_path


@pytest.mark.parametrize(
    ("content", "version"),
    [
        ("1.4.0\n", "1.4.0"),
        ("# licence\n#\n\n  1.4.0-rc1  \nmore\n", "1.4.0-rc1"),
        ("\ufeff1.4.0\r\n", "1.4.0"),
        ("# only comments\n", "dev"),
        ("", "dev"),
        (None, "dev"),
    ],
)
def test_version_is_the_first_line_that_says_something(content: str | None, version: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "VERSION").write_text(content, newline="")
    assert version_of(tmp_path) == version


def test_a_version_that_is_no_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("1.4.0 'quoted'\n")
    with pytest.raises(ConfigError, match=r"VERSION.*1\.4\.0 'quoted'.*version"):
        version_of(tmp_path)


def test_facts_of_a_clean_checkout(tree: Path) -> None:
    source = read_source(tree, None)
    assert source.revision == git(tree, "rev-parse", "HEAD")
    assert (source.version, source.branch, source.is_commit, source.warnings) == ("1.4.0", "main", True, ())
    assert source.epoch == int(git(tree, "log", "-1", "--format=%ct"))


def test_the_epoch_is_that_of_version_and_not_of_the_last_commit(tree: Path) -> None:
    before = read_source(tree, None)
    (tree / "README").write_text("more")
    git(tree, "add", "--all")
    subprocess.run(
        ["git", "-C", str(tree), *IDENTITY, "commit", "--quiet", "-m", "Later"],
        env={"GIT_COMMITTER_DATE": "@1900000000 +0000", "PATH": "/usr/bin:/bin", "HOME": str(tree)},
        check=True,
    )
    after = read_source(tree, None)
    assert after.revision != before.revision
    assert after.epoch == before.epoch


@pytest.mark.parametrize("name", ["VERSION", "new file"])
def test_a_changed_or_new_file_makes_it_dirty(name: str, tree: Path) -> None:
    (tree / name).write_text("2.0.0\n")
    source = read_source(tree, None)
    assert source.changed == frozenset({name})
    assert not source.is_commit


def test_a_detached_head_has_no_branch(tree: Path) -> None:
    git(tree, "checkout", "--quiet", "--detach")
    assert read_source(tree, None).branch is None


def test_stack_version_wins(tree: Path) -> None:
    assert read_source(tree, "9.9.9").version == "9.9.9"


def test_outside_git_the_user_is_told(tmp_path: Path) -> None:
    source = read_source(tmp_path, None)
    assert (source.revision, source.epoch, source.is_commit) == (None, 0, False)
    assert "not a git repository" in source.warnings[0]
    with pytest.raises(ConfigError, match=r"requireHistory = true: .*not a git repository"):
        read_source(tmp_path, None, require_history=True)


def test_a_shallow_clone_is_told_and_refused_where_history_is_required(tree: Path, tmp_path: Path) -> None:
    commit(tree, "README")
    clone = tmp_path / "clone"
    git(tree, "clone", "--quiet", "--depth=1", f"file://{tree}", str(clone))
    source = read_source(clone, None)
    assert source.epoch == 0
    assert "git fetch --unshallow" in source.warnings[0]
    with pytest.raises(ConfigError, match=r"requireHistory = true: .*git fetch --unshallow"):
        read_source(clone, None, require_history=True)


def commit(root: Path, *names: str) -> str:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(file.read_text() + "more\n" if file.exists() else "new\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", f"Touch {names}")
    return git(root, "rev-parse", "HEAD")


def test_a_revision_is_the_last_commit_that_touched_the_files(tree: Path) -> None:
    root = tree / "sub folder"
    first = commit(tree, "sub folder/a ü.go", "sub folder/b.go")
    second = commit(tree, "sub folder/b.go")
    commit(tree, "other")
    files = {"a": ["a ü.go"], "b": ["b.go"], "both": ["a ü.go", "b.go"], "none": ["missing.go"]}
    source = read_source(root, None)
    assert revisions_of(source, files) == {"a": first, "b": second, "both": second, "none": None}


def test_a_changed_file_has_no_revision(tree: Path) -> None:
    root = tree / "sub"
    first = commit(tree, "sub/a.go", "sub/b.go")
    (root / "b.go").write_text("edited")
    assert revisions_of(read_source(root, None), {"a": ["a.go"], "b": ["b.go"]}) == {"a": first, "b": None}


def test_a_merge_counts_as_the_commit_that_brought_the_change(tree: Path) -> None:
    git(tree, "checkout", "--quiet", "-b", "feature")
    commit(tree, "a.go")
    git(tree, "checkout", "--quiet", "main")
    commit(tree, "b.go")
    git(tree, "merge", "--quiet", "--no-ff", "-m", "Merge", "feature")
    merge = git(tree, "rev-parse", "HEAD")
    assert revisions_of(read_source(tree, None), {"a": ["a.go"]}) == {"a": merge}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_checkout_of_another_user_has_its_facts(tree: Path) -> None:
    os.chown(tree, 65534, 65534)
    os.chown(tree / ".git", 65534, 65534)
    assert read_source(tree, None).warnings == ()


def test_without_git_the_user_is_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    source = read_source(tree, None)
    assert source.revision is None
    assert "git is not installed" in source.warnings[0]


@pytest.mark.parametrize(
    ("directive", "given", "fits"),
    [
        ("go 1.25.4", "1.25", True),
        ("go 1.25.4", "1.25.4", True),
        ("go 1.25.4", "1.25.3", False),
        ("go 1.25.4", "1.24", False),
        ("go 1.25.4", "1.26", True),
        ("go 1.25", "1.25.0", True),
        ("go 1.9", "1.25", True),
        ("go 1.26rc1", "1.25", False),
        ("toolchain go1.27.0\ngo 1.25", "1.25", True),
        ("", "1.25", True),
    ],
)
def test_go_version_must_reach_that_of_go_mod(directive: str, given: str, fits: bool, tmp_path: Path) -> None:  # noqa: FBT001
    (tmp_path / "go.mod").write_text(f"module example.com/x\n\n{directive}\n")
    if fits:
        require_go_version(tmp_path, given)
    else:
        with pytest.raises(ConfigError, match=rf"goVersion = '{given}'.*set 1\.2"):
            require_go_version(tmp_path, given)


def test_a_missing_package_names_its_keys(tmp_path: Path) -> None:
    (tmp_path / "db/cmd/migrations").mkdir(parents=True)
    (tmp_path / "db/cmd/migrations/main.go").write_text("package main\n")
    require_packages(tmp_path, [CATALOGUE["carbide-rest-db"]])
    with pytest.raises(ConfigError, match=r"serviceOverrides\.carbide-rest-ipam\.package = './ipam/cmd/server'"):
        require_packages(tmp_path, list(CATALOGUE.values())[1:3])
