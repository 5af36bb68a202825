"""SIGKILL at the worst moment: of the builder, the registry, Pulumi, and of everything at once."""

import os
import signal
import time

import pytest

from tests.faults.site import MAKE, Site

slow = pytest.mark.slow


@slow
def test_the_builder_is_killed_while_it_compiles(site: Site) -> None:
    running = site.compiling()
    os.kill(site.daemon("buildkitd"), signal.SIGKILL)
    ended = running.ended()
    assert ended.code != 0
    assert "the builder ended, or was ended, while it was at work" in ended.text
    site.settle()


@slow
def test_the_registry_is_killed_while_it_is_pushed_to(site: Site) -> None:
    before, running = site.event_logs(), site.compiling()
    # It takes no more bytes, so the push is under way when it is killed.
    os.kill(site.daemon("registry"), signal.SIGSTOP)
    site.until_it_says("exporting to image", running, before)
    time.sleep(1)
    os.kill(site.daemon("registry"), signal.SIGKILL)
    ended = running.ended()
    assert ended.code != 0
    assert "Traceback" not in ended.text
    site.settle()


@slow
def test_pulumi_is_killed_while_it_updates(site: Site) -> None:
    running = site.compiling()
    pulumi = running.below("pulumi")
    assert pulumi
    os.kill(pulumi, signal.SIGKILL)
    assert running.ended().code != 0
    assert site.exported()["deployment"]["pending_operations"]
    again = site.settle()
    assert "The last update was killed: releasing its lock on the stack" in again.text


@slow
def test_everything_is_killed_and_started_cold(site: Site) -> None:
    running = site.compiling()
    running.kill_all()
    for name in ("buildkitd", "registry"):
        os.kill(site.daemon(name), signal.SIGKILL)
    running.process.wait()
    again = site.settle()
    assert "The last update was killed" in again.text


@slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_a_preview_is_broken_off(site: Site, number: signal.Signals) -> None:
    site.edit()
    running = site.start(*MAKE, "preview")
    site.until(lambda: running.below("pulumi-resource-docker-build") is not None, running)
    os.killpg(running.process.pid, number)
    assert running.ended().code != 0
    site.settle()
