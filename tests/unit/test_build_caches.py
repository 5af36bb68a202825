"""The builder's folders: one checkout takes over what another has left, and never what it uses."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from carbide_infra.local.build_caches import claim_folder, claimed_folder, left_folder


@pytest.fixture(autouse=True)
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARBIDE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache/buildkit"


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """What a BuildKit does in its folder; it removes the lock at its end, unless it is killed."""
    (folder / "cache.db").touch()
    with (folder / "buildkitd.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def claimed(root: Path) -> Path:
    (root / ".local").mkdir(parents=True, exist_ok=True)
    with claim_folder(root) as folder:
        return folder


def test_a_new_clone_takes_over_what_another_has_left(tmp_path: Path, pool: Path) -> None:
    with running(claimed(tmp_path / "one")):
        pass
    assert claimed(tmp_path / "two") == pool / "1"


def test_checkouts_that_build_at_the_same_time_have_a_folder_each(tmp_path: Path, pool: Path) -> None:
    with running(claimed(tmp_path / "one")):
        assert claimed(tmp_path / "two") == pool / "2"


def test_a_checkout_prefers_its_own(tmp_path: Path) -> None:
    with running(claimed(tmp_path / "one")), running(claimed(tmp_path / "two")):
        pass
    assert claimed(tmp_path / "one") != claimed(tmp_path / "two")


def test_a_deleted_folder_is_made_anew(tmp_path: Path, pool: Path) -> None:
    claimed(tmp_path / "one").rmdir()
    assert claimed(tmp_path / "one") == pool / "1"
    assert (pool / "1").is_dir()


def test_nothing_is_cleared_away_where_another_checkout_builds(tmp_path: Path) -> None:
    root = tmp_path / "one"
    with left_folder(root) as left:
        assert left is None
    folder = claimed(root)
    with left_folder(root) as left:
        assert left == folder == claimed_folder(root)
    with running(folder), left_folder(root) as left:
        assert left is None
