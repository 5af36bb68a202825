"""The engine's own log of an update: how long each image took, and what its build said when it failed."""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from carbide_infra.names import IMAGE_TYPE
from carbide_infra.state_files import make_private

# Of a failed build step; the compiler itself stops after ten errors a package.
LAST_LINES = 40
_KEPT = 10


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
    return next(_events(event_log), None) is not None


def image_seconds(event_log: Path) -> dict[str, int]:
    """How long Pulumi worked on each image, by image name; images left alone are absent."""
    started: dict[str, int] = {}
    seconds: dict[str, int] = {}
    for event in _events(event_log):
        before = event.get("resourcePreEvent", {}).get("metadata", {})
        after = event.get("resOutputsEvent", {}).get("metadata", {})
        if before.get("type") == IMAGE_TYPE and before.get("op") != "same":
            started[before["urn"]] = event["timestamp"]
        if after.get("urn") in started:
            name = after["urn"].rsplit("::", 1)[1]
            seconds[name] = event["timestamp"] - started[after["urn"]]
    return seconds


def build_failures(event_log: Path) -> dict[str, list[str]]:
    """What the failed build step of each failed image printed, by image name.

    The provider shows it while it builds; what it repeats at the end gets lost on the way to the engine.
    """
    events = list(_events(event_log))
    failed = {event["resOpFailedEvent"]["metadata"]["urn"] for event in events if "resOpFailedEvent" in event}
    told = [event["diagnosticEvent"] for event in events if "diagnosticEvent" in event]
    return {
        urn.rsplit("::", 1)[1]: _failed_step([entry["message"] for entry in told if entry.get("urn") == urn])
        for urn in sorted(failed)
        if f"${IMAGE_TYPE}::" in urn
    }


def _failed_step(messages: Sequence[str]) -> list[str]:
    """The output of the BuildKit steps that did not end well, as in "#13 0.659 main.go:87:24: undefined: x"."""
    lines = [line for message in messages for line in message.splitlines()]
    ended = {match[1] for line in lines if (match := re.match(r"#(\d+) (DONE|CACHED)\b", line))}
    output = [match for line in lines if (match := re.match(r"#(\d+) \d+\.\d+ (.*)", line))]
    # Both platforms fail with the same words.
    return list(dict.fromkeys(match[2] for match in output if match[1] not in ended))[-LAST_LINES:]


def has_changes(event_log: Path) -> bool:
    """Whether the update did anything but find every resource as it was."""
    summaries = [event["summaryEvent"] for event in _events(event_log) if "summaryEvent" in event]
    return any(set(summary.get("resourceChanges", {})) - {"same"} for summary in summaries)


def _events(event_log: Path) -> Iterator[dict[str, Any]]:
    if event_log.exists():
        for line in event_log.read_text(encoding="utf-8").splitlines():
            # A process that was killed leaves half a line.
            with suppress(ValueError):
                yield json.loads(line)
