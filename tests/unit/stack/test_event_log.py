import json
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.stack.event_log import has_changes, image_seconds, new_digests

URN = "urn:pulumi:dev::carbide-infra::carbide:image:ServiceImage$docker-build:index:Image::carbide-rest-api"


def event(timestamp: int, kind: str, op: str, urn: str = URN) -> dict[str, Any]:
    metadata = {"urn": urn, "op": op, "type": "docker-build:index:Image"}
    return {"timestamp": timestamp, kind: {"metadata": metadata}}


def write(file: Path, *events: dict[str, Any]) -> Path:
    file.write_text("".join(json.dumps(entry) + "\n" for entry in events))
    return file


def test_seconds_are_between_start_and_outputs(tmp_path: Path) -> None:
    log = write(tmp_path / "log", event(10, "resourcePreEvent", "create"), event(52, "resOutputsEvent", "create"))
    assert image_seconds(log) == {"carbide-rest-api": 42}


def test_an_image_left_alone_has_no_seconds(tmp_path: Path) -> None:
    log = write(tmp_path / "log", event(10, "resourcePreEvent", "same"), event(10, "resOutputsEvent", "same"))
    assert image_seconds(log) == {}


@pytest.mark.parametrize(
    ("op", "old", "new", "found"),
    [
        ("create", None, "b", {"carbide-rest-api": True}),
        ("update", "a", "b", {"carbide-rest-api": True}),
        ("update", "a", "a", {"carbide-rest-api": False}),
        ("same", "a", "a", {}),
        ("delete", "a", None, {}),
    ],
)
def test_a_digest_is_new_or_as_before(
    op: str, old: str | None, new: str | None, found: dict[str, bool], tmp_path: Path
) -> None:
    ended = event(1, "resOutputsEvent", op)
    for side, digest in (("old", old), ("new", new)):
        ended["resOutputsEvent"]["metadata"][side] = digest and {"outputs": {"digest": digest}}
    assert new_digests(write(tmp_path / "log", ended)) == found


def test_only_same_is_no_change(tmp_path: Path) -> None:
    assert not has_changes(write(tmp_path / "a", {"summaryEvent": {"resourceChanges": {"same": 30}}}))
    assert has_changes(write(tmp_path / "b", {"summaryEvent": {"resourceChanges": {"same": 30, "update": 1}}}))


def test_a_missing_log_tells_nothing(tmp_path: Path) -> None:
    assert image_seconds(tmp_path / "none") == {}


def test_an_event_that_is_half_written_is_none_yet(tmp_path: Path) -> None:
    log = write(tmp_path / "log", {"summaryEvent": {"resourceChanges": {"update": 1}}})
    log.write_text(log.read_text() + '{"summaryEv')
    assert has_changes(log)
