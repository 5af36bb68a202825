import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from carbide_infra.catalogue.model import FileVersion, TagVersion
from carbide_infra.settings import ConfigError
from carbide_infra.source.facts import (
    Source,
    read_source,
    revisions_of,
    version_of,
)
from tests.support.started_programs import recorded

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


@pytest.mark.parametrize("version", ["v1.4.0", "latest", "1.4.0-d6bde64c8766"])
def test_a_file_s_version_is_no_other_tag_s_name_either(version: str, tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text(f"{version}\n")
    with pytest.raises(ConfigError, match=rf"^VERSION = '{version}' in .*; a good value: 1\.4\.0"):
        version_of(tmp_path)


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


def test_a_version_that_was_never_committed_has_no_age(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "First")
    assert read_source(tmp_path, None).epoch == 0


def test_a_tree_whose_changes_git_cannot_tell_is_not_taken_for_a_clean_one(tree: Path) -> None:
    (tree / ".git/index").write_bytes(b"no index")
    with pytest.raises(subprocess.CalledProcessError):
        read_source(tree, None)


@pytest.mark.parametrize("name", ["VERSION", "new file"])
def test_a_changed_or_new_file_makes_it_dirty(name: str, tree: Path) -> None:
    (tree / name).write_text("2.0.0\n")
    source = read_source(tree, None)
    assert source.changed == frozenset({name})
    assert not source.is_commit


def test_each_file_of_a_new_folder_is_changed(tree: Path) -> None:
    (tree / "new/deeper").mkdir(parents=True)
    for name in ("new/a.go", "new/deeper/b c.go"):
        (tree / name).touch()
    git(tree, "config", "status.showUntrackedFiles", "no")
    assert read_source(tree, None).changed == frozenset({"new/a.go", "new/deeper/b c.go"})


def test_a_renamed_file_is_changed_under_both_names(tree: Path) -> None:
    commit(tree, "old.go")
    git(tree, "mv", "old.go", "new.go")
    git(tree, "config", "status.renames", "true")
    assert read_source(tree, None).changed == frozenset({"old.go", "new.go"})


def test_changed_files_have_their_names_whatever_is_in_them(tree: Path) -> None:
    names = frozenset({"line\nbreak", 'quo"te', "größe", os.fsdecode(b"no text \xff")})
    for name in names:
        (tree / name).touch()
    assert read_source(tree, None).changed == names


def test_what_changes_beside_the_root_does_not_matter(tree: Path) -> None:
    commit(tree, "sub/a.go")
    (tree / "VERSION").write_text("2.0.0\n")
    source = read_source(tree / "sub", None)
    assert source.changed == frozenset()
    assert source.is_commit


def test_a_branch_called_like_the_tag_is_not_the_release(tree: Path) -> None:
    git(tree, "checkout", "--quiet", "-b", "v1.4.0")
    source = read_source(tree, None)
    assert (source.branch, source.tag, source.released) == ("v1.4.0", None, None)
    released = git(tree, "rev-parse", "HEAD")
    git(tree, "tag", "v1.4.0")
    commit(tree, "later.go")
    source = read_source(tree, None)
    assert (source.branch, source.tag, source.released) == ("v1.4.0", None, released)
    git(tree, "checkout", "--quiet", "--detach")
    source = read_source(tree, None)
    assert (source.branch, source.tag, source.released) == (None, None, released)


@pytest.mark.parametrize(
    ("branch", "is_main"), [("main", True), ("master", True), ("mainline", False), ("release/main", False)]
)
def test_releases_are_cut_from_main_or_master(branch: str, is_main: bool, tree: Path) -> None:  # noqa: FBT001
    git(tree, "branch", "--quiet", "--move", branch)
    source = read_source(tree, None)
    assert (source.branch, source.is_main) == (branch, is_main)


def test_a_detached_head_has_no_branch(tree: Path) -> None:
    git(tree, "checkout", "--quiet", "--detach")
    assert read_source(tree, None).branch is None


def test_stack_version_wins(tree: Path) -> None:
    assert read_source(tree, "9.9.9").version == "9.9.9"


def test_outside_git_the_user_is_told(tmp_path: Path) -> None:
    source = read_source(tmp_path, None)
    assert (source.revision, source.epoch, source.is_commit, source.is_shallow) == (None, 0, False, False)
    assert source.warnings[0].startswith("the source's git history is out of reach (not a git repository")
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


def test_a_full_history_is_all_that_can_be_required(tree: Path) -> None:
    source = read_source(tree, None, require_history=True)
    assert source == read_source(tree, None)
    assert not source.is_shallow
    assert source.epoch > 0


def test_a_shallow_clone_knows_its_commit(tree: Path, tmp_path: Path) -> None:
    commit(tree, "README")
    clone = tmp_path / "clone"
    git(tree, "clone", "--quiet", "--depth=1", f"file://{tree}", str(clone))
    source = read_source(clone, None)
    assert (source.is_shallow, source.revision) == (True, git(tree, "rev-parse", "HEAD"))
    assert source.warnings == (
        "the source is a shallow clone: image digests differ from those of a full checkout; git fetch --unshallow",
    )


def test_a_ref_of_the_ci_counts_more_than_what_is_checked_out(tree: Path) -> None:
    assert built(tree, "refs/heads/feature/x") == ("feature/x", None)
    assert built(tree, "refs/pull/7/merge") == ("pull/7/merge", None)
    assert built(tree, "refs/tags/v1.4.0") == (None, "v1.4.0")
    assert built(tree, "refs/tags/nightly") == (None, None)
    assert built(tree, "refs/tags/v1") == (None, None)
    assert built(tree, None) == built(tree, "") == ("main", None)


def built(tree: Path, full_ref: str | None) -> tuple[str | None, str | None]:
    source = read_source(tree, None, full_ref=full_ref)
    return source.branch, source.tag


def test_a_tag_of_the_ci_is_held_against_the_version_of_the_stack(tree: Path) -> None:
    assert read_source(tree, "2.0.0", full_ref="refs/tags/v2.0.0").tag == "v2.0.0"
    complaint = (
        r"^CARBIDE_REF = 'refs/tags/v1\.4\.0': the tree's version is 2\.0\.0; delete the tag, "
        r"commit 1\.4\.0 as VERSION, and tag that commit$"
    )
    with pytest.raises(ConfigError, match=complaint):
        read_source(tree, "2.0.0", full_ref="refs/tags/v1.4.0")


def test_a_released_version_is_told_where_it_is_not_that_of_the_tag(tree: Path) -> None:
    def warnings() -> tuple[str, ...]:
        return read_source(tree, None).warnings

    git(tree, "tag", "v1.4.0")
    assert warnings() == ()
    git(tree, "tag", "v1.3.9")
    git(tree, "checkout", "--quiet", "--detach")
    assert warnings() == ()
    commit(tree, "later.go")
    assert [warning.partition(":")[0] for warning in warnings()] == ["detached head"]
    git(tree, "checkout", "--quiet", "-B", "feature")
    assert warnings() == ()
    git(tree, "checkout", "--quiet", "-B", "main")
    (warning,) = warnings()
    assert warning == (
        "1.4.0 is released, and the tag v1.4.0 is on another commit: the images' tag 1.4.0 stays "
        "as it is; raise VERSION for what comes next"
    )


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
    assert revisions_of(read_source(tree, None), {"a": ["a.go"]}) == {"a": first}


def test_a_file_that_was_renamed_is_touched_under_both_names(tree: Path) -> None:
    commit(tree, "old.go")
    git(tree, "mv", "old.go", "new.go")
    git(tree, "commit", "--quiet", "-m", "Rename")
    git(tree, "config", "diff.renames", "true")
    renamed = git(tree, "rev-parse", "HEAD")
    commit(tree, "later.go")
    source = read_source(tree, None)
    assert revisions_of(source, {"old": ["old.go"], "new": ["new.go"]}) == {"old": renamed, "new": renamed}


def test_an_empty_commit_touches_nothing(tree: Path) -> None:
    first = git(tree, "rev-parse", "HEAD")
    git(tree, "commit", "--quiet", "--allow-empty", "-m", "Nothing")
    assert revisions_of(read_source(tree, None), {"version": ["VERSION"], "none": []}) == {
        "version": first,
        "none": None,
    }


@pytest.mark.parametrize("chunk", [1, 7])
def test_history_is_read_in_pieces_of_any_size(chunk: int, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carbide_infra.source.facts._CHUNK", chunk)
    names = ["line\nbreak.go", " ", "X", "größe.go", os.fsdecode(b"no text \xff.go")]
    revisions = {name: commit(tree, name) for name in names}
    assert revisions_of(read_source(tree, None), {name: [name] for name in names}) == revisions


def test_history_is_read_as_far_as_somebody_asks(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = commit(tree, "a.go")
    source = read_source(tree, None)
    monkeypatch.setattr("carbide_infra.source.facts._Git.history", lambda _: endless(last))
    assert revisions_of(source, {"a": ["a.go"]}) == {"a": last}
    assert revisions_of(source, {}) == {}


def endless(revision: str) -> Iterator[tuple[str, frozenset[str]]]:
    yield revision, frozenset({"a.go"})
    pytest.fail("an older commit was asked for")


def test_outside_git_nothing_has_a_revision(tmp_path: Path) -> None:
    assert revisions_of(read_source(tmp_path, None), {"a": ["a.go"]}) == {"a": None}


# ---- What git is asked.


def asked(tree: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Source, list[str]]:
    """The facts, and the git commands that gave them, without what all of them begin with."""
    started = recorded(monkeypatch)
    source = read_source(tree, None)
    revisions_of(source, {"version": ["VERSION"]})
    beginning = ("git", "-C", str(tree), "-c", "safe.directory=*", "-c", "core.fsmonitor=false")
    assert {each.command[:7] for each in started} == {beginning}
    return source, [" ".join(each.command[7:]) for each in started]


def test_git_is_asked_these_questions(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [
        "rev-parse --verify HEAD",
        "rev-parse --is-shallow-repository",
        "log -1 --format=%ct -- VERSION",
        "rev-parse HEAD",
        "rev-parse --verify --quiet refs/tags/v1.4.0^{commit}",
        "symbolic-ref --quiet HEAD",
        "rev-parse --show-prefix",
        "status --porcelain -z --no-renames --untracked-files=all -- .",
        "log --first-parent --diff-merges=first-parent --no-renames --relative --name-only -z --format=%x01%H -- .",
    ]
    assert asked(tree, monkeypatch)[1] == questions


def test_a_detached_head_is_asked_for_its_tags(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tree, "tag", "v1.4.0")
    git(tree, "checkout", "--quiet", "--detach")
    source, questions = asked(tree, monkeypatch)
    assert questions[5:7] == ["symbolic-ref --quiet HEAD", "tag --points-at HEAD"]
    assert (source.branch, source.tag) == (None, "v1.4.0")


def test_a_hook_of_another_repository_reads_this_one(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git starts hooks with variables that name their repository, wherever the hook then looks."""
    source, revisions = read_source(tree, None), {"version": git(tree, "rev-parse", "HEAD")}
    own = {"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"}
    for name in (*own, "GIT_WORK_TREE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_SSH_COMMAND", "to reach the remote of a partial clone")
    started = recorded(monkeypatch)
    assert read_source(tree, None) == source
    assert revisions_of(source, {"version": ["VERSION"]}) == revisions
    for each in started:
        assert each.environment is not None
        assert not each.environment.keys() & {*own, "GIT_WORK_TREE"}
        assert "GIT_SSH_COMMAND" in each.environment


def test_no_program_of_the_tree_is_run(tree: Path) -> None:
    program = tree / ".git/monitor"
    program.write_text(f"#!/bin/sh\ntouch {tree}/.git/ran\n")
    program.chmod(0o755)
    git(tree, "config", "core.fsmonitor", str(program))
    read_source(tree, None)
    assert not (tree / ".git/ran").exists()


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


# ---- Rules for versions.


def test_a_pattern_finds_the_version_in_a_file(tree: Path) -> None:
    (tree / "version.go").write_text('package v\n\nconst (\n\tName = "x"\n\tVersion = "2.0.1"\n)\n')
    rule = FileVersion(file="version.go", match='^\\s*Version = "(.*)"')
    assert version_of(tree, rule) == "2.0.1"
    assert read_source(tree, None, rule=rule).version == "2.0.1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"version.file = version.go: cannot be read .*; name a text file of the source tree"),
        ("Version = 1", r"version.match = Version: \(.\*\): finds nothing in version.go; a good value"),
        ("Version: a b", r"version.go = 'a b' in .*: is not a version; a good value: 1.4.0; or set version in "),
    ],
)
def test_a_pattern_that_finds_no_version_is_an_error(text: str | None, said: str, tree: Path) -> None:
    if text is not None:
        (tree / "version.go").write_text(text)
    with pytest.raises(ConfigError, match=said):
        version_of(tree, FileVersion(file="version.go", match="Version: (.*)"))


def test_the_epoch_is_that_of_the_version_s_own_file(tree: Path) -> None:
    (tree / "tool").mkdir()
    (tree / "tool/VERSION").write_text("5.6.7\n")
    git(tree, "add", "--all")
    subprocess.run(
        ["git", "-C", str(tree), *IDENTITY, "commit", "--quiet", "-m", "Tool"],
        env={"GIT_COMMITTER_DATE": "@1900000000 +0000", "PATH": os.environ["PATH"], "HOME": str(tree)},
        check=True,
    )
    source = read_source(tree, None, rule=FileVersion(file="tool/VERSION"), tag_prefix="tool/")
    assert (source.version, source.epoch) == ("5.6.7", 1900000000)
    assert read_source(tree, None).epoch < 1900000000


def test_a_line_of_versions_is_released_by_tags_with_its_prefix(tree: Path) -> None:
    rule = FileVersion(file="VERSION")
    git(tree, "tag", "v1.4.0")
    assert read_source(tree, None, rule=rule).released
    assert read_source(tree, None, rule=rule, tag_prefix="tool/").released is None
    git(tree, "tag", "tool/v1.4.0")
    git(tree, "checkout", "--quiet", "--detach")
    source = read_source(tree, None, rule=rule, tag_prefix="tool/")
    assert (source.tag, source.released) == ("tool/v1.4.0", source.revision)
    named = read_source(tree, None, rule=rule, tag_prefix="tool/", full_ref="refs/tags/tool/v1.4.0")
    assert named.tag == "tool/v1.4.0"
    assert read_source(tree, None, rule=rule, full_ref="refs/tags/tool/v1.4.0").tag is None
    with pytest.raises(ConfigError, match=r"the tree's version is 1.4.0; delete the tag, commit 9.9.9 as VERSION"):
        read_source(tree, None, rule=rule, tag_prefix="tool/", full_ref="refs/tags/tool/v9.9.9")


def test_the_nearest_tag_names_the_version(tree: Path) -> None:
    rule = TagVersion(git_tag="v*")
    (warning,) = read_source(tree, None, rule=rule).warnings
    assert warning == "no git tag names a version at or behind this commit: the version is dev"
    git(tree, "tag", "-a", "v1.5.0", "-m", "Release")
    git(tree, "tag", "other-9.9")
    at_tag = read_source(tree, None, rule=rule)
    assert (at_tag.version, at_tag.released, at_tag.warnings) == ("1.5.0", at_tag.revision, ())
    assert at_tag.epoch == int(git(tree, "log", "-1", "--format=%ct"))
    (tree / "README").write_text("more")
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "-m", "Later")
    later = read_source(tree, None, rule=rule)
    assert (later.version, later.epoch, later.released) == ("1.5.0", at_tag.epoch, at_tag.revision)
    assert later.revision != at_tag.revision
    assert later.warnings == ()
    assert read_source(tree, "2.0.0", rule=rule).version == "2.0.0"


@pytest.mark.parametrize(
    ("tag", "pattern", "prefix", "version"),
    [
        ("tools/v1.2.3", "tools/v*", "tools/", "1.2.3"),
        ("tools2/v1.2.3", "tools2/*", "", "1.2.3"),
        ("release-1.2", "release-*", "", "1.2"),
    ],
)
def test_the_version_in_a_tag(tag: str, pattern: str, prefix: str, version: str, tree: Path) -> None:
    git(tree, "tag", tag)
    source = read_source(tree, None, rule=TagVersion(git_tag=pattern), tag_prefix=prefix)
    assert (source.version, source.released) == (version, source.revision)


def test_a_tag_without_a_version_is_an_error(tree: Path) -> None:
    git(tree, "tag", "nightly")
    with pytest.raises(ConfigError, match=r"version.gitTag: the git tag 'nightly' names no version; a good one: v"):
        read_source(tree, None, rule=TagVersion(git_tag="n*"))


def test_a_shallow_clone_without_the_tag_does_not_guess(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    git(tree, "tag", "v1.5.0")
    for name in ("a", "b"):
        (tree / name).write_text(name)
        git(tree, "add", "--all")
        git(tree, "commit", "--quiet", "-m", name)
    clone = tmp_path_factory.mktemp("clone") / "tree"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{tree}", str(clone)], check=True)
    with pytest.raises(ConfigError, match=r"version.gitTag = v\*: this shallow clone has no such tag; git fetch --un"):
        read_source(clone, None, rule=TagVersion(git_tag="v*"))
    assert read_source(clone, "9.9", rule=TagVersion(git_tag="v*")).version == "9.9"


def test_outside_git_a_tag_is_no_version(tmp_path: Path) -> None:
    assert read_source(tmp_path, None, rule=TagVersion(git_tag="v*")).version == "dev"
