"""Where the embedded BuildKit keeps layers and caches: in the user's cache folder, for one checkout after the other.

Two daemons cannot share a folder, so there are as many as checkouts have built at the same time. A new clone takes
over one that nobody uses, and finds the packages there that the last one has compiled.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from carbide_infra.paths import cache_dir, state_dir
from carbide_infra.state_files import make_private, read_json, write_json


def claimed_folder(root: Path) -> Path | None:
    """Give the folder that this checkout's BuildKit uses, or used last; None before its first start."""
    folder = read_json(_record(root)).get("folder")
    return Path(folder) if folder else None


@contextmanager
def claim_folder(root: Path, level: str = "") -> Iterator[Path]:
    """Choose a folder for this checkout's BuildKit, which is to run at the end of the block: that keeps others away.

    Args:
        root: the checkout.
        level: the level of trust; each has folders of its own.
    """
    with _claims() as pool:
        of_level = make_private(pool / level)
        folder = next(folder for folder in _candidates(root, of_level) if not _is_used(folder))
        make_private(folder)
        write_json(_record(root), {"folder": str(folder)})
        yield folder


@contextmanager
def left_folder(root: Path) -> Iterator[Path | None]:
    """Give the folder that this checkout's BuildKit has left, unless another checkout's runs there by now."""
    folder = claimed_folder(root)
    if folder is None:
        yield None
        return
    with _claims():
        yield None if _is_used(folder) else folder


@contextmanager
def _claims() -> Iterator[Path]:
    """Keep all folders with those who have them."""
    # BuildKit resolves no path below a symbolic link, and builds fail in the middle.
    pool = make_private(cache_dir() / "buildkit").resolve()
    with (pool / "claims.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield pool


def _candidates(root: Path, pool: Path) -> Iterator[Path]:
    """The checkout's own, then those there are, the last used first, then new ones."""
    own = claimed_folder(root)
    if own is not None and own.parent == pool and own.is_dir():
        yield own
    databases = sorted(pool.glob("*/cache.db"), key=lambda file: file.stat().st_mtime, reverse=True)
    yield from (file.parent for file in databases)
    yield from (pool / str(number) for number in count(1))


def _is_used(folder: Path) -> bool:
    """Whether a BuildKit runs in it: that holds these locks.

    At its end, one removes its lock file after it has unlocked it; the next may have locked it by then, and has
    only its database's lock left.
    """
    return any(_is_locked(folder / name) for name in ("buildkitd.lock", "cache.db"))


def _is_locked(file: Path) -> bool:
    try:
        with file.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _record(root: Path) -> Path:
    return state_dir(root) / "buildkit.json"
