"""Which tags the state of a git repository asks for: real repositories, no engine."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from carbide_infra.images.tags import aliases, own_tag, sanitised
from carbide_infra.settings import ConfigError, Settings, load_settings
from carbide_infra.source.facts import Source, read_source

CONFIG = {"registryServer": "nvcr.io", "registryRepository": "org/team", "tagLatest": True}
SETTINGS = load_settings(CONFIG, {})
MAIN = "refs/heads/main"


class Repository:
    """A source tree at version 1.4.0 with one commit on main."""

    def __init__(self, root: Path) -> None:
        self.root = root
        if not root.exists() or not any(root.iterdir()):
            self.git("init", "--quiet", "--initial-branch=main", "--template=")
            self.commit("VERSION", "1.4.0\n")

    def copy(self, root: Path) -> "Repository":
        """The same tree with the same history elsewhere."""
        shutil.copytree(self.root, root)
        return Repository(root)

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
        command = ["git", "-C", str(self.root), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, name: str, text: str) -> str:
        (self.root / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"Change {name}")
        return self.git("rev-parse", "HEAD")

    def source(self, full_ref: str | None = None) -> Source:
        return read_source(self.root, None, full_ref=full_ref)

    def tags(self, full_ref: str | None = None, settings: Settings = SETTINGS, *, is_commit: bool = True) -> list[str]:
        return [alias.tag for alias in aliases(settings, self.source(full_ref), is_commit=is_commit)]

    @property
    def sha(self) -> str:
        return self.git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("1.4.0", "1.4.0"),
        ("X_1", "X_1"),
        ("-.-1.4-.", "1.4-."),
        ("1.4.0+build/5 ü", "1.4.0-build-5--"),
        ("-..", "_"),
        ("", "_"),
        ("a" * 200, "a" * 128),
    ],
)
def test_any_text_becomes_a_tag(text: str, tag: str) -> None:
    assert sanitised(text) == tag


def test_a_long_version_leaves_room_for_the_build_key() -> None:
    assert own_tag("1.4.0+5", "key") == "1.4.0-5-key"
    assert own_tag("1" * 200, "key") == "1" * 124 + "-key"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_main_has_version_sha_and_latest(repository: Repository) -> None:
    assert repository.tags() == ["1.4.0", repository.sha, "latest"]


@pytest.mark.parametrize("off", ["tagVersion", "tagRevision", "tagLatest"])
def test_a_tag_that_the_stack_switched_off_stays(repository: Repository, off: str) -> None:
    tags = {"tagVersion": "1.4.0", "tagRevision": repository.sha, "tagLatest": "latest"}
    settings = load_settings(CONFIG | {off: False}, {})
    assert repository.tags(settings=settings) == [tag for switch, tag in tags.items() if switch != off]


def test_a_branch_has_its_own_sha_tag_alone(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "feature/x")
    assert repository.tags() == [f"feature-x-{repository.sha}"]


def test_a_branch_at_a_released_commit_is_still_a_branch(repository: Repository) -> None:
    repository.git("tag", "v1.4.0")
    repository.git("checkout", "--quiet", "-b", "v1.4.0-fix")
    assert repository.tags() == [f"v1.4.0-fix-{repository.sha}"]


@pytest.mark.parametrize("annotated", [(), ("--annotate", "--message", "Release")])
def test_a_release_has_its_version_and_sha_but_not_latest(repository: Repository, annotated: tuple[str, ...]) -> None:
    repository.git("tag", *annotated, "v1.4.0")
    assert repository.tags() == ["1.4.0", repository.sha, "latest"], "main, and the release on it"
    repository.git("checkout", "--quiet", "--detach")
    assert repository.tags() == ["1.4.0", repository.sha], "by what git says"
    assert repository.tags("refs/tags/v1.4.0") == ["1.4.0", repository.sha], "by what the CI says"


def test_of_two_tags_on_a_commit_the_version_s_own_counts(repository: Repository) -> None:
    repository.git("tag", "v1.3.9")
    repository.git("tag", "v1.4.0")
    repository.git("checkout", "--quiet", "--detach")
    assert repository.tags() == ["1.4.0", repository.sha]
    assert repository.source().warnings == ()


def test_later_commits_leave_a_released_version_alone(repository: Repository) -> None:
    repository.git("tag", "v1.4.0")
    released = repository.sha
    repository.commit("README", "more")
    assert repository.tags() == [repository.sha, "latest"]
    (warning,) = repository.source().warnings
    assert "1.4.0 is released" in warning
    assert "raise VERSION" in warning
    repository.commit("VERSION", "1.5.0\n")
    assert repository.tags() == ["1.5.0", repository.sha, "latest"]
    repository.git("checkout", "--quiet", released)
    assert repository.tags() == ["1.4.0", released], "the release itself can be had again"


def test_what_is_not_committed_does_not_reach_a_released_version(repository: Repository) -> None:
    assert repository.tags(is_commit=False) == ["1.4.0"]
    repository.git("tag", "v1.4.0")
    assert repository.tags(is_commit=False) == []


def test_a_detached_head_promises_its_sha_alone(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "--detach")
    assert repository.tags() == [repository.sha]
    assert "CARBIDE_REF=refs/heads/<branch>" in repository.source().warnings[0]


@pytest.mark.parametrize(
    ("full_ref", "expected"),
    [
        (MAIN, ["1.4.0", "{sha}", "latest"]),
        ("refs/heads/feature/x", ["feature-x-{sha}"]),
        ("refs/pull/7/merge", ["pull-7-merge-{sha}"]),
        ("refs/tags/nightly", ["{sha}"]),
    ],
)
def test_a_ci_says_what_a_detached_head_is(repository: Repository, full_ref: str, expected: list[str]) -> None:
    repository.git("checkout", "--quiet", "--detach")
    assert repository.tags(full_ref) == [tag.format(sha=repository.sha) for tag in expected]


def test_a_tag_of_another_version_is_refused_or_told(repository: Repository) -> None:
    repository.git("tag", "v1.5.0")
    repository.git("checkout", "--quiet", "--detach")
    assert repository.tags() == [repository.sha]
    (warning,) = repository.source().warnings
    assert "'1.4.0': is not that of the tag v1.5.0" in warning
    with pytest.raises(ConfigError, match=r"'refs/tags/v1\.5\.0': the tree's version is 1\.4\.0.*1\.5\.0"):
        repository.source("refs/tags/v1.5.0")


@pytest.mark.parametrize("full_ref", ["main", "refs/heads", "refs/tags/"])
def test_a_short_ref_name_is_refused_with_a_good_one(repository: Repository, full_ref: str) -> None:
    with pytest.raises(ConfigError, match=f"CARBIDE_REF = '{full_ref}'.*refs/heads/main"):
        repository.source(full_ref)


# ---- What git cannot tell is not "unreleased".

DEVELOPMENT = load_settings(CONFIG | {"registryServer": "local"}, {})


def tarball(repository: Repository, folder: Path) -> Repository:
    copy = repository.copy(folder)
    shutil.rmtree(folder / ".git")
    return copy


def broken(repository: Repository, folder: Path) -> Repository:
    copy = repository.copy(folder)
    (folder / ".git/HEAD").unlink()
    return copy


def without_tags(repository: Repository, folder: Path) -> Repository:
    repository.git("clone", "--quiet", "--no-tags", f"file://{repository.root}", str(folder))
    return Repository(folder)


def without_history(repository: Repository, folder: Path) -> Repository:
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.root}", str(folder))
    return Repository(folder)


@pytest.mark.parametrize("make", [tarball, broken, without_tags, without_history])
def test_the_tag_of_a_version_that_may_be_released_stays(
    make: Callable[[Repository, Path], Repository], repository: Repository, tmp_path: Path
) -> None:
    repository.git("tag", "v1.4.0")
    repository.commit("later.go", "package later\n")
    copy = make(repository, tmp_path / "copy")
    assert "1.4.0" not in copy.tags()
    assert any("1.4.0 may be released" in warning for warning in copy.source().warnings)
    assert "1.4.0" in copy.tags(settings=DEVELOPMENT), "nobody deploys from there"
    with pytest.raises(ConfigError, match=r"^requireHistory = true: "):
        read_source(copy.root, None, require_history=True)


def test_a_shallow_clone_of_the_release_knows_it(repository: Repository, tmp_path: Path) -> None:
    repository.git("tag", "v1.4.0")
    assert without_history(repository, tmp_path / "copy").tags() == ["1.4.0", repository.sha, "latest"]
