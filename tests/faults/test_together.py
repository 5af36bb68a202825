"""Two updates at once: in one checkout, and in two that share a backend."""

import shutil

import pytest

from tests.faults.site import MAKE, Site

pytestmark = pytest.mark.slow
ANOTHER = "another update runs since"


def test_two_updates_in_one_checkout(site: Site) -> None:
    site.edit()
    both = [site.start(*MAKE, "up") for _ in range(2)]
    ended = [running.ended() for running in both]
    assert any(one.code == 0 for one in ended), [one.text for one in ended]
    assert all(one.code == 0 or ANOTHER in one.text for one in ended), "\n====\n".join(one.text for one in ended)
    site.settle()


def test_two_updates_in_two_checkouts_of_one_backend(site: Site) -> None:
    shown = site.shell("env -0")
    assert shown.code == 0
    environment = dict(line.split("=", 1) for line in shown.text.split("\0") if "=" in line)
    root = site.root.parent / "second"
    site.git("clone", "--quiet", str(site.root), str(root))
    (root / ".venv").symlink_to(site.root / ".venv")
    (root / ".local").mkdir()
    shutil.copy(site.local / "endpoint.json", root / ".local")
    second = Site(root, environment)
    first = Site(site.root, environment)
    command = ("carbide-infra", "up", "--stack", "dev")
    try:
        site.edit()
        second.edit()
        both = [one.start(*command) for one in (first, second)]
        ended = [running.ended() for running in both]
        assert any(one.code == 0 for one in ended), [one.text for one in ended]
        assert all(one.code == 0 or ANOTHER in one.text for one in ended), [one.text for one in ended]
        site.settle()
    finally:
        shutil.rmtree(root)
