"""Reads the RUN lines of a stage: Go builds, accounts, packages, folders; what else they do is said by its line."""

import contextlib
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from carbide_infra.adoption.accounts import AccountError
from carbide_infra.adoption.go_builds import NotSayableError, Surroundings, built_by
from carbide_infra.adoption.overlays import overlay
from carbide_infra.adoption.pieces import Built, Empty, FromTree, Placed, Unclear
from carbide_infra.adoption.shell import Call, Group, Part, ShellError, Step, Word, calls_in, parse, written
from carbide_infra.adoption.stage import Context, Stage
from carbide_infra.adoption.words import short
from carbide_infra.source.go_list import package_path

if TYPE_CHECKING:
    import dockerfile

# What changes no file that an image is made of.
_NOTHING = frozenset(
    [
        "set",
        "true",
        ":",
        "echo",
        "printf",
        "ls",
        "cat",
        "test",
        "[",
        "exit",
        "pwd",
        "which",
        "date",
        "file",
        "du",
        "stat",
        "ldd",
        "readelf",
        "sha256sum",
        "ssh-keyscan",
    ]
)
_ACCOUNTS = frozenset({"adduser", "addgroup", "useradd", "groupadd"})
_PACKAGERS = frozenset({"apk", "apt-get", "apt"})
_GO_NOTHING = frozenset({"mod", "version", "env", "vet", "test", "clean", "telemetry", "fmt"})
_PACKAGE_VERBS = frozenset({"add", "install"})
_WITH_VALUE = frozenset({"-t", "--virtual", "-o", "--repository", "-X"})
_CLEANED = re.compile(r"/(var/cache/apk|var/lib/apt/lists|var/cache/apt|tmp|root/\.cache)(/.*)?")
_OWNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_.-]*)?")


def run(command: "dockerfile.Command", stage: Stage, context: Context, mounted: Sequence[Placed]) -> None:
    """Follow what a RUN does to a stage."""
    line = command.start_line
    script = "".join(heredoc.content for heredoc in command.heredocs) or " ".join(command.value)
    stage.runs[line] = script
    lines = _Lines(stage, context, line, [*stage.placed, *mounted])
    if command.json:
        lines.unknown(short(script))
        return
    if command.heredocs and not re.fullmatch(r"<<-?['\"]?\w+['\"]?", command.value[0].strip()):
        lines.unknown(short(" ".join(command.value)))
        return
    try:
        steps = parse(script)
    except ShellError as error:
        lines.unknown(f"{short(script)} {error}")
        return
    lines.follow(steps, stage.folder)


@dataclass
class _Lines:
    """The commands of one RUN."""

    stage: Stage
    context: Context
    line: int
    seen: list[Placed]
    local: dict[str, Word] = field(default_factory=dict)
    folder: str = "/"

    @property
    def where(self) -> str:
        return self.context.where(self.line)

    def unknown(self, what: str) -> None:
        """A command that is not read here: in an image it is what no entry can say."""
        self.stage.unknown.setdefault(self.line, f"RUN {what}")
        script = self.stage.runs[self.line]
        for at, placed in enumerate(self.stage.placed):
            if isinstance(placed.piece, Built) and _names(script, placed.place):
                changed = Unclear(f"copies {placed.place}, which line {self.line} may change ({what})", "take that out")
                self.stage.placed[at] = replace(placed, piece=changed)

    def follow(self, steps: Sequence[Step], folder: str) -> None:
        self.folder = folder
        for step in steps:
            if isinstance(step, Group):
                local, before = dict(self.local), self.folder
                self.follow(step.calls, self.folder)
                self.local, self.folder = local, before
            else:
                self._call(step)

    def _call(self, call: Call) -> None:
        for word in call.writes:
            self._write(word)
        if not call.words:
            self._assign(call)
            return
        words = self._texts(call)
        program = words[0]
        if program == "export" or program in _NOTHING or words[:2] == ["git", "config"]:
            return
        if not call.is_certain and program not in {"cd", "mkdir"}:
            # On another machine, or with another argument, it may not run.
            self.unknown(short(" ".join(words)))
            return
        if program == "go":
            self._go(call, words)
            return
        handler = _HANDLERS.get(program)
        is_unclear = program not in _PACKAGERS and any(map(_is_unknown, words))
        if is_unclear or (handler is None and program not in _ACCOUNTS):
            self.unknown(short(" ".join(words)))
        elif handler is None:
            self._account(program, words[1:])
        else:
            handler(self, words[1:])

    def _write(self, word: Word) -> None:
        """A file that takes a command's output is none of the clone's."""
        text = self._surroundings().plain(_below_home(word))
        if text is None:
            self.unknown(f"… > {written(word)}")
        elif not text.startswith("/dev/"):
            place = self._place(text)
            what = f"has {place}, which line {self.line} writes ({short(self.stage.runs[self.line])})"
            self._put(place, Unclear(what, "copy it from the source tree"))

    def _assign(self, call: Call) -> None:
        """What may or may not be set counts as set to what says more than a text."""
        for name, word in call.assigned.items():
            before = self.local.get(name, ())
            says_less = all(part.kind == "text" for part in word) and any(part.kind != "text" for part in before)
            if call.is_certain or not says_less:
                self.local[name] = word

    def _texts(self, call: Call) -> list[str]:
        here = self._surroundings()
        found: list[str] = []
        for word in call.words:
            words = here.words(word)
            found += [_UNKNOWN + written(word)] if words is None else words
        return found or [_UNKNOWN]

    def _surroundings(self) -> Surroundings:
        packages, files = self.context.packages, self.context.files

        def source_of(place: str) -> str | None:
            return replace_placed(self.stage, self.seen).source_of(place, files)

        return Surroundings(
            where=self.where,
            folder=self.folder,
            known=self.stage.known,
            source_of=source_of,
            package_of=packages.named,
            import_path_of=packages.path_of,
            mains_below=packages.below,
            is_folder=self.stage.is_folder,
            local={**_of_environment(self.stage), **self.local},
        )

    # ---- Go.

    def _go(self, call: Call, words: Sequence[str]) -> None:
        verb = next((word for word in words[1:] if not word.startswith("-")), "")
        # Without a package to add, `go get` fetches what go.mod says.
        is_fetched = verb == "get" and all(word.startswith(("-", "./")) for word in words[2:])
        if verb in _GO_NOTHING or is_fetched:
            return
        if verb not in {"build", "install"}:
            self.stage.made_code.setdefault(self.line, short(" ".join(words)))
            return
        start = words.index(verb)
        try:
            found = built_by(call.words[start:], self._surroundings(), {**self._exported(), **call.assigned})
        except NotSayableError as error:
            piece = Unclear(f"`go {verb}` {error.what}", error.do)
            output = self._output(words)
            self._put(output, piece)
            return
        for place, built in found:
            self._put(place, self._complete(built))

    def _complete(self, built: Built) -> Built | Unclear:
        """With its builder; a binary of code that another command makes is not what Go makes of the clone."""
        made = {
            **self.stage.made_code,
            **{line: what for line, what in self.stage.unknown.items() if line <= self.line},
        }
        if made:
            line, what = next(iter(made.items()))
            return Unclear(
                f"compiles {package_path(built.package)} after {what} (line {line}), which may write code",
                "commit what it writes, and take the line out",
            )
        if not self.context.files.is_folder(built.package):
            return Unclear(f"builds {built.package}, which is no folder of the clone", "commit it")
        other = overlay(built, self.seen, self.context.files)
        if other:
            return Unclear(
                f"compiles {package_path(built.package)} with {other}, which is not the clone's",
                "commit it, and take the line out",
            )
        return replace(built, builder=self.stage.base)

    def _exported(self) -> Mapping[str, Word]:
        return {name: word for name, word in self.local.items() if name.startswith(("GO", "CGO"))}

    def _output(self, words: Sequence[str]) -> str:
        named = next((words[at + 1] for at, word in enumerate(words[:-1]) if word == "-o"), "")
        if not named:
            # Beside what is there, and not in the place of it.
            package = posixpath.basename(words[-1].partition("@")[0].removeprefix(_UNKNOWN)) or _UNKNOWN
            return f"/go/bin/{package}" if "install" in words else posixpath.join(self.folder, package)
        return posixpath.normpath(posixpath.join(self.folder, named.removeprefix(_UNKNOWN)))

    def _put(self, place: str, piece: Built | Empty | FromTree | Unclear, mode: str = "", owner: str = "") -> None:
        placed = Placed(place, piece, self.line, mode, owner)
        self.stage.placed.append(placed)
        self.seen.append(placed)

    # ---- Files and folders.

    def change_folder(self, words: Sequence[str]) -> None:
        self.folder = self._place(words[0]) if words else "/root"

    def make(self, words: Sequence[str]) -> None:
        names, mode = _without_options(words, {"-m", "--mode"})
        for name in names:
            place = self._place(name)
            self.stage.folders.setdefault(place, self.line)
            self._put(place, Empty(), mode=f"0{mode:0>3}" if mode.isdecimal() else "")

    def _place(self, name: str) -> str:
        return posixpath.normpath(posixpath.join(self.folder, name))

    def change_mode(self, words: Sequence[str]) -> None:
        names, _ = _without_options(words, set())
        if not names:
            return
        mode, *paths = names
        octal = f"0{mode.lstrip('0'):0>3}" if re.fullmatch(r"0*[0-7]{3}", mode) else ""
        if not octal and not re.fullmatch(r"[ugoa]*\+r?x", mode):
            self.unknown(short(f"chmod {' '.join(words)}"))
            return
        self._each(paths, lambda placed: replace(placed, mode=octal or "0755"), f"chmod {' '.join(words)}")

    def change_owner(self, words: Sequence[str]) -> None:
        names, _ = _without_options(words, set())
        if len(names) < 2 or not _OWNER.fullmatch(names[0]):  # noqa: PLR2004
            self.unknown(short(f"chown {' '.join(words)}"))
            return
        self._each(names[1:], lambda placed: replace(placed, owner=names[0]), f"chown {' '.join(words)}")

    def _each(self, names: Sequence[str], change: Callable[[Placed], Placed], text: str) -> None:
        """Change what stands at these places, and below them."""
        for name in names:
            place = self._place(name)
            placed = self.stage.placed
            indices = [
                at for at, each in enumerate(placed) if each.place == place or each.place.startswith(f"{place}/")
            ]
            if not indices and place in self.stage.folders:
                placed.append(Placed(place, Empty(), self.line))
                indices = [len(placed) - 1]
            if not indices:
                self.unknown(short(text))
            for at in indices:
                placed[at] = change(placed[at])

    def copy(self, words: Sequence[str]) -> None:
        names, _ = _without_options(words, set())
        if len(names) != 2:  # noqa: PLR2004
            self.unknown(short(f"cp {' '.join(words)}"))
            return
        source, target = (self._place(name) for name in names)
        found = [each for each in self.seen if each.place == source and isinstance(each.piece, Built)]
        if not found:
            self.unknown(short(f"cp {' '.join(words)}"))
            return
        is_inside = names[1].endswith("/") or self.stage.is_folder(target)
        place = f"{target.rstrip('/')}/{posixpath.basename(source)}" if is_inside else target
        piece = found[-1].piece
        assert isinstance(piece, Built)  # noqa: S101 - as filtered above
        self._put(place, piece)

    def remove(self, words: Sequence[str]) -> None:
        names, _ = _without_options(words, set())
        if not all(_CLEANED.fullmatch(self._place(name)) for name in names):
            self.unknown(short(f"rm {' '.join(words)}"))

    # ---- Packages and accounts.

    def install(self, words: Sequence[str]) -> None:
        names, _ = _without_options(words, set(_WITH_VALUE))
        if names and names[0] in _PACKAGE_VERBS:
            for name in names[1:]:
                self.stage.installed.setdefault(re.split(r"[=<>~@]", name)[0].removeprefix(_UNKNOWN), self.line)
        elif names and names[0] not in {"update", "clean", "autoremove", "autoclean"}:
            self.stage.installed.setdefault(" ".join(words), self.line)

    def certificates(self, words: Sequence[str]) -> None:
        own = [each for each in self.stage.placed if each.place.startswith("/usr/local/share/ca-certificates")]
        if own or words:
            self.unknown("update-ca-certificates, with certificates of its own")

    def _account(self, program: str, words: Sequence[str]) -> None:
        try:
            self.stage.accounts.call(program, words, self.line)
        except AccountError as error:
            self.unknown(f"{short(' '.join([program, *words]))} {error}")


_UNKNOWN = "\x01"


def _of_environment(stage: Stage) -> dict[str, Word]:
    """Variables of ENV by their words: a version that was put into one is a version still."""
    found: dict[str, Word] = {}
    for name, text in stage.written.items():
        if name.endswith("FLAGS") and f"${name}" not in text and f"${{{name}" not in text:
            with contextlib.suppress(ShellError):
                found |= dict(next(iter(calls_in(parse(f"{name}={text}")))).assigned)
    return found


def _below_home(word: Word) -> Word:
    """A path below the home of root, who runs a build."""
    head, *rest = word
    if head.kind == "variable" and head.text == "HOME":
        return (Part("/root"), *rest)
    if head.kind == "text" and not head.is_quoted and re.match(r"~(/|$)", head.text):
        return (Part(f"/root{head.text[1:]}"), *rest)
    return word


def _names(script: str, place: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(posixpath.basename(place))}(?![\w.-])", script) is not None


def _is_unknown(word: str) -> bool:
    return word.startswith(_UNKNOWN)


_Handler = Callable[[_Lines, Sequence[str]], None]
_HANDLERS: Mapping[str, _Handler] = {
    "cd": _Lines.change_folder,
    "mkdir": _Lines.make,
    "chmod": _Lines.change_mode,
    "chown": _Lines.change_owner,
    "cp": _Lines.copy,
    "mv": _Lines.copy,
    "rm": _Lines.remove,
    "apk": _Lines.install,
    "apt-get": _Lines.install,
    "apt": _Lines.install,
    "update-ca-certificates": _Lines.certificates,
}


def _without_options(words: Sequence[str], with_value: set[str]) -> tuple[list[str], str]:
    """Words that are no options; and the value of the last option that has one."""
    names, value, waiting = [], "", list(words)
    while waiting:
        word = waiting.pop(0)
        if word in with_value:
            value = waiting.pop(0) if waiting else ""
        elif not word.startswith("-") or word == "-":
            names.append(word)
    return names, value


def replace_placed(stage: Stage, placed: Sequence[Placed]) -> Stage:
    """The stage as a RUN sees it, with what is mounted."""
    return replace(stage, placed=list(placed))
