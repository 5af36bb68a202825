"""SIGKILL at the worst moment: of the builder, the registry, Pulumi, and of everything at once."""

import os
import signal
import time

import pytest

from tests.faults.site import IMAGE, MAKE, Running, Site

slow = pytest.mark.slow
ANOTHER, OF_ANOTHER = "carbide-rest-cert-manager", "cert-manager/cmd/credsmgr"


def kill(running: Running, name: str) -> None:
    """Kill one of the programs that a command has started."""
    process = running.below(name)
    assert process
    os.kill(process, signal.SIGKILL)


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
def test_the_provider_is_killed_while_it_builds(site: Site) -> None:
    running = site.compiling()
    kill(running, "pulumi-resource-docker-build")
    ended = running.ended()
    assert "Traceback" not in ended.text
    assert "the provider ended, or was ended, while it was at work" in ended.text, ended.text
    assert ended.code == 0, "the update is repeated, with another provider"
    site.settle()


@slow
def test_pulumi_is_killed_while_it_updates(site: Site) -> None:
    running = site.compiling()
    kill(running, "pulumi")
    assert running.ended().code != 0
    assert site.exported()["deployment"]["pending_operations"]
    again = site.settle()
    assert "The last update was killed: releasing its lock on the stack" in again.text


@slow
@pytest.mark.parametrize("command", ["up", "refresh"])
def test_pulumi_is_killed_while_it_makes_an_image_that_was_never_there(site: Site, command: str) -> None:
    """What is half made is in no state: Pulumi knows only that it had begun."""
    with site.services(IMAGE, ANOTHER):
        site.edit(OF_ANOTHER)
        running = site.compiling()
        kill(running, "pulumi")
        assert running.ended().code != 0
        pending = site.exported()["deployment"]["pending_operations"]
        assert "creating" in {operation["type"] for operation in pending}
        again = site.make(command)
        assert again.code == 0, again.text
        assert not site.exported()["deployment"].get("pending_operations")
        site.settle()
        assert set(site.images()) == {IMAGE, ANOTHER}
    site.settle()


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


@slow
def test_a_report_after_pulumi_was_killed(site: Site) -> None:
    """The operation that is still pending is no reason for a report to fail."""
    running = site.compiling()
    kill(running, "pulumi")
    running.ended()
    assert site.exported()["deployment"]["pending_operations"]
    report = site.make("report", FORMAT="json")
    assert report.code == 0, report.text
    assert IMAGE in report.text
    site.settle()
