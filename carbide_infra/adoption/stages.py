"""Follows the stages of a Dockerfile: what stands where at the end of each, and how its processes run."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from carbide_infra.adoption.copies import Copies
from carbide_infra.adoption.pieces import Built, Empty, Placed
from carbide_infra.adoption.stage import Context, Stage, inherit
from carbide_infra.adoption.told import Said
from carbide_infra.adoption.words import DEFAULT_PATH, pairs
from carbide_infra.errors import shown
from carbide_infra.source.kept.stages import HEALTH_TIMES, Arguments, flags_of, named_stage, stage_name
from carbide_infra.source.kept.variables import UnknownError, expanded, platform_arguments, value_of

if TYPE_CHECKING:
    import dockerfile

_ANY_PLATFORM = platform_arguments("linux/amd64")

Run = Callable[["dockerfile.Command", Stage, Context, Sequence[Placed]], None]


class Stages:
    """The stages of one Dockerfile.

    Args:
        commands: its instructions.
        context: what it is read with.
        run: what a RUN does to a stage, with what is mounted there.
    """

    def __init__(self, commands: Sequence["dockerfile.Command"], context: Context, run: Run) -> None:
        self.context, self._run = context, run
        self._arguments = Arguments(context.arguments, _ANY_PLATFORM, value_of)
        self._global: dict[str, str | None] = dict(_ANY_PLATFORM)
        self.arguments: dict[str, int] = {}
        self.stages: list[Stage] = []
        for command in commands:
            self._divide(command)
        self._copies = Copies(context, self._earlier, self._global)

    def _divide(self, command: "dockerfile.Command") -> None:
        match command.cmd.upper():
            case "FROM":
                self.stages.append(Stage(stage_name(command), command))
            case _ if self.stages:
                self.stages[-1].commands.append(command)
            case "ARG":
                self._note_lines(command)
                self._arguments.declare(command, self._global)

    @property
    def packages(self) -> frozenset[str]:
        """The main packages that any stage builds."""
        pieces = (placed.piece for stage in self.stages for placed in stage.placed)
        return frozenset(piece.package for piece in pieces if isinstance(piece, Built))

    def image(self, target: str | None) -> Stage | None:
        """The stage that is the image, read; None where there is no such stage."""
        stage = named_stage(self.stages, target) if target else self.stages[-1]
        if stage is not None:
            self._read(stage)
        return stage

    def _earlier(self, name: str, before: Stage) -> Stage | None:
        found = named_stage(self.stages[: self.stages.index(before)], name)
        if found is not None:
            self._read(found)
        return found

    def _read(self, stage: Stage) -> None:
        if stage.is_read:
            return
        stage.is_read = True
        self._stand(stage)
        for command in stage.commands:
            self._command(command, stage)

    def _stand(self, stage: Stage) -> None:
        written, line = stage.start.value[0], stage.start.start_line
        try:
            base = expanded(written, self._global)
        except UnknownError:
            what = f"builds on {shown(written)}, which only a build argument says"
            stage.note(self.context.where(line), what, "give its ARG a default")
            return
        # FROM takes no number for a stage.
        parent = None if base.isdecimal() else self._earlier(base, stage)
        if parent is None:
            stage.base = Said(base, self.context.where(line))
            stage.known["PATH"] = DEFAULT_PATH
            return
        inherit(stage, parent)

    # ---- Instructions.

    def _command(self, command: "dockerfile.Command", stage: Stage) -> None:
        where = self.context.where(command.start_line)
        match command.cmd.upper():
            case "ARG":
                self._note_lines(command)
                self._arguments.declare(command, stage.known, stage.fixed, self._global)
            case "ENV":
                self._environment(command, stage, where)
            case "COPY" | "ADD":
                self._copies.copy(command, stage)
            case "RUN":
                self._run(command, stage, self.context, self._copies.mounted(command, stage))
            case "WORKDIR":
                self._workdir(command, stage, where)
            case "LABEL":
                self._labels(command, stage, where)
            case "EXPOSE":
                self._expose(command, stage, where)
            case _:
                self._process(command, stage, where)

    def _process(self, command: "dockerfile.Command", stage: Stage, where: str) -> None:
        """How processes run."""
        words = command.value
        match command.cmd.upper():
            case "USER":
                stage.user = self._said(" ".join(words), stage, where, "USER")
            case "ENTRYPOINT":
                stage.entrypoint = Said(_exec_form(command, words), where)
                if not stage.has_own_command:
                    stage.command = None
            case "CMD":
                stage.command, stage.has_own_command = Said(_exec_form(command, words), where), True
            case "HEALTHCHECK":
                stage.health = Said(self._health(command, stage, where), where)
            case "STOPSIGNAL":
                stage.stop_signal = self._said(words[0], stage, where, "STOPSIGNAL")
            case "MAINTAINER":
                stage.labels["maintainer"] = Said(" ".join(words), where)
            case kind:
                stage.note(where, f"has {kind}", "leave it out if nobody needs it")

    def _said(self, text: str, stage: Stage, where: str, what: str) -> Said | None:
        value = value_of(text, stage.known)
        if value is None:
            stage.note(where, f"has {what} {shown(text)}, which cannot be told before the build", "write it out")
            return None
        return Said(value, where)

    def _note_lines(self, command: "dockerfile.Command") -> None:
        for word in command.value:
            self.arguments.setdefault(word.partition("=")[0], command.start_line)

    def _environment(self, command: "dockerfile.Command", stage: Stage, where: str) -> None:
        before = dict(stage.known)
        for name, text in pairs(command.value):
            value = value_of(text, before)
            if value is None:
                stage.note(
                    where, f"sets {name} to {shown(text)}, which cannot be told before the build", "write it out"
                )
            stage.known[name] = value
            stage.fixed.add(name)
            stage.written[name] = text
            stage.environment[name] = Said(value or "", where)

    def _workdir(self, command: "dockerfile.Command", stage: Stage, where: str) -> None:
        said = self._said(" ".join(command.value), stage, where, "WORKDIR")
        if said is not None:
            stage.folder = stage.place(said.value)
            stage.workdir = Said(stage.folder, where)
            stage.folders.setdefault(stage.folder, command.start_line)
            stage.placed.append(Placed(stage.folder, Empty(), command.start_line))

    def _labels(self, command: "dockerfile.Command", stage: Stage, where: str) -> None:
        for name, text in pairs(command.value):
            key = name.strip("\"'")
            found = re.fullmatch(r"\"?\$\{?(?P<name>\w+)\}?\"?", text)
            is_fact = found is not None and found["name"] not in stage.fixed
            value = f"${found['name']}" if found and is_fact else value_of(text, stage.known)
            if value is None:
                what = f"has the label {key} = {shown(text)}, which cannot be told before the build"
                stage.note(where, what, "write it out, or leave it out")
            else:
                stage.labels[key] = Said(value, where)

    def _expose(self, command: "dockerfile.Command", stage: Stage, where: str) -> None:
        for word in command.value:
            text = value_of(word, stage.known) or word
            port, _, protocol = text.partition("/")
            if port.isdecimal() and protocol in {"", "tcp"}:
                stage.ports[int(port)] = Said(int(port), where)
            else:
                stage.note(where, f"exposes {shown(text)}", "an entry has single TCP ports only")

    def _health(self, command: "dockerfile.Command", stage: Stage, where: str) -> dict[str, object] | None:
        if command.value and command.value[0].upper() == "NONE":
            return None
        flags = flags_of(command)
        for name in flags.keys() - {*HEALTH_TIMES, "retries"}:
            stage.note(where, f"has HEALTHCHECK --{shown(name)}", "leave it out")
        times = {name: flags.get(name, usual) for name, usual in HEALTH_TIMES.items()}
        return {
            "command": _exec_form(command, command.value[1:]),
            "interval": times["interval"],
            "timeout": times["timeout"],
            "startPeriod": times["start-period"],
            "retries": int(flags["retries"]) if flags.get("retries", "").isdecimal() else 3,
        }


def _exec_form(command: "dockerfile.Command", words: Sequence[str]) -> list[str]:
    return list(words) if command.json else ["/bin/sh", "-c", " ".join(words)]
