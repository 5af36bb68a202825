"""The pins of actions: renewed all together from a GitHub of our own, or left as they are."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from carbide_infra.paths import project_root
from tests.support.fake_github import FakeGitHub

SCRIPT = project_root() / "tools/pin_actions.py"
OLD, NEW, OTHER = "a" * 40, "b" * 40, "c" * 40


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pin_actions", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pin_actions"] = module
    spec.loader.exec_module(module)
    return module


class World:
    """A folder of workflows, and a GitHub that knows one action, `docker/set-up`, by its newest release."""

    def __init__(self, script: ModuleType, folder: Path) -> None:
        self.script = script
        self.folder = folder / ".github"
        self.api = FakeGitHub()
        self.file = self.folder / "workflows/w.yml"
        self.file.parent.mkdir(parents=True)

    def release(self, version: str, commit: str, name: str = "docker/set-up") -> None:
        self.api.newest[name] = version
        self.api.tags.setdefault(name, {})[version] = commit

    def pin(self) -> list[str]:
        return list(self.script.pin_actions(self.folder, self.script.GitHub(self.api.url, self.api.token)))


@pytest.fixture
def world(script: ModuleType, tmp_path: Path) -> World:
    return World(script, tmp_path)


def test_every_use_gets_the_newest_release_and_nothing_else_changes(world: World) -> None:
    action = world.folder / "actions/setup/action.yml"
    action.parent.mkdir(parents=True)
    action.write_text(f"    - uses: docker/set-up/deep@{OLD} # v4.0.0\n      with: {{a: 1}} # v4.0.0\n")
    world.file.write_text(f"steps:\n  - uses: docker/set-up@{OLD} # v4.0.0\n  - uses: ./.github/actions/setup\n")
    world.release("v4.10.1", NEW)
    assert world.pin() == ["docker/set-up v4.0.0 → v4.10.1"]
    assert action.read_text() == f"    - uses: docker/set-up/deep@{NEW} # v4.10.1\n      with: {{a: 1}} # v4.0.0\n"
    assert world.file.read_text() == (
        f"steps:\n  - uses: docker/set-up@{NEW} # v4.10.1\n  - uses: ./.github/actions/setup\n"
    )
    assert world.pin() == ["docker/set-up v4.10.1: is the newest"]


def test_a_major_version_is_said_to_be_one(world: World) -> None:
    world.file.write_text(f"uses: docker/set-up@{OLD} # v4.0.0\n")
    world.release("v5.0.0", NEW)
    assert world.pin() == ["docker/set-up v4.0.0 → v5.0.0; a major version: read its notes"]


def test_a_pin_that_is_not_known_is_filled_in(world: World) -> None:
    world.file.write_text("uses: docker/set-up@\n")
    world.release("v4.0.0", NEW)
    assert world.pin() == ["docker/set-up no pin → v4.0.0"]
    assert world.file.read_text() == f"uses: docker/set-up@{NEW} # v4.0.0\n"


def test_an_older_release_is_not_taken(world: World) -> None:
    text = f"uses: docker/set-up@{OLD} # v4.10.0\n"
    world.file.write_text(text)
    # As when an older line of versions gets a fix.
    world.release("v4.9.9", NEW)
    world.pin()
    assert world.file.read_text() == text


@pytest.mark.parametrize(
    ("version", "commit", "said"),
    [
        ("v4.0.0", NEW, "a release was moved"),
        ("v5", NEW, "v5, which is not a full version"),
        ("v5.0.0", "main", "gives no commit for v5.0.0"),
        ("v5.0.0", f"{NEW} # x", "gives no commit for v5.0.0"),
    ],
)
def test_what_cannot_be_trusted_changes_no_pin(world: World, version: str, commit: str, said: str) -> None:
    text = f"uses: actions/fine@{OLD} # v1.0.0\nuses: docker/set-up@{OLD} # v4.0.0\n"
    world.file.write_text(text)
    world.release("v1.1.0", OTHER, "actions/fine")
    world.release(version, commit)
    with pytest.raises(world.script.PinError, match=said):
        world.pin()
    assert world.file.read_text() == text


def test_an_action_that_github_does_not_know_is_named(world: World) -> None:
    world.file.write_text(f"uses: docker/gone@{OLD} # v4.0.0\n")
    with pytest.raises(world.script.PinError, match="/repos/docker/gone/releases/latest: 404"):
        world.pin()


def test_no_network_is_one_sentence() -> None:
    before = {file: file.read_bytes() for file in (project_root() / ".github").rglob("*.yml")}
    done = subprocess.run(
        [sys.executable, SCRIPT],
        env={"GITHUB_API_URL": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: GitHub cannot be reached at http://127.0.0.1:9 (")
    assert done.stderr.endswith("No pin was changed.\n")
    assert done.stderr.count("\n") == 1
    assert {file: file.read_bytes() for file in before} == before
