import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from carbide_infra.catalogue.model import FileVersion, TagVersion
from carbide_infra.settings import ConfigError
from carbide_infra.source.facts import (
    Source,
    read_source,
    version_of,
)
from tests.support.git_trees import IDENTITY, commit, git
from tests.support.started_programs import recorded


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
    assert (source.version, source.branch, source.warnings) == ("1.4.0", "main", ())
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


def test_a_repository_may_have_another_main_branch(tree: Path) -> None:
    git(tree, "branch", "--quiet", "--move", "develop")
    assert read_source(tree, None, main_branch="develop").is_main
    git(tree, "branch", "--quiet", "--move", "main")
    assert not read_source(tree, None, main_branch="develop").is_main


def test_a_detached_head_has_no_branch(tree: Path) -> None:
    git(tree, "checkout", "--quiet", "--detach")
    assert read_source(tree, None).branch is None


def test_stack_version_wins(tree: Path) -> None:
    assert read_source(tree, "9.9.9").version == "9.9.9"


def test_outside_git_the_user_is_told(tmp_path: Path) -> None:
    source = read_source(tmp_path, None)
    assert (source.revision, source.epoch, source.is_shallow, source.has_known_release) == (None, 0, False, False)
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
        (
            "the source is a shallow clone: image digests differ from those of a full checkout, and 1.4.0 may be "
            "released, so no image gets the tag 1.4.0; git fetch --unshallow --tags"
        ),
    )
    (warning,) = read_source(clone, None, is_development=True).warnings
    assert "1.4.0" not in warning, "a development stack's tag moves nevertheless"


# ---- Whether the version is released.


def copied(tree: Path, to: str, *options: str) -> Path:
    clone = tree / to
    git(tree, "clone", "--quiet", *options, f"file://{tree}", str(clone))
    return clone


def test_a_copy_without_tags_does_not_know_what_is_released(tree: Path) -> None:
    git(tree, "tag", "v1.4.0")
    commit(tree, "later.go")
    clone = copied(tree, "clone", "--no-tags")
    source = read_source(clone, None)
    assert (source.released, source.has_known_release) == (None, False)
    assert source.warnings == (
        (
            "the source is a copy without release tags: 1.4.0 may be released, so no image gets the tag 1.4.0; git "
            "fetch --tags, or, where nothing was released yet, git config remote.origin.tagOpt --tags"
        ),
    )
    with pytest.raises(ConfigError, match=r"^requireHistory = true: the source is a copy without release tags; git fe"):
        read_source(clone, None, require_history=True)
    assert read_source(clone, None, is_development=True).warnings == ()
    git(clone, "tag", "v1.4.0", "HEAD~1")
    found = read_source(clone, None)
    assert (found.released, found.has_known_release) == (git(tree, "rev-parse", "v1.4.0"), True)


def test_a_release_that_cannot_be_read_is_not_taken_for_none(tree: Path) -> None:
    git(tree, "tag", "-a", "v1.4.0", "-m", "Release")
    tag = git(tree, "rev-parse", "v1.4.0")
    commit(tree, "later.go")
    (tree / ".git/objects" / tag[:2] / tag[2:]).unlink()
    assert not read_source(tree, None).has_known_release


def test_a_branch_that_gets_no_version_tag_is_not_told_of_it(tree: Path) -> None:
    clone = copied(tree, "clone", "--no-tags")
    git(clone, "checkout", "--quiet", "-b", "feature")
    assert read_source(clone, None).warnings == ()


def test_tags_that_were_fetched_by_address_alone_may_be_missing(tree: Path) -> None:
    """As a CI's checkout does it: no remote, no tags, and a history that is shorter than the depth."""
    (tree / "copy").mkdir()
    git(tree / "copy", "init", "--quiet", "--initial-branch=main")
    git(tree / "copy", "fetch", "--quiet", "--no-tags", "--depth=50", f"file://{tree}", "main")
    git(tree / "copy", "reset", "--quiet", "--hard", "FETCH_HEAD")
    assert not read_source(tree / "copy", None).is_shallow
    assert not read_source(tree / "copy", None).has_known_release


@pytest.mark.parametrize(
    "said",
    [
        ("remote.origin.tagOpt", "--tags"),
        ("remote.origin.fetch", "+refs/tags/*:refs/tags/*"),
        ("remote.origin.fetch", "refs/*:refs/*"),
    ],
)
def test_a_copy_that_fetches_all_tags_knows_that_there_are_none(said: tuple[str, str], tree: Path) -> None:
    clone = copied(tree, "clone")
    assert not read_source(clone, None).has_known_release
    git(clone, "config", "--add", *said)
    assert read_source(clone, None).has_known_release


def test_any_tag_shows_that_tags_were_fetched(tree: Path) -> None:
    git(tree, "tag", "v1.3.0")
    assert read_source(copied(tree, "with"), None).has_known_release
    without = copied(tree, "without", "--no-tags")
    git(without, "tag", "mine")
    assert not read_source(without, None).has_known_release, "these are not the remote's"


def test_a_repository_of_its_own_knows_its_tags(tree: Path) -> None:
    assert read_source(tree, None).has_known_release


def test_a_tree_that_the_repository_around_it_ignores_has_no_history(tree: Path) -> None:
    (tree / ".gitignore").write_text("ignored/\n")
    commit(tree)
    (tree / "ignored").mkdir()
    (tree / "ignored/VERSION").write_text("1.4.0\n")
    source = read_source(tree / "ignored", None)
    assert (source.revision, source.has_known_release) == (None, False)
    assert source.warnings == (
        (
            f"the source's git history is out of reach (the repository around it, {tree}, holds no file of it): image "
            "digests differ from those of a full checkout, and 1.4.0 may be released, so no image gets the tag 1.4.0; "
            "build from a git checkout"
        ),
    )


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda git_dir: (git_dir / "HEAD").unlink(), "not a git repository"),
        (lambda git_dir: (git_dir / "HEAD").write_text("ref: refs/heads/none\n"), "it has no commit yet"),
        (
            lambda git_dir: [each.unlink() for each in (git_dir / "objects").rglob("*") if each.is_file()],
            "its commit cannot be read",
        ),
    ],
)
def test_beside_a_broken_repository_nothing_is_known(broken: Callable[[Path], object], said: str, tree: Path) -> None:
    broken(tree / ".git")
    source = read_source(tree, None)
    assert (source.version, source.revision, source.released, source.has_known_release) == ("1.4.0", None, None, False)
    assert said in source.warnings[0]
    with pytest.raises(ConfigError, match="requireHistory = true: the source's git history is out of reach"):
        read_source(tree, None, require_history=True)


def test_a_partial_clone_without_old_trees_fetches_none(tree: Path) -> None:
    commit(tree, "later.go")
    git(tree, "tag", "v1.3.0")
    git(tree, "config", "uploadpack.allowFilter", "true")
    blobless = read_source(copied(tree, "blobless", "--filter=blob:none"), None)
    assert (blobless.epoch, blobless.warnings) == (int(git(tree, "log", "-1", "--format=%ct", "HEAD~1")), ())
    treeless = read_source(copied(tree, "treeless", "--filter=tree:0"), None)
    assert (treeless.revision, treeless.epoch) == (blobless.revision, 0)
    assert treeless.warnings == (
        (
            "the source is a partial clone that lacks trees of its history: image digests differ from those of a full "
            "checkout; git fetch --refetch"
        ),
    )


def test_a_worktree_has_the_facts_of_its_repository(tree: Path) -> None:
    git(tree, "tag", "v1.4.0")
    git(tree, "worktree", "add", "--quiet", "-b", "feature", str(tree / "work"))
    source = read_source(tree / "work", None)
    assert (source.branch, source.released, source.warnings) == ("feature", git(tree, "rev-parse", "HEAD"), ())


def test_a_branch_may_have_any_name(tree: Path) -> None:
    name = os.fsdecode("größe\u2028".encode() + b"\xff")
    git(tree, "branch", "--move", name)
    assert read_source(tree, None).branch == name


def test_a_ref_of_the_ci_counts_more_than_what_is_checked_out(tree: Path) -> None:
    assert built(tree, "refs/heads/feature/x") == ("feature/x", None)
    assert built(tree, "refs/pull/7/merge") == ("pull/7/merge", None)
    assert built(tree, "refs/tags/v1.4.0") == (None, "v1.4.0")
    assert built(tree, "refs/tags/nightly") == (None, None)
    assert built(tree, "refs/tags/v1") == (None, None)
    assert built(tree, None) == built(tree, "") == ("main", None)


@pytest.mark.parametrize("full_ref", ["main", "heads/main", "refs/", "refs/heads", "refs/heads/"])
def test_a_ref_that_is_no_full_name_is_refused(full_ref: str, tree: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^CARBIDE_REF = '{full_ref}': is no full name .* good value: refs/heads/m"):
        read_source(tree, None, full_ref=full_ref)


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


# ---- What git is asked.


def asked(tree: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Source, list[str]]:
    """The facts, and the git commands that gave them, without what all of them begin with."""
    started = recorded(monkeypatch)
    source = read_source(tree, None)
    beginnings = {each.command[:14] for each in started}
    assert len(beginnings) == 1
    return source, [" ".join(each.command[14:]) for each in started]


QUESTIONS = [
    "rev-parse --is-shallow-repository HEAD HEAD:./",
    "log -1 --format=%ct -- VERSION",
    "for-each-ref --format=%(refname) refs/tags/v1.4.0",
    "symbolic-ref --quiet HEAD",
    "config -z --get-regexp ^remote\\.",
    "for-each-ref --count=1 refs/tags",
    "rev-parse --git-path FETCH_HEAD",
]


def test_git_is_asked_these_questions(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(tree, monkeypatch)[1] == QUESTIONS


def test_a_detached_head_is_asked_for_its_tags(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tree, "tag", "v1.4.0")
    git(tree, "checkout", "--quiet", "--detach")
    source, questions = asked(tree, monkeypatch)
    assert questions == [
        *QUESTIONS[:3],
        "rev-parse --verify refs/tags/v1.4.0^{commit}",
        QUESTIONS[3],
        "tag --points-at HEAD",
    ]
    assert (source.branch, source.tag) == (None, "v1.4.0")


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


def test_a_version_that_is_given_is_of_the_age_of_the_nearest_tag(tree: Path) -> None:
    rule = TagVersion(git_tag="v*")
    assert read_source(tree, "2.0.0", rule=rule).epoch == 0
    git(tree, "commit", "--quiet", "--allow-empty", "--date=@1750000000", "-m", "Tagged")
    git(tree, "tag", "v1.5.0")
    tagged = int(git(tree, "log", "-1", "--format=%ct"))
    subprocess.run(
        ["git", "-C", tree, *IDENTITY, "commit", "--quiet", "--allow-empty", "-m", "Later"],
        check=True,
        env={**os.environ, "GIT_COMMITTER_DATE": f"@{tagged + 1000} +0000"},
    )
    given = read_source(tree, "2.0.0", rule=rule)
    assert (given.version, given.epoch, given.released) == ("2.0.0", tagged, None)
    git(tree, "tag", "v2.0.0")
    assert read_source(tree, "2.0.0", rule=rule).released == given.revision


def test_a_version_that_is_given_is_held_against_the_tag(tree: Path) -> None:
    git(tree, "tag", "v1.4.0")
    git(tree, "checkout", "--quiet", "--detach")
    rule = TagVersion(git_tag="v*")
    assert read_source(tree, None, rule=rule).warnings == ()
    (warning,) = read_source(tree, "1.5.0", rule=rule).warnings
    assert warning == "version = '1.5.0': is not that of the tag v1.4.0; no image gets the tag 1.5.0"


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


def test_outside_git_the_rule_for_the_version_holds(tmp_path: Path) -> None:
    (tmp_path / "version.go").write_text('Version = "2.0.1"')
    assert read_source(tmp_path, None, rule=FileVersion(file="version.go", match='"(.*)"')).version == "2.0.1"


def test_outside_git_a_tag_is_no_version(tmp_path: Path) -> None:
    assert read_source(tmp_path, None, rule=TagVersion(git_tag="v*")).version == "dev"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("1.4.0\n".encode("utf-16"), "is not text in UTF-8"),
        ("# größer\n1.4.0\n".encode("latin-1"), "is not text in UTF-8"),
        ("folder", r"cannot be read \(Is a directory\)"),
        ("loop", r"cannot be read \(Too many levels of symbolic links\)"),
        ("nowhere", r"cannot be read \(No such file or directory\)"),
    ],
    ids=["UTF-16", "Latin-1", "folder", "loop", "dangling"],
)
@pytest.mark.parametrize(
    "rule", [FileVersion(file="VERSION"), FileVersion(file="VERSION", match="(.*)")], ids=["line", "pattern"]
)
def test_a_version_file_that_is_no_text_is_named(
    tmp_path: Path, content: bytes | str, reason: str, rule: FileVersion
) -> None:
    file = tmp_path / "VERSION"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content == "folder":
        file.mkdir()
    else:
        file.symlink_to("VERSION" if content == "loop" else content)
    with pytest.raises(
        ConfigError, match=f"^version.file = VERSION: {reason}; name a text file of the source tree, or"
    ):
        version_of(tmp_path, rule)


def test_a_version_of_a_megabyte_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("1" * 2_000_000)
    with pytest.raises(ConfigError) as error:
        version_of(tmp_path)
    assert len(str(error.value)) < 400
