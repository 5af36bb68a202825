"""How far each image is while an update runs, from the engine's events."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from carbide_infra.names import IMAGE_TYPE


class Phase(StrEnum):
    """What happens to an image."""

    BUILDING = "building"
    PUSHING = "pushing"
    DONE = "done"
    FAILED = "failed"


@dataclass
class ImageState:
    """One image that is built.

    Attributes:
        started: seconds since 1970.
        phase: what happens to it.
        ended: likewise; None while it is worked on.
    """

    started: float
    phase: Phase = Phase.BUILDING
    ended: float | None = None

    def seconds(self, now: float) -> int:
        """How long it takes so far, or took."""
        return int((now if self.ended is None else self.ended) - self.started)


@dataclass
class ImageProgress:
    """All images that are built, in the order in which they were begun.

    Attributes:
        images: by name.
        messages: what the program and the engine warn of, and have not been shown yet.
    """

    images: dict[str, ImageState] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def take(self, event: Mapping[str, Any]) -> None:
        """Read one event of the engine."""
        for kind, phase in (("resOutputsEvent", Phase.DONE), ("resOpFailedEvent", Phase.FAILED)):
            if name := _image(event.get(kind)):
                self._end(name, phase, float(event["timestamp"]))
        before = event.get("resourcePreEvent")
        if (name := _image(before)) and before and before["metadata"]["op"] not in {"same", "delete"}:
            self.images[name] = ImageState(float(event["timestamp"]))
        if told := event.get("diagnosticEvent"):
            self._read(told)

    def taken(self) -> Iterator[str]:
        """The messages, once."""
        while self.messages:
            yield self.messages.pop(0)

    def _end(self, name: str, phase: Phase, when: float) -> None:
        state = self.images.get(name)
        if state and state.ended is None:
            state.phase, state.ended = phase, when

    def _read(self, told: Mapping[str, Any]) -> None:
        text, severity = str(told.get("message", "")).strip(), told.get("severity")
        state = self.images.get(str(told.get("urn", "")).rsplit("::", 1)[-1])
        if severity == "warning" and text:
            self.messages.append(text if text.startswith("warning: ") else f"warning: {text}")
        elif state and state.phase is Phase.BUILDING and re.match(r"#\d+ (exporting|pushing) ", text):
            state.phase = Phase.PUSHING


def _image(event: Mapping[str, Any] | None) -> str:
    metadata = (event or {}).get("metadata", {})
    urn = str(metadata.get("urn", ""))
    return urn.rsplit("::", 1)[1] if f"${IMAGE_TYPE}::" in urn else ""
