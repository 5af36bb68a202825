"""Reads a Dockerfile by BuildKit's own grammar: what it takes from its context, and which images it builds on."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from carbide_infra.catalogue.bases import NOTHING
from carbide_infra.catalogue.values import reference_problem
from carbide_infra.errors import shown
from carbide_infra.source.kept.process import Process, ProcessReader
from carbide_infra.source.kept.stages import Arguments, flags_of, mounts, named_stage, stage_name
from carbide_infra.source.kept.variables import UnknownError, expanded, platform_arguments
from carbide_infra.source.tree import InputError

if TYPE_CHECKING:
    import dockerfile

_INSTRUCTIONS = frozenset(
    {
        *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER"),
        *("ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
    }
)
_DIRECTIVE = re.compile(r"#\s*(?P<name>[A-Za-z][A-Za-z0-9]*)\s*=\s*(?P<value>.+?)\s*")
# The frontend whose grammar this is. Its labs channel has instructions that nobody here knows.
_FRONTEND = re.compile(r"(docker\.io/)?docker/dockerfile(:1(\.\d+){0,2})?(@sha256:[0-9a-f]{64})?")
_REMOTE = re.compile(r"(https?|git|ssh)://|git@|github\.com/")
_UNREADABLE = re.compile(r"[\"'\\]")


@dataclass(frozen=True)
class Taken:
    """One thing that a build takes from its context.

    Attributes:
        path: relative to the context, perhaps with wildcards.
        line: of the Dockerfile.
    """

    path: str
    line: int


@dataclass(frozen=True)
class Named:
    """An image that a build stands on or takes files from.

    Attributes:
        reference: the image.
        line: of the Dockerfile, where it is written: that of an ARG, where FROM names this alone.
        argument: that ARG; empty for none.
    """

    reference: str
    line: int
    argument: str = ""


@dataclass
class Reading:
    """What a Dockerfile says of one build.

    Attributes:
        taken: from the context.
        whole: why the whole context counts, each a clause that begins with a line; empty where it does not.
        arguments: images that it builds on by a build argument alone: by the argument's name.
        images: the other images that it builds on, as they are written, with the line.
        remotes: lines that add something from elsewhere by no checksum.
        named: each image that it builds on or copies from, with the place where a digest of it would stand.
        labels: the names of labels that the image itself sets.
        base: what the last stage stands on; empty where that is not known.
        process: how its processes run.
    """

    taken: dict[Taken, None] = field(default_factory=dict)
    whole: dict[str, None] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    remotes: dict[int, None] = field(default_factory=dict)
    named: dict[Named, None] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    base: str = ""
    process: Process = field(default_factory=Process)


@dataclass
class _Stage:
    name: str
    base: "dockerfile.Command"
    commands: list["dockerfile.Command"] = field(default_factory=list)
    known: dict[str, str | None] = field(default_factory=dict)  # variables; None for one that cannot be told
    fixed: set[str] = field(default_factory=set)  # those that ENV set: no ARG changes them
    process: ProcessReader = field(default_factory=ProcessReader)
    is_read: bool = False


def read(text: str, name: str, target: str | None, given: Mapping[str, str | None], platform: str) -> Reading:
    """Read a Dockerfile for one platform; stages that the target does not need count for nothing, as in BuildKit.

    Args:
        text: of the Dockerfile.
        name: how messages name it.
        target: the stage to build; None for the last.
        given: build arguments; None for a value that is not known yet.
        platform: such as linux/arm64.

    Raises:
        InputError: it is no Dockerfile, or has no such stage.
    """
    commands = parsed(text, name)
    reader = _Reader(name, given, platform_arguments(platform))
    reader.divide(commands)
    reader.reading.whole |= dict.fromkeys(tricks(text))
    is_certain = not reader.reading.whole
    reader.read(reader.wanted(target))
    if not is_certain:
        reader.reading.process = Process()
    return reader.reading


def parsed(text: str, name: str) -> Sequence["dockerfile.Command"]:
    """The instructions of a Dockerfile, as BuildKit's own parser gives them.

    Raises:
        InputError: it is no Dockerfile.
    """
    # A library with Go's runtime in it: who keeps no Dockerfile does without.
    import dockerfile  # noqa: PLC0415

    if "\0" in text:
        msg = f"{name} is no Dockerfile: it holds a NUL byte; name the file that `docker build -f` takes"
        raise InputError(msg)
    try:
        # The library crashes on what is no UTF-8, and takes the process with it.
        text.encode()
        commands: Sequence[Any] = dockerfile.parse_string(text.removeprefix("\ufeff"))
    except ValueError as error:
        problem = shown(str(error))
        msg = f"{name} cannot be read as a Dockerfile: {problem}; `docker build --check -f {name} .` says more"
        raise InputError(msg) from None
    except SystemError as error:
        # Python's words for a Ctrl-C that came while the library's Go ran.
        raise error.__cause__ or error from None
    for command in commands:
        if command.cmd.upper() not in _INSTRUCTIONS:
            msg = (
                f"{name}:{command.start_line}: {command.cmd[:20]!r} is no instruction of a Dockerfile; "
                "name a Dockerfile, not a template of one"
            )
            raise InputError(msg)
    return commands


def tricks(text: str) -> Iterator[str]:
    """What its first lines ask for that is not read here, each a clause that begins with a line."""
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        found = _DIRECTIVE.fullmatch(line)
        if found is None:
            return
        directive = found["name"].lower()
        if directive == "syntax" and not _FRONTEND.fullmatch(found["value"]):
            yield f"line {number} has it read by {shown(found['value'])}, whose grammar is not known here"
        elif directive == "escape":
            yield f"line {number} has an escape character of its own"


class _Reader:
    def __init__(self, name: str, given: Mapping[str, str | None], platform: Mapping[str, str]) -> None:
        self.reading = Reading()
        self._name, self._arguments = name, Arguments(given, platform, _unquoted)
        self._global: dict[str, str | None] = dict(platform)
        self._stages: list[_Stage] = []
        self._lines: dict[str, int] = {}

    def divide(self, commands: Iterable["dockerfile.Command"]) -> None:
        for command in commands:
            if command.cmd.upper() == "FROM":
                if not command.value:
                    msg = f"{self._name}:{command.start_line}: FROM names no image"
                    raise InputError(msg)
                self._stages.append(_Stage(stage_name(command), command))
            elif self._stages:
                self._stages[-1].commands.append(command)
            elif command.cmd.upper() == "ARG":
                self._arguments.declare(command, self._global)
                self._lines |= dict.fromkeys((word.partition("=")[0] for word in command.value), command.start_line)
        if not self._stages:
            msg = f"{self._name} has no FROM; name a Dockerfile"
            raise InputError(msg)

    def wanted(self, target: str | None) -> _Stage:
        if target is None:
            return self._stages[-1]
        stage = named_stage(self._stages, target)
        if stage is None:
            names = ", ".join(stage.name for stage in self._stages if stage.name) or "none with a name"
            msg = f"{self._name} has no stage {target!r} (it has {names}); name one of them as target"
            raise InputError(msg)
        return stage

    def read(self, stage: _Stage) -> None:
        """Read a stage that is the image, and what it stands on."""
        self._visit(stage)
        self.reading.base, self.reading.labels = self._end(stage)
        self.reading.process = stage.process.process

    def _visit(self, stage: _Stage) -> None:
        if not stage.is_read:
            stage.is_read = True
            self._stand_on_base(stage)
            for command in stage.commands:
                self._command(command, stage)

    def _end(self, stage: _Stage) -> tuple[str, set[str]]:
        """Base and label names of an image that ends with this stage."""
        parent = self._parent(stage)
        base, labels = self._end(parent) if parent is not None else (self._base(stage) or "", set[str]())
        for command in stage.commands:
            if command.cmd.upper() == "LABEL":
                labels |= {name.strip("\"'") for name in command.value[::2]}
        return base, labels

    # ---- Stages and the images that they stand on.

    def _earlier(self, name: str, stage: _Stage) -> _Stage | None:
        return named_stage(self._stages[: self._stages.index(stage)], name)

    def _base(self, stage: _Stage) -> str | None:
        """What FROM names; None where that cannot be told."""
        try:
            return expanded(stage.base.value[0], self._global)
        except UnknownError:
            return None

    def _parent(self, stage: _Stage) -> _Stage | None:
        base = self._base(stage)
        # FROM takes no number for a stage.
        return None if base is None or base.isdecimal() else self._earlier(base, stage)

    def _stand_on_base(self, stage: _Stage) -> None:
        written, line = stage.base.value[0], stage.base.start_line
        base, parent = self._base(stage), self._parent(stage)
        if base is None:
            self.reading.images.setdefault(written, line)
            self._everything(f"line {line} builds on {shown(written)}, which cannot be told")
        elif parent is not None:
            self._visit(parent)
            stage.known, stage.fixed = dict(parent.known), set(parent.fixed)
            stage.process.inherit(parent.process)
        else:
            stage.process.stand_on(base)
            if base != NOTHING:
                self._stands_on(written, base, line)

    def _stands_on(self, written: str, base: str, line: int) -> None:
        if problem := reference_problem(base):
            msg = f"{self._name}:{line}: {shown(base)} {problem}; name an image as docker pull takes it"
            raise InputError(msg)
        argument = re.fullmatch(r"\$(?:(?P<plain>\w+)|\{(?P<braced>\w+)\})", written)
        name = (argument["plain"] or argument["braced"]) if argument else ""
        self.reading.named.setdefault(Named(base, self._lines.get(name, line), name))
        if name and "@" not in base:
            self.reading.arguments[name] = base
        else:
            self.reading.images.setdefault(base, line)

    def _from(self, name: str, line: int, stage: _Stage) -> None:
        """Where COPY or a mount takes its files from, if not from the context."""
        found = self._earlier(name, stage)
        if found is not None:
            self._visit(found)
        elif "$" in name:
            self._everything(f"line {line} takes files from {shown(name)}, which cannot be told")
        elif name != NOTHING:
            self.reading.named.setdefault(Named(name, line))
            self.reading.images.setdefault(name, line)

    def _everything(self, reason: str) -> None:
        """Nobody knows which stages are needed, and what for."""
        self.reading.whole.setdefault(reason)
        for stage in self._stages:
            if not stage.is_read:
                self._visit(stage)

    # ---- Instructions.

    def _command(self, command: "dockerfile.Command", stage: _Stage) -> None:
        line = command.start_line
        stage.process.read(command, stage.known)
        match command.cmd.upper():
            case "ARG":
                self._arguments.declare(command, stage.known, stage.fixed, self._global)
            case "ENV":
                self._set(command, stage)
            case "COPY" | "ADD":
                self._copy(command, stage)
            case "RUN":
                for options in mounts(command):
                    self._mount(options, command, stage)
            case "ONBUILD" if command.sub_cmd and command.sub_cmd.upper() in {"ADD", "COPY", "RUN"}:
                self.reading.whole.setdefault(f"line {line} leaves it to another build what is copied")

    def _set(self, command: "dockerfile.Command", stage: _Stage) -> None:
        before = dict(stage.known)
        for name, text in zip(command.value[::2], command.value[1::2], strict=False):
            stage.known[name] = _unquoted(text, before)
            stage.fixed.add(name)

    def _text(self, text: str, stage: _Stage) -> str | None:
        return _plain(text, stage.known)

    def _copy(self, command: "dockerfile.Command", stage: _Stage) -> None:
        line = command.start_line
        flags = flags_of(command)
        if "from" in flags:
            self._from(flags["from"], line, stage)
            return
        is_add = command.cmd.upper() == "ADD"
        for source in command.value[:-1]:
            if command.heredocs and source.startswith("<<"):
                continue  # its text stands in the Dockerfile
            if is_add and _REMOTE.match(source):
                if "checksum" not in flags:
                    self.reading.remotes.setdefault(line)
                continue
            self._take(source, line, stage)

    def _take(self, source: str, line: int, stage: _Stage) -> None:
        text = self._text(source, stage)
        if text is None:
            self.reading.whole.setdefault(f"line {line} takes {shown(source)}, which cannot be told before the build")
            return
        # To BuildKit the context is a root folder, out of which nothing leads.
        path = posixpath.normpath(f"/{text}").lstrip("/")
        if path in {"", "*", "**"}:
            self.reading.whole.setdefault(f"line {line} takes all of it")
        else:
            self.reading.taken.setdefault(Taken(path, line))

    def _mount(self, options: Mapping[str, str], command: "dockerfile.Command", stage: _Stage) -> None:
        if "from" in options:
            self._from(options["from"], command.start_line, stage)
        elif options.get("type", "bind") == "bind":
            self._take(options.get("source", options.get("src", ".")), command.start_line, stage)


def _unquoted(text: str, known: Mapping[str, str | None]) -> str | None:
    """The value of a variable, as far as it is plain: perhaps all of it in double quotes."""
    return _plain(text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text, known)


def _plain(text: str, known: Mapping[str, str | None]) -> str | None:
    """A text with its variables filled in; None where it has quotes or escapes, or a variable that nobody knows."""
    try:
        filled = expanded(text, known)
    except UnknownError:
        return None
    return None if _UNREADABLE.search(text + filled) or not filled.isprintable() else filled
