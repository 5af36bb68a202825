"""What every reader of a Dockerfile has to know of its stages: their names, what ARG declares, what is mounted."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import dockerfile

HEALTH_TIMES = {"interval": "30s", "timeout": "30s", "start-period": "0s"}
"""Docker's own, by the flags of HEALTHCHECK, where nothing is said."""


class _Named(Protocol):
    name: str


_Stage = TypeVar("_Stage", bound=_Named)


def stage_name(start: "dockerfile.Command") -> str:
    """What its FROM calls a stage; empty for nothing."""
    words = start.value
    return words[2].lower() if len(words) == 3 and words[1].upper() == "AS" else ""  # noqa: PLR2004


def named_stage(stages: Sequence[_Stage], name: str) -> _Stage | None:
    """The stage with this name or number, of those that may be meant."""
    found = next((stage for stage in reversed(stages) if stage.name and stage.name == name.lower()), None)
    if found is None and name.isdecimal() and int(name) < len(stages):
        return stages[int(name)]
    return found


def flags_of(command: "dockerfile.Command") -> dict[str, str]:
    """The flags of an instruction that may stand there once."""
    return dict(flag.removeprefix("--").partition("=")[::2] for flag in command.flags)


def mounts(command: "dockerfile.Command") -> Iterator[dict[str, str]]:
    """The options of each --mount of a RUN."""
    for flag in command.flags:
        name, _, options = flag.partition("=")
        if name == "--mount":
            row = next(csv.reader([options]), [])
            yield {key.lower(): value for key, _, value in (part.partition("=") for part in row)}


@dataclass(frozen=True)
class Arguments:
    """What ARG gives to variables.

    Attributes:
        given: build arguments; None for a value that is not known yet.
        platform: what BuildKit itself gives.
        value_of: a default's value, with the variables that are known; None where that cannot be told.
    """

    given: Mapping[str, str | None]
    platform: Mapping[str, str]
    value_of: Callable[[str, Mapping[str, str | None]], str | None]

    def declare(
        self,
        command: "dockerfile.Command",
        known: dict[str, str | None],
        fixed: set[str] | frozenset[str] = frozenset(),
        outer: Mapping[str, str | None] | None = None,
    ) -> None:
        """Set the variables of an ARG.

        Args:
            command: the ARG.
            known: what is known so far, and then.
            fixed: variables that ENV set: no ARG changes them.
            outer: what is declared before the first stage.
        """
        for word in command.value:
            name, has_default, default = word.partition("=")
            if name in fixed:
                continue
            if name in self.given:
                known[name] = self.given[name]
            elif has_default:
                known[name] = self.value_of(default, known)
            else:
                known[name] = (outer or {}).get(name, self.platform.get(name))
