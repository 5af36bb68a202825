"""A tag that stands still ends the update, by signals; a program that ends in time is left alone."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from carbide_infra.stack.failures import failures_in
from carbide_infra.stack.watchdog import watched

URN = "urn:pulumi:dev::carbide-infra::carbide:image:ServiceImage$docker-build:index:Index::carbide-rest-api-version"
TAG = "x.test/team/carbide-rest-api:1.4.0"


def begun(timestamp: int, kind: str = "Index") -> dict[str, Any]:
    metadata = {"urn": URN, "type": f"docker-build:index:{kind}", "new": {"inputs": {"tag": TAG}}}
    return {"timestamp": timestamp, "resourcePreEvent": {"metadata": metadata}}


def log(folder: Path, *entries: dict[str, Any]) -> Path:
    file = folder / "log"
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return file


def signals(event_log: Path, seconds: float = 0.1, ends_at: int = 0) -> list[int]:
    """What the program gets that is watched for some time, and ends at a signal of that number."""
    sent: list[int] = []
    with watched(sent.append, event_log, allowed=300, clock=lambda: 1000.0, look=0.01, grace=0.02):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (ends_at and len(sent) >= ends_at):
            time.sleep(0.002)
    return sent


def test_a_tag_that_stands_still_ends_the_update_and_is_named(tmp_path: Path) -> None:
    event_log = log(tmp_path, begun(700))
    assert signals(event_log, 5, ends_at=1) == [signal.SIGINT]
    (failure,) = failures_in(event_log)
    assert failure.what == "carbide-rest-api: the tag 1.4.0"
    assert failure.reason == "stood still for 300 s: x.test does not answer to its end; try again later"
    assert failure.is_passing


def test_a_program_that_heeds_nothing_is_ended(tmp_path: Path) -> None:
    assert signals(log(tmp_path, begun(700)), 0.3) == [signal.SIGINT, signal.SIGINT, signal.SIGKILL]


def test_what_has_time_left_or_has_ended_or_is_an_image_is_left_alone(tmp_path: Path) -> None:
    ended = {"timestamp": 710, "resOutputsEvent": {"metadata": {"urn": URN}}}
    failed = {"timestamp": 710, "resOpFailedEvent": {"metadata": {"urn": URN}}}
    for entries in ([begun(701)], [begun(600), ended], [begun(600), failed], [begun(600, "Image")], []):
        event_log = log(tmp_path, *entries)
        before = event_log.read_text()
        assert signals(event_log) == []
        assert event_log.read_text() == before


def test_a_real_program_is_interrupted(tmp_path: Path) -> None:
    command, event_log = [sys.executable, "-c", "import time; time.sleep(60)"], log(tmp_path, begun(0))
    with (
        subprocess.Popen(command, stderr=subprocess.DEVNULL) as process,
        watched(process.send_signal, event_log, look=0.05, grace=5),
    ):
        code = process.wait(30)
    assert code in {-signal.SIGINT, 1, 130}
