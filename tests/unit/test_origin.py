"""What a distribution says of where it was built from, and how a workflow's file names that."""

import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from carbide_infra import workflows
from carbide_infra.errors import CommandError
from carbide_infra.paths import project_root
from carbide_infra.workflows import NAMES, Workflows, named_workflows
from tools.origin import LABEL, origin

IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
SHA = "0123456789" * 4


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        command = ["git", *IDENTITY, "-C", str(tmp_path), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    run("init", "--quiet", "--initial-branch=main")
    (tmp_path / "a").write_text("1")
    run("add", "--all")
    run("commit", "--quiet", "--message", "One")
    run("remote", "add", "origin", "https://github.com/Some-Org/carbide.infra.git")
    run("update-ref", "refs/remotes/origin/main", "HEAD")
    return run


@pytest.mark.parametrize(
    "remote",
    [
        "https://github.com/Some-Org/carbide.infra.git",
        "https://github.com/Some-Org/carbide.infra",
        "git@github.com:Some-Org/carbide.infra.git",
        "ssh://git@github.com/Some-Org/carbide.infra.git",
    ],
)
def test_a_pushed_commit_is_named(git: Callable[..., str], tmp_path: Path, remote: str) -> None:
    git("remote", "set-url", "origin", remote)
    assert origin(tmp_path) == f"https://github.com/Some-Org/carbide.infra/tree/{git('rev-parse', 'HEAD')}"


def test_what_nobody_could_fetch_is_not_named(git: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "b").write_text("2")
    assert origin(tmp_path) is None, "what is built is no commit"
    git("add", "--all")
    git("commit", "--quiet", "--message", "Two")
    assert origin(tmp_path) is None, "it is not pushed"
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    assert origin(tmp_path)
    git("remote", "set-url", "origin", "https://github.com.example.invalid/org/repo")
    assert origin(tmp_path) is None
    git("remote", "remove", "origin")
    assert origin(tmp_path) is None


def test_a_folder_without_git_names_nothing(tmp_path: Path) -> None:
    assert origin(tmp_path) is None


class _Distribution:
    def __init__(self, url: str, direct: str | None = None) -> None:
        self.metadata = self
        self.url, self.direct = url, direct

    def get_all(self, _name: str) -> list[str]:
        return ["Home, https://example.invalid", self.url]

    def read_text(self, _name: str) -> str | None:
        return self.direct


def installed(monkeypatch: pytest.MonkeyPatch, distribution: _Distribution) -> None:
    monkeypatch.setattr(metadata, "distribution", lambda _name: distribution)


def test_the_package_names_its_own_workflows(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, _Distribution(f"{LABEL}, https://github.com/org/repo/tree/{SHA}"))
    own = named_workflows()
    assert own == Workflows("org/repo", SHA)
    assert own.uses("preview") == f"org/repo/.github/workflows/preview.yml@{SHA}"


@pytest.mark.parametrize(
    "distribution",
    [
        _Distribution("Other, https://github.com/org/repo/tree/main"),
        _Distribution(f"{LABEL}, https://github.com/org/repo/tree/main"),
        _Distribution(f"{LABEL}, https://github.com/org/repo/tree/{SHA}", '{"dir_info": {"editable": true}}'),
    ],
)
def test_a_package_that_does_not_know_needs_the_option(
    monkeypatch: pytest.MonkeyPatch, distribution: _Distribution
) -> None:
    installed(monkeypatch, distribution)
    assert named_workflows() is None
    assert named_workflows(f"me/mine@{SHA}") == Workflows("me/mine", SHA)


def test_a_package_that_is_not_installed_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflows, "DISTRIBUTION", "no-such-distribution")
    assert named_workflows() is None


@pytest.mark.parametrize(
    "given", ["me/mine", "me/mine@main", f"mine@{SHA}", f"me/mine@{SHA}\n", f"-x/y@{SHA[:-1]}", "@"]
)
def test_a_malformed_option_is_refused(given: str) -> None:
    with pytest.raises(CommandError, match=r"--workflows .*OWNER/REPOSITORY@SHA"):
        named_workflows(given)


def test_each_workflow_can_be_called() -> None:
    for name in NAMES:
        assert "workflow_call:" in (project_root() / f".github/workflows/{name}.yml").read_text(), name
