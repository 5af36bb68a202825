"""Follows the stages of a Dockerfile: what stands where at the end of each, and how its processes run."""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from carbide_infra.adoption.accounts import Accounts
from carbide_infra.adoption.go_list import Packages
from carbide_infra.adoption.pieces import (
    AccountFile,
    Built,
    Empty,
    FromImage,
    FromTree,
    Piece,
    Placed,
    Provided,
    Unclear,
)
from carbide_infra.adoption.told import Said, Unsayable
from carbide_infra.adoption.tree_files import TreeFiles
from carbide_infra.adoption.words import DEFAULT_PATH, pairs, value_of
from carbide_infra.catalogue.bases import NOTHING
from carbide_infra.source.kept.ignoring import Ignored
from carbide_infra.source.kept.reading import shown
from carbide_infra.source.kept.variables import UnknownError, expanded, platform_arguments

if TYPE_CHECKING:
    import dockerfile

_REMOTE = re.compile(r"(https?|git|ssh)://|git@|github\.com/")
_ARCHIVE = re.compile(r"\.(tar|tgz|tbz2?|txz|tar\.\w+)$")
_WILDCARD = re.compile(r"[*?\[]")
_FOLDERS = frozenset(
    {
        *("/", "/bin", "/sbin", "/lib", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share", "/usr/local"),
        *("/usr/local/bin", "/usr/local/sbin", "/etc", "/etc/ssl", "/etc/ssl/certs", "/home", "/opt", "/root", "/var"),
        *("/var/lib", "/tmp"),  # noqa: S108 - a place in an image
    }
)
_CERTIFICATES = frozenset({"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs", "/etc/ssl"})
_ZONES = frozenset({"/usr/share/zoneinfo"})
_ACCOUNT_FILES = frozenset({"/etc/passwd", "/etc/group"})
_ANY_PLATFORM = platform_arguments("linux/amd64")


@dataclass(frozen=True)
class Context:
    """What a Dockerfile is read with.

    Attributes:
        files: of the source tree.
        packages: of it.
        file: the Dockerfile.
        folder: its context.
        ignored: what its .dockerignore leaves out, relative to the context.
        arguments: its build arguments.
    """

    files: TreeFiles
    packages: Packages
    file: str
    folder: str
    ignored: Ignored
    arguments: Mapping[str, str]

    def where(self, line: int) -> str:
        """How a message names a line."""
        return f"{self.file}:{line}"

    def in_tree(self, path: str) -> str:
        """A path of the context, relative to the source root; as to BuildKit, nothing leads out of the context."""
        return posixpath.normpath(posixpath.join(self.folder, posixpath.normpath(f"/{path}").lstrip("/")))


@dataclass
class Stage:
    """One stage, and what is known at its end.

    Attributes:
        name: of the stage; empty for none.
        base: the image that it and its parents stand on; None where that is not known.
        builder: where `base` is said.
        unsayable: what no entry can say, if this stage is the image.
        unknown: commands whose effect on files is not read here: by line.
    """

    name: str
    start: "dockerfile.Command"
    commands: list["dockerfile.Command"] = field(default_factory=list)
    is_read: bool = False
    base: Said | None = None
    known: dict[str, str | None] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)
    written: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    workdir: Said | None = None
    folders: dict[str, int] = field(default_factory=dict)
    environment: dict[str, Said] = field(default_factory=dict)
    labels: dict[str, Said] = field(default_factory=dict)
    placed: list[Placed] = field(default_factory=list)
    accounts: Accounts = field(default_factory=Accounts)
    installed: dict[str, int] = field(default_factory=dict)
    ports: dict[int, Said] = field(default_factory=dict)
    user: Said | None = None
    entrypoint: Said | None = None
    command: Said | None = None
    has_own_command: bool = False
    health: Said | None = None
    stop_signal: Said | None = None
    unsayable: list[Unsayable] = field(default_factory=list)
    unknown: dict[int, str] = field(default_factory=dict)
    made_code: dict[int, str] = field(default_factory=dict)
    secrets: dict[str, int] = field(default_factory=dict)
    runs: dict[int, str] = field(default_factory=dict)

    @property
    def builds(self) -> int:
        """How many binaries of the source tree were made in it."""
        return sum(isinstance(placed.piece, Built) for placed in self.placed)

    def place(self, path: str) -> str:
        """An absolute path of this stage."""
        return posixpath.normpath(posixpath.join(self.folder, path))

    def is_folder(self, place: str) -> bool:
        """Whether something is known to be a folder here."""
        if place in self.folders or (place in _FOLDERS and self.base is not None and self.base.value != NOTHING):
            return True
        return any(each.place.startswith(f"{place}/") for each in self.placed)

    def found(self, place: str, files: TreeFiles) -> list[Placed]:
        """What stands at a place, and below it."""
        below = {each.place: each for each in self.placed if each.place.startswith(f"{place.rstrip('/')}/")}
        # A folder that is made hides nothing of what was there.
        empty = [each for each in self.placed if each.place == place and isinstance(each.piece, Empty)][-1:]
        for each in reversed(self.placed):
            if isinstance(each.piece, Empty):
                continue
            if each.place == place:
                return [each, *below.values()]
            if isinstance(each.piece, FromTree) and place.startswith(f"{each.place.rstrip('/')}/"):
                path = posixpath.normpath(f"{each.piece.path}/{posixpath.relpath(place, each.place)}")
                if files.is_file(path) or files.is_folder(path):
                    piece = FromTree(path)
                    return [Placed(place, piece, each.line, each.mode, each.owner), *below.values()]
        return [*empty, *below.values()]

    def source_of(self, place: str, files: TreeFiles) -> str | None:
        """The file or folder of the source tree at a place."""
        there = [(each.place, each.piece.path) for each in self.found(place, files) if isinstance(each.piece, FromTree)]
        for found, path in there:
            inner = found.removeprefix(place).lstrip("/")
            # A folder into which its files were copied one by one, each to its own place.
            if not inner or path == inner or path.endswith(f"/{inner}"):
                return posixpath.normpath(path.removesuffix(inner) or ".") if inner else path
        return None

    def note(self, where: str, what: str, do: str) -> None:
        """Something that no entry can say."""
        self.unsayable.append(Unsayable(where, what, do))


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
        self._global: dict[str, str | None] = dict(_ANY_PLATFORM)
        self.arguments: dict[str, int] = {}
        self.stages: list[Stage] = []
        for command in commands:
            self._divide(command)

    def _divide(self, command: "dockerfile.Command") -> None:
        match command.cmd.upper():
            case "FROM":
                words = command.value
                is_named = len(words) == 3 and words[1].upper() == "AS"  # noqa: PLR2004
                self.stages.append(Stage(words[2].lower() if is_named else "", command))
            case _ if self.stages:
                self.stages[-1].commands.append(command)
            case "ARG":
                self._declare(command, self._global, set(), {})

    @property
    def packages(self) -> frozenset[str]:
        """The main packages that any stage builds."""
        pieces = (placed.piece for stage in self.stages for placed in stage.placed)
        return frozenset(piece.package for piece in pieces if isinstance(piece, Built))

    def image(self, target: str | None) -> Stage | None:
        """The stage that is the image, read; None where there is no such stage."""
        stage = self.stage(target, len(self.stages)) if target else self.stages[-1]
        if stage is not None:
            self._read(stage)
        return stage

    def stage(self, name: str, before: int) -> Stage | None:
        """An earlier stage, by name or number."""
        earlier = self.stages[:before]
        found = next((stage for stage in reversed(earlier) if stage.name and stage.name == name.lower()), None)
        if found is None and name.isdecimal() and int(name) < len(earlier):
            return earlier[int(name)]
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
        parent = None if base.isdecimal() else self.stage(base, self.stages.index(stage))
        if parent is None:
            stage.base = Said(base, self.context.where(line))
            stage.known["PATH"] = DEFAULT_PATH
            return
        self._read(parent)
        _inherit(stage, parent)

    # ---- Instructions.

    def _command(self, command: "dockerfile.Command", stage: Stage) -> None:
        where = self.context.where(command.start_line)
        match command.cmd.upper():
            case "ARG":
                self._declare(command, stage.known, stage.fixed, self._global)
            case "ENV":
                self._environment(command, stage, where)
            case "COPY" | "ADD":
                self._copy(command, stage)
            case "RUN":
                self._run(command, stage, self.context, self._mounted(command, stage))
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

    def _declare(
        self,
        command: "dockerfile.Command",
        known: dict[str, str | None],
        fixed: set[str],
        outer: Mapping[str, str | None],
    ) -> None:
        for word in command.value:
            name, has_default, default = word.partition("=")
            self.arguments.setdefault(name, command.start_line)
            if name in fixed:
                continue
            if name in self.context.arguments:
                known[name] = self.context.arguments[name]
            elif has_default:
                known[name] = value_of(default, known)
            else:
                known[name] = outer.get(name, _ANY_PLATFORM.get(name))

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
        flags = dict(flag.removeprefix("--").partition("=")[::2] for flag in command.flags)
        for name in flags.keys() - {"interval", "timeout", "start-period", "retries"}:
            stage.note(where, f"has HEALTHCHECK --{shown(name)}", "leave it out")
        words = command.value[1:]
        return {
            "command": list(words) if command.json else ["/bin/sh", "-c", " ".join(words)],
            # Docker's own where nothing is said.
            "interval": flags.get("interval", "30s"),
            "timeout": flags.get("timeout", "30s"),
            "startPeriod": flags.get("start-period", "0s"),
            "retries": int(flags["retries"]) if flags.get("retries", "").isdecimal() else 3,
        }

    # ---- Files.

    def _copy(self, command: "dockerfile.Command", stage: Stage) -> None:
        line = command.start_line
        flags = [flag.removeprefix("--").partition("=")[::2] for flag in command.flags]
        one = dict(flags)
        texts = [value_of(word, stage.known) for word in command.value]
        if command.heredocs or None in texts or "parents" in one or len(texts) < 2:  # noqa: PLR2004 - from and to
            text = shown(command.original.splitlines()[0])
            stage.note(self.context.where(line), f"has {text}", "copy files of the source tree by their names")
            return
        *sources, target = [text or "" for text in texts]
        exclude = tuple(value for name, value in flags if name == "exclude")
        found = [each for source in sources for each in self._sources(source, command, stage, one.get("from"), exclude)]
        place = stage.place(target)
        is_inside = target.endswith(("/", "/.")) or target == "." or len(sources) > 1 or stage.is_folder(place)
        mode, owner = _mode(one.get("chmod", "")), value_of(one.get("chown", ""), stage.known) or ""
        for name, piece, own_mode in found:
            is_whole = name == "" or not is_inside
            stage.placed.append(
                Placed(place if is_whole else f"{place.rstrip('/')}/{name}", piece, line, mode or own_mode, owner)
            )
            if isinstance(piece, AccountFile):
                self._take_accounts(stage, one.get("from"))

    def _take_accounts(self, stage: Stage, name: str | None) -> None:
        source = self.stage(name or "", self.stages.index(stage))
        if source is not None:
            stage.accounts.users |= source.accounts.users
            stage.accounts.groups |= source.accounts.groups

    def _sources(
        self, text: str, command: "dockerfile.Command", stage: Stage, origin: str | None, exclude: tuple[str, ...]
    ) -> Iterator[tuple[str, Piece, str]]:
        """Name below the target, empty for the target itself; piece; and mode."""
        if origin is None:
            yield from self._from_context(text, command, exclude)
            return
        origin = value_of(origin, {**self._global, **stage.known}) or origin
        source = self.stage(origin, self.stages.index(stage))
        if source is None:
            yield posixpath.basename(text), FromImage(origin, posixpath.join("/", text)), ""
            return
        self._read(source)
        yield from self._from_stage(text, source, exclude)

    def _from_context(
        self, text: str, command: "dockerfile.Command", exclude: tuple[str, ...]
    ) -> Iterator[tuple[str, Piece, str]]:
        if command.cmd.upper() == "ADD" and (_REMOTE.match(text) or _ARCHIVE.search(text)):
            what = f"adds {shown(text)}"
            yield posixpath.basename(text), Unclear(what, "put its content into the source tree"), ""
            return
        files, path = self.context.files, self.context.in_tree(text)
        matching = files.matching(path) if _WILDCARD.search(path) else [path]
        for each in matching or [path]:
            relative = posixpath.relpath(each, self.context.folder)
            if files.is_file(each) and relative not in self.context.ignored:
                yield posixpath.basename(each), FromTree(each), ""
            elif files.is_folder(each):
                yield "", FromTree(each, (*exclude, *self._left_out(each))), ""
            else:
                yield (
                    posixpath.basename(each),
                    Unclear(f"copies {shown(text)}, which is no file of the clone", "add it"),
                    "",
                )

    def _left_out(self, folder: str) -> list[str]:
        """What the .dockerignore leaves out of a folder."""
        if folder == self.context.folder:
            return []
        inner = [posixpath.relpath(name, self.context.folder) for name in self.context.files.below(folder)]
        base = posixpath.relpath(folder, self.context.folder)
        return [posixpath.relpath(name, base) for name in inner if name in self.context.ignored]

    def _from_stage(self, text: str, source: Stage, exclude: tuple[str, ...]) -> Iterator[tuple[str, Piece, str]]:
        place = posixpath.join("/", posixpath.normpath(f"/{text}").lstrip("/"))
        if _WILDCARD.search(place):
            pattern = re.compile(re.escape(place).replace(r"\*", "[^/]*").replace(r"\?", "[^/]"))
            found = [each for each in source.placed if pattern.fullmatch(each.place)]
        else:
            found = source.found(place, self.context.files)
        for each in found:
            is_file = each.place == place and not self._is_folder(each)
            name = (
                posixpath.basename(each.place)
                if is_file or _WILDCARD.search(place)
                else posixpath.relpath(each.place, place)
            )
            yield "" if name == "." else name, self._through(each, source, exclude), each.mode
        if not found:
            yield posixpath.basename(place), _known_piece(place) or self._unclear(place, source), ""

    def _is_folder(self, placed: Placed) -> bool:
        piece = placed.piece
        return isinstance(piece, Empty) or (isinstance(piece, FromTree) and self.context.files.is_folder(piece.path))

    def _through(self, placed: Placed, source: Stage, exclude: tuple[str, ...]) -> Piece:
        """A file of the source tree that a command may have changed on its way is another one."""
        piece = placed.piece
        if not isinstance(piece, FromTree):
            return piece
        if source.unknown:
            line, what = next(iter(source.unknown.items()))
            return Unclear(
                f"copies {placed.place} after {what} (line {line}), which may change it", "copy it from the context"
            )
        left_out = self._left_out(piece.path) if self.context.files.is_folder(piece.path) else []
        return FromTree(piece.path, tuple(dict.fromkeys((*piece.exclude, *left_out, *exclude))))

    def _unclear(self, place: str, source: Stage) -> Unclear:
        base = posixpath.basename(place)
        runs = list(source.runs.items())
        line, text = next(((line, text) for line, text in runs if base in text), runs[-1] if runs else (0, ""))
        if not line:
            return Unclear(
                f"copies {place} of {source.base.value if source.base else 'an image'}", "name its image by digest"
            )
        return Unclear(
            f"copies {place}, which line {line} makes ({_short(text)})",
            "only Go binaries and files of the source tree are made anew",
        )

    def _mounted(self, command: "dockerfile.Command", stage: Stage) -> list[Placed]:
        """What a RUN sees beside the stage's own files."""
        import csv  # noqa: PLC0415

        found = []
        for flag in command.flags:
            name, _, options = flag.partition("=")
            row = next(csv.reader([options]), []) if name == "--mount" else []
            keys = {key.lower(): value for key, _, value in (part.partition("=") for part in row)}
            if keys.get("type") == "secret":
                stage.secrets.setdefault(
                    keys.get("id") or posixpath.basename(keys.get("target", "")), command.start_line
                )
            elif keys.get("type") == "ssh":
                stage.secrets.setdefault("ssh", command.start_line)
            elif keys and keys.get("type", "bind") == "bind" and "from" not in keys:
                target = keys.get("target") or keys.get("dst") or keys.get("destination") or "/"
                source = self.context.in_tree(keys.get("source") or keys.get("src") or ".")
                found.append(Placed(stage.place(target), FromTree(source), command.start_line))
        return found


def _inherit(stage: Stage, parent: Stage) -> None:
    stage.base, stage.folder, stage.workdir = parent.base, parent.folder, parent.workdir
    for name in (
        "known",
        "folders",
        "environment",
        "labels",
        "installed",
        "ports",
        "unknown",
        "made_code",
        "runs",
        "written",
    ):
        setattr(stage, name, dict(getattr(parent, name)))
    stage.fixed, stage.placed = set(parent.fixed), list(parent.placed)
    stage.accounts, stage.unsayable = parent.accounts.copied(), [*parent.unsayable, *stage.unsayable]
    stage.user, stage.entrypoint, stage.command = parent.user, parent.entrypoint, parent.command
    stage.health, stage.stop_signal, stage.secrets = parent.health, parent.stop_signal, dict(parent.secrets)


def _exec_form(command: "dockerfile.Command", words: Sequence[str]) -> list[str]:
    return list(words) if command.json else ["/bin/sh", "-c", " ".join(words)]


def _mode(text: str) -> str:
    return f"0{text.lstrip('0'):0>3}" if re.fullmatch(r"0*[0-7]{3}", text) else ("0755" if "x" in text else "")


def _known_piece(place: str) -> Piece | None:
    if place in _CERTIFICATES:
        return Provided("ca-certificates")
    if place in _ZONES:
        return Provided("timezones")
    return AccountFile() if place in _ACCOUNT_FILES else None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return shown(line if len(line) <= 60 else f"{line[:57]}…")  # noqa: PLR2004
