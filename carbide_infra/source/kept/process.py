"""How the processes of an image run, as far as its own Dockerfile says it for certain."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from carbide_infra.catalogue.bases import known_base
from carbide_infra.catalogue.model import Health
from carbide_infra.catalogue.values import DURATION, LAST_PORT
from carbide_infra.source.kept.stages import HEALTH_TIMES, flags_of
from carbide_infra.source.kept.variables import value_of

if TYPE_CHECKING:
    import dockerfile

# Of the well-known bases none has another.
_SHELL = ("/bin/sh", "-c")
_DURATION = re.compile(DURATION.pattern)
_COUNT = re.compile(r"[0-9]{1,5}")
_HEALTH_FLAGS = frozenset({*HEALTH_TIMES, "retries"})


@dataclass(frozen=True)
class Process:
    """What a Dockerfile says of an image's processes; None for what it leaves to its base, or nobody can tell.

    Attributes:
        user: as USER names it.
        entrypoint: in exec form.
        command: the same.
        environment: what ENV sets, all of it.
        ports: TCP ports that EXPOSE names, all of them.
        health: of HEALTHCHECK; None for NONE, too.
    """

    user: str | None = None
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] | None = None
    ports: tuple[int, ...] | None = None
    health: Health | None = None


def agreed(processes: Sequence[Process]) -> Process:
    """What is the same for all platforms."""
    first, *others = processes
    differing = {
        name: None
        for name in (each.name for each in fields(Process))
        if any(getattr(other, name) != getattr(first, name) for other in others)
    }
    return replace(first, **differing)


@dataclass
class ProcessReader:
    """Follows the instructions of one stage, from where its parent ended."""

    shell: tuple[str, ...] | None = None
    has_own_command: bool = False
    said: dict[str, Any] = field(default_factory=dict)

    def stand_on(self, base: str) -> None:
        """Begin on an image."""
        self.shell = _SHELL if known_base(base) else None

    def inherit(self, parent: "ProcessReader") -> None:
        """Begin as an earlier stage ended."""
        self.shell, self.said = parent.shell, dict(parent.said)

    @property
    def process(self) -> Process:
        """What is known by now."""
        return Process(**self.said)

    def read(self, command: "dockerfile.Command", known: Mapping[str, str | None]) -> None:
        """Take one instruction, with the variables that are known before it."""
        reads: dict[str, Callable[[dockerfile.Command, Mapping[str, str | None]], None]] = {
            "USER": self._user,
            "SHELL": self._shell,
            "ENTRYPOINT": self._entrypoint,
            "CMD": self._cmd,
            "ENV": self._env,
            "EXPOSE": self._expose,
            "HEALTHCHECK": self._healthcheck,
        }
        if kind := reads.get(command.cmd.upper()):
            kind(command, known)

    def _user(self, command: "dockerfile.Command", known: Mapping[str, str | None]) -> None:
        self.said["user"] = value_of(" ".join(command.value), known)

    def _shell(self, command: "dockerfile.Command", _: Mapping[str, str | None]) -> None:
        self.shell = tuple(command.value) if command.json else None

    def _entrypoint(self, command: "dockerfile.Command", _: Mapping[str, str | None]) -> None:
        self.said["entrypoint"] = self._words(command, command.value)
        # As BuildKit does: what a base or an earlier stage starts is no argument of this.
        if not self.has_own_command:
            self.said["command"] = ()

    def _cmd(self, command: "dockerfile.Command", _: Mapping[str, str | None]) -> None:
        self.said["command"], self.has_own_command = self._words(command, command.value), True

    def _words(self, command: "dockerfile.Command", words: Sequence[str]) -> tuple[str, ...] | None:
        """In exec form. A base may have a shell of its own."""
        if command.json:
            return tuple(words)
        return None if self.shell is None else (*self.shell, " ".join(words))

    def _env(self, command: "dockerfile.Command", known: Mapping[str, str | None]) -> None:
        before = self.said.setdefault("environment", {})
        values = dict(zip(command.value[::2], command.value[1::2], strict=False))
        found = {name: value_of(text, known) for name, text in values.items()}
        self.said["environment"] = None if before is None or None in found.values() else {**before, **found}

    def _expose(self, command: "dockerfile.Command", known: Mapping[str, str | None]) -> None:
        before = self.said.setdefault("ports", ())
        found = [_port(value_of(word, known)) for word in command.value]
        self.said["ports"] = None if before is None or None in found else tuple(dict.fromkeys((*before, *found)))

    def _healthcheck(self, command: "dockerfile.Command", _: Mapping[str, str | None]) -> None:
        flags = flags_of(command)
        times = {name: flags.get(name, usual) for name, usual in HEALTH_TIMES.items()}
        words = self._words(command, command.value[1:])
        retries = flags.get("retries", "3")
        is_plain = flags.keys() <= _HEALTH_FLAGS and all(map(_DURATION.fullmatch, times.values()))
        kind = "".join(command.value[:1]).upper()
        is_told = is_plain and kind == "CMD" and _COUNT.fullmatch(retries) is not None
        self.said["health"] = None
        if words and is_told:
            self.said["health"] = Health(
                command=words,
                interval=times["interval"],
                timeout=times["timeout"],
                start_period=times["start-period"],
                retries=int(retries),
            )


def _port(text: str | None) -> int | None:
    number, _, protocol = (text or "").partition("/")
    is_one = _COUNT.fullmatch(number) is not None and 1 <= int(number) <= LAST_PORT
    return int(number) if is_one and protocol.lower() in {"", "tcp"} else None
