"""A failed preview: what of Pulumi's words is the cause, where it is, and what to do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# As in "go.mod:7: unknown directive" or "/tree/api/cmd/api/main.go:12:3: undefined: x".
_PLACE = re.compile(
    r"(?P<path>[\w./@-]*(?:go\.mod|go\.sum|go\.work|Dockerfile[\w.-]*|[\w-]+\.(?:go|ya?ml|json)|VERSION))"
    r":(?P<line>\d+)(?::\d+)?:? *"
)
# As our own errors begin: "goVersion = '1.x': is not …".
_KEY = re.compile(r"(?P<key>[A-Za-z][\w.\[\]-]*)(?: = [^\n]*?)?: (?=is |are |has |names |no |cannot |must )")
_REMEDY = re.compile(r"; (?P<remedy>[^;]+)\.?$")


@dataclass(frozen=True)
class Failure:
    """What a person needs of a failure.

    Attributes:
        cause: the line that says what is wrong.
        path: the file that it is about; empty where it names none.
        line: the line in it; 0 where none is named.
        key: the configuration key that it is about; likewise empty.
        remedy: what the message itself says to do; likewise.
        text: all that was said.
    """

    cause: str
    path: str
    line: int
    key: str
    remedy: str
    text: str

    @property
    def has_more(self) -> bool:
        """Whether more was said than the cause."""
        return "\n" in self.text.strip()


def failure_of(errors: Sequence[str]) -> Failure:
    """Take the first error apart; what follows it is mostly its consequence."""
    text = "\n\n".join(errors)
    lines = [line.strip() for line in errors[0].splitlines() if line.strip()]
    place = next(filter(None, map(_PLACE.search, lines)), None)
    first = next((line for line in lines if place and place[0] in line), lines[0] if lines else "")
    remedy = _REMEDY.search(first)
    cause = (first[: remedy.start()] if remedy else first).replace(place[0] if place else "\n", "")
    key = None if place else _KEY.match(first)
    return Failure(
        cause=cause,
        path=place["path"] if place else "",
        line=int(place["line"]) if place else 0,
        key=key["key"] if key else "",
        remedy=remedy["remedy"] if remedy else "",
        text=text,
    )
