"""Ends an update in which a tag stands still: the provider waits for a registry without end, deadline or not."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from carbide_infra.names import INDEX_TYPE
from carbide_infra.stack.event_log import events

TAG_SECONDS = 300.0
"""A tag is a few small requests."""

_LOOK_SECONDS = 5.0
# After the first interrupt Pulumi waits for what runs, after the second for nothing.
_GRACE_SECONDS = 15.0


@contextmanager
def watched(
    send_signal: Callable[[int], None],
    event_log: Path,
    *,
    allowed: float = TAG_SECONDS,
    clock: Callable[[], float] = time.time,
    look: float = _LOOK_SECONDS,
    grace: float = _GRACE_SECONDS,
) -> Iterator[None]:
    """Interrupt the CLI when a tag takes longer than it may, and write into its log which one did.

    Args:
        send_signal: gives the CLI a signal.
        event_log: what the engine writes.
        allowed: seconds that a tag may take.
        clock: seconds since 1970, as in the log.
        look: seconds between two looks at the log.
        grace: seconds between two signals.
    """
    ended, stuck = threading.Event(), list[dict[str, Any]]()

    def watch() -> None:
        while not ended.wait(look):
            stuck.extend(_standing_still(event_log, clock() - allowed))
            if stuck:
                for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
                    send_signal(number)
                    if ended.wait(grace):
                        break
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        _note(event_log, stuck, allowed)


def _standing_still(event_log: Path, since: float) -> Iterator[dict[str, Any]]:
    """The tags that were begun before, and have not ended."""
    begun: dict[str, dict[str, Any]] = {}
    for event in events(event_log):
        before = event.get("resourcePreEvent", {}).get("metadata", {})
        after = event.get("resOutputsEvent", event.get("resOpFailedEvent", {})).get("metadata", {})
        if before.get("type") == INDEX_TYPE and event["timestamp"] <= since:
            begun[before["urn"]] = before
        begun.pop(after.get("urn", ""), None)
    yield from begun.values()


def _note(event_log: Path, stuck: list[dict[str, Any]], allowed: float) -> None:
    """As the engine would, had the step failed."""
    with event_log.open("a", encoding="utf-8") as log:
        for metadata in stuck:
            tag = str(((metadata.get("new") or {}).get("inputs") or {}).get("tag") or "the registry")
            message = f"stood still for {allowed:.0f} s: {tag.partition('/')[0]} does not answer to its end"
            told = {"urn": metadata["urn"], "severity": "error", "message": message}
            for event in ({"diagnosticEvent": told}, {"resOpFailedEvent": {"metadata": metadata}}):
                log.write(json.dumps({"timestamp": int(time.time()), **event}) + "\n")
