"""The engine's own log of an update: how long each image took, and whether anything changed."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from carbide_infra.names import IMAGE_TYPE
from carbide_infra.state_files import make_private

_KEPT = 10
_PENDING = "pending operations from previous deployment"


def new_event_log(folder: Path, stack: str) -> Path:
    """Name the log of one run, which no other run has; the latest ones are kept.

    Args:
        folder: the state folder of the project.
        stack: the stack that is updated.
    """
    logs = make_private(folder / "events")
    for old in sorted(logs.glob("*.json"), key=lambda file: file.stat().st_mtime)[:-_KEPT]:
        old.unlink(missing_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f"{stack.replace('/', '.')}-", suffix=".json", dir=logs)
    os.close(descriptor)
    return Path(name)


def has_begun(event_log: Path) -> bool:
    """Whether the engine came to work: it did not where another update holds the lock."""
    return next(events(event_log), None) is not None


def image_seconds(event_log: Path) -> dict[str, int]:
    """How long Pulumi worked on each image, by image name; images left alone are absent."""
    started: dict[str, int] = {}
    seconds: dict[str, int] = {}
    for event in events(event_log):
        before = event.get("resourcePreEvent", {}).get("metadata", {})
        after = event.get("resOutputsEvent", {}).get("metadata", {})
        if before.get("type") == IMAGE_TYPE and before.get("op") != "same":
            started[before["urn"]] = event["timestamp"]
        if after.get("urn") in started:
            name = after["urn"].rsplit("::", 1)[1]
            seconds[name] = event["timestamp"] - started[after["urn"]]
    return seconds


def new_digests(event_log: Path) -> dict[str, bool]:
    """Whether each image that was built has another digest than before, by image name."""
    found = {}
    for event in events(event_log):
        metadata = event.get("resOutputsEvent", {}).get("metadata", {})
        if metadata.get("type") == IMAGE_TYPE and metadata.get("op") not in {"same", "delete"}:
            old, new = (_digest(metadata.get(side)) for side in ("old", "new"))
            found[metadata["urn"].rsplit("::", 1)[1]] = old is None or old != new
    return found


def _digest(state: Any) -> str | None:  # noqa: ANN401 - JSON
    return ((state or {}).get("outputs") or {}).get("digest")


def has_changes(event_log: Path) -> bool:
    """Whether the update did anything but find every resource as it was."""
    summaries = [event["summaryEvent"] for event in events(event_log) if "summaryEvent" in event]
    return any(set(summary.get("resourceChanges", {})) - {"same"} for summary in summaries)


def found_pending(event_log: Path) -> bool:
    """Whether the update found operations that one before was killed at."""
    told = (event["diagnosticEvent"].get("message", "") for event in events(event_log) if "diagnosticEvent" in event)
    return any(_PENDING in message for message in told)


def events(event_log: Path) -> Iterator[dict[str, Any]]:
    """Each event as far as they are written; the last one may be half there."""
    if event_log.exists():
        for line in event_log.read_text(encoding="utf-8").splitlines():
            # A process that was killed leaves half a line.
            with suppress(ValueError):
                yield json.loads(line)
