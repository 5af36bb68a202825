"""Disks that are full: the registry's, and the builder's."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.disks import nearly_full
from tests.faults.site import Site
from tests.support.debian_packages import CannotRunError, not_run

pytestmark = pytest.mark.slow


@contextmanager
def full_disk(site: Site, folder: Path, *, size: int, room: int) -> Iterator[Callable[[], None]]:
    """A file system for a folder of the site's, whose daemons start again with the next update."""
    assert site.make("down").code == 0
    try:
        with nearly_full(folder, size=size, room=room) as make_room:
            yield make_room
            assert site.make("down").code == 0
    except CannotRunError as reason:
        not_run(reason)


def assert_told(site: Site) -> None:
    refused = site.make("up")
    assert refused.code != 0
    assert "Traceback" not in refused.text
    assert "a disk is full: the builder's, or the registry's" in refused.text, refused.text


def test_the_registrys_disk_is_full(site: Site) -> None:
    site.edit()
    with full_disk(site, site.local / "registry", size=4000, room=1) as make_room:
        assert_told(site)
        make_room()
        site.settle()
    site.settle()


def test_the_builders_disk_is_full(site: Site) -> None:
    """A builder that has nothing yet; the other checkouts' have theirs beside it."""
    site.edit()
    assert site.make("down").code == 0
    shared = site.cache / "buildkit"
    pool = shared.readlink()
    shared.unlink()
    shared.mkdir()
    try:
        with full_disk(site, shared, size=4000, room=60) as make_room:
            assert_told(site)
            make_room()
            site.settle()
    finally:
        shutil.rmtree(shared)
        shared.symlink_to(pool)
    site.settle()
