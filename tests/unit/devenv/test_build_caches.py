"""The builder's folders: one checkout takes over what another has left, and never what it uses."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from devenv.build_caches import claim_folder, claimed_folder, left_folder


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


def test_of_what_was_left_the_last_used_is_taken(tmp_path: Path, pool: Path) -> None:
    with running(claimed(tmp_path / "1")), running(claimed(tmp_path / "2")), running(claimed(tmp_path / "3")):
        pass
    for name, seconds in (("1", 1000), ("2", 3000), ("3", 2000)):
        os.utime(pool / name / "cache.db", (seconds, seconds))
    assert claimed(tmp_path / "new") == pool / "2"
    with running(pool / "2"):
        assert claimed(tmp_path / "newer") == pool / "3"


def test_a_folder_that_never_had_a_cache_is_no_better_than_a_new_one(tmp_path: Path, pool: Path) -> None:
    (pool / "9").mkdir(parents=True)
    assert claimed(tmp_path / "one") == pool / "1"


def test_no_level_of_trust_takes_over_what_another_has_left(tmp_path: Path, pool: Path) -> None:
    root = tmp_path / "one"
    with running(claimed(root)):
        pass
    for level in ("main", "release", "main", ""):
        with claim_folder(root, level) as folder:
            assert folder == pool / level / "1"
            (folder / "cache.db").touch()


def test_a_folder_is_remembered(tmp_path: Path) -> None:
    root = tmp_path / "one"
    assert claimed_folder(root) is None
    folder = claimed(root)
    assert claimed_folder(root) == folder
    assert json.loads((root / ".local/buildkit.json").read_text()) == {"folder": str(folder)}


@pytest.mark.parametrize("block", [claim_folder, left_folder])
def test_others_wait_while_a_folder_is_chosen_or_cleared(
    block: Callable[[Path], AbstractContextManager[Path | None]], tmp_path: Path, pool: Path
) -> None:
    claimed(tmp_path / "one")
    with block(tmp_path / "one"):
        assert is_locked(pool / "claims.lock")
    assert not is_locked(pool / "claims.lock")


def is_locked(file: Path) -> bool:
    """Whether another process would have to wait."""
    with file.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_lock_that_nobody_holds_is_no_use(tmp_path: Path, pool: Path) -> None:
    """A BuildKit that was killed leaves its lock file; one that a test of the lock holds would keep others away."""
    folder = claimed(tmp_path / "one")
    (folder / "cache.db").touch()
    (folder / "buildkitd.lock").touch()
    assert claimed(tmp_path / "two") == pool / "1"
    assert not is_locked(folder / "buildkitd.lock")


def test_a_lock_that_is_shared_is_use(tmp_path: Path, pool: Path) -> None:
    folder = claimed(tmp_path / "one")
    with (folder / "buildkitd.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert claimed(tmp_path / "one") == pool / "2"


@pytest.mark.parametrize("left", ["nothing", "another lock"])
def test_a_builder_whose_lock_another_has_removed_keeps_its_folder(tmp_path: Path, pool: Path, left: str) -> None:
    """A BuildKit unlocks its lock, and then removes it: by then it may be the next one's. The database stays."""
    folder = claimed(tmp_path / "one")
    with (folder / "cache.db").open("a") as database:
        fcntl.flock(database, fcntl.LOCK_EX)
        if left == "another lock":
            (folder / "buildkitd.lock").touch()
        assert claimed(tmp_path / "two") == pool / "2"
        with left_folder(tmp_path / "one") as unused:
            assert unused is None


def test_a_deleted_folder_is_made_anew(tmp_path: Path, pool: Path) -> None:
    claimed(tmp_path / "one").rmdir()
    assert claimed(tmp_path / "one") == pool / "1"
    assert (pool / "1").is_dir()


def test_what_another_has_left_is_better_than_a_deleted_folder(tmp_path: Path, pool: Path) -> None:
    with running(claimed(tmp_path / "one")), running(claimed(tmp_path / "two")):
        pass
    shutil.rmtree(pool / "1")
    assert claimed(tmp_path / "one") == pool / "2"


def test_nothing_is_cleared_away_where_another_checkout_builds(tmp_path: Path) -> None:
    root = tmp_path / "one"
    with left_folder(root) as left:
        assert left is None
    folder = claimed(root)
    with left_folder(root) as left:
        assert left == folder == claimed_folder(root)
    with running(folder), left_folder(root) as left:
        assert left is None


def test_a_cache_folder_behind_a_symbolic_link_is_named_without_it(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    assert claimed(tmp_path / "one") == tmp_path / "elsewhere/buildkit/1"
