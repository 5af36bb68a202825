"""Reads `go build` commands: which package, to which file, with which flags, and what the linker sets."""

import itertools
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from carbide_infra.adoption.pieces import Built
from carbide_infra.adoption.shell import Part, Word, calls_in, parse, plain, split, written
from carbide_infra.adoption.shell import ShellError as ShellError  # noqa: PLC0414 - part of what `parse` may raise
from carbide_infra.adoption.told import Said

_WITH_VALUE = frozenset(
    [
        "o",
        "p",
        "C",
        "tags",
        "ldflags",
        "gcflags",
        "asmflags",
        "mod",
        "modfile",
        "overlay",
        "pkgdir",
        "installsuffix",
        "buildmode",
        "compiler",
        "pgo",
        "toolexec",
        "covermode",
        "coverpkg",
        "buildvcs",
        "trimpath",
        "a",
        "v",
        "x",
        "race",
        "msan",
        "asan",
        "work",
        "n",
        "i",
        "linkshared",
        "modcacherw",
        "cover",
    ]
)
_BOOLEAN = frozenset(
    {
        *("trimpath", "a", "v", "x", "race", "msan", "asan", "work", "n", "i", "linkshared", "modcacherw", "cover"),
        *("buildvcs",),
    }
)
# They change neither what the binary does nor how it is linked, or the program does the same.
MEANS_NOTHING = frozenset({"trimpath", "a", "v", "x", "modcacherw", "mod", "buildvcs", "pgo"})
"""Flags of `go build` that no entry needs."""

# And those of how and where the command runs.
_OF_COMMANDS = frozenset({"o", "p", "C", "work", "i", "installsuffix"})
_FACTS = (
    ("version", re.compile(r"version|release|(^|_)(tag|ver)($|_)", re.IGNORECASE)),
    ("revision", re.compile(r"commit|sha|revision|git_?(rev|hash)|(^|_)(rev|ref)($|_)", re.IGNORECASE)),
    ("buildTime", re.compile(r"date|time|built", re.IGNORECASE)),
)
_OUTPUTS = (
    ("version", re.compile(r"\bgit\s+describe\b")),
    ("revision", re.compile(r"\bgit\s+(rev-parse|log|show|rev-list)\b")),
    ("buildTime", re.compile(r"(^|[\s;&|(])date\b")),
)
# They make another binary, and no entry has a word for them.
_SPECIAL = ("GOEXPERIMENT", "GOAMD64", "GOARM64", "GOFIPS140")
_LISTS = frozenset({"tags", "gcflags"})
_VERSION_FILE = re.compile(r"(^|/)[^/]*version[^/]*$", re.IGNORECASE)
_FLAG = re.compile(r"[A-Za-z0-9_./:=,@%+~-]+")
_SLOT = re.compile("\x01(\\d+)\x02")
_PLATFORMS = frozenset({"386", "amd64", "arm64", "ppc64le", "riscv64", "s390x"})


class NotSayableError(Exception):
    """An entry cannot say it.

    Attributes:
        what: the command does.
        do: makes an entry possible.
    """

    def __init__(self, what: str, do: str) -> None:
        self.what, self.do = what, do
        super().__init__(what)


@dataclass(frozen=True)
class Surroundings:
    """What a command of a stage meets.

    Attributes:
        where: file and line of it.
        folder: that it runs in.
        known: variables; None for one that cannot be told.
        local: variables that the same script sets, by their words.
        source_of: the file or folder of the source tree at a place of the stage; None where there is none.
        package_of: the folder of a package that is named by its import path; None for one that is not the tree's.
        import_path_of: the reverse.
        mains_below: the folders of main packages at or below a folder.
    """

    where: str
    folder: str
    known: Mapping[str, str | None]
    source_of: Callable[[str], str | None]
    package_of: Callable[[str], str | None]
    import_path_of: Callable[[str], str]
    mains_below: Callable[[str], Sequence[str]]
    is_folder: Callable[[str], bool]
    local: Mapping[str, Word] = field(default_factory=dict)

    def plain(self, word: Word) -> str | None:
        """A word's text, with what the script and the Dockerfile set."""
        return plain(self.flat(word), self.known)

    def words(self, word: Word) -> Sequence[str] | None:
        """The words that one becomes."""
        return split(self.flat(word), self.known)

    def flat(self, word: Word, depth: int = 0) -> Word:
        """A word with the variables of this script replaced by what they were set to."""
        parts: list[Part] = []
        for part in word:
            inner = self.local.get(part.text) if part.kind == "variable" else None
            parts += [part] if inner is None or depth > len(self.local) else self.flat(inner, depth + 1)
        return tuple(parts)


def built_by(words: Sequence[Word], here: Surroundings, environment: Mapping[str, Word]) -> list[tuple[str, Built]]:
    """The files that a `go build` or `go install` makes, by their places.

    Args:
        words: behind `go build`; the first is `build` or `install`.
        here: what it meets.
        environment: variables that are set for this command alone.

    Raises:
        NotSayableError: no entry can say it.
    """
    verb = here.plain(words[0])
    general = [(Part(flag),) for flag in (_variable("GOFLAGS", here, environment) or "").split()]
    flags, packages = _divided([*general, *words[1:]], here)
    _require_no_cgo(here, environment)
    _require_plain_go(here, environment)
    folder = _joined(here.folder, _text(flags.get("C"), here, "-C"))
    said, version, notes = _flags(flags, here)
    said |= _platforms(here, environment)
    if _variable("CGO_ENABLED", here, environment) is None:
        notes = (*notes, f"{here.where}: leaves CGO_ENABLED to Go, and the catalogue compiles without cgo")
    folders = [each for package in packages or ["."] for each in _folders(package, folder, here)]
    if not folders:
        msg = f"builds {' '.join(packages)}, in which there is no main package"
        raise NotSayableError(msg, "name the main package in a catalogue entry by hand")
    output = _output(verb, flags, folder, here, environment)
    is_folder = verb == "install" or output.endswith("/") or len(folders) > 1 or here.is_folder(output)
    return [
        (
            posixpath.normpath(f"{output}/{_binary_name(each, packages, here)}" if is_folder else output),
            Built(each, here.where, said, version, notes=notes, folder=folder),
        )
        for each in folders
    ]


def _divided(words: Sequence[Word], here: Surroundings) -> tuple[dict[str, Word], list[str]]:
    flags: dict[str, Word] = {}
    packages: list[str] = []
    waiting = list(_split_words(words, here))
    while waiting:
        word = waiting.pop(0)
        head = word[0].text if word and word[0].kind == "text" else ""
        if not head.startswith("-"):
            text = here.plain(word)
            if text is None:
                msg = f"builds {written(word)}, which cannot be told before the build"
                raise NotSayableError(msg, "write the package out")
            packages.append(text)
            continue
        name, equals, value = head.lstrip("-").partition("=")
        if name not in _WITH_VALUE:
            msg = f"has the flag -{name}"
            raise NotSayableError(msg, "leave it out")
        if equals:
            flags[name] = (Part(value, is_quoted=True), *word[1:])
        elif name in _BOOLEAN:
            flags[name] = (Part("true"),)
        else:
            flags[name] = waiting.pop(0) if waiting else ()
    return flags, packages


def _split_words(words: Sequence[Word], here: Surroundings) -> Iterator[Word]:
    """A variable that nobody quotes may be several words, or none."""
    for word in words:
        is_bare = len(word) == 1 and word[0].kind == "variable" and not word[0].is_quoted
        texts = here.words(word) if is_bare else None
        if texts is None:
            yield word
        else:
            yield from ((Part(text),) for text in texts)


def _text(word: Word | None, here: Surroundings, flag: str) -> str:
    if word is None:
        return ""
    text = here.plain(word)
    if text is None:
        msg = f"has {flag} {written(word)}, which cannot be told before the build"
        raise NotSayableError(msg, "write it out")
    return text


def _joined(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path))


def _require_no_cgo(here: Surroundings, environment: Mapping[str, Word]) -> None:
    if _variable("CGO_ENABLED", here, environment) == "1":
        msg = "compiles with cgo"
        raise NotSayableError(msg, "set CGO_ENABLED=0 if the program works without")


def _require_plain_go(here: Surroundings, environment: Mapping[str, Word]) -> None:
    for name in _SPECIAL:
        value = _variable(name, here, environment)
        if value:
            msg = f"compiles with {name}={value}"
            raise NotSayableError(msg, "leave it out, if the program works without")


def _variable(name: str, here: Surroundings, environment: Mapping[str, Word]) -> str | None:
    return here.plain(environment[name]) if name in environment else here.known.get(name)


def _platforms(here: Surroundings, environment: Mapping[str, Word]) -> dict[str, Said]:
    """A platform that the command insists on."""
    if "GOOS" not in {**here.known, **environment} and "GOARCH" not in {**here.known, **environment}:
        return {}
    system, architecture = (_literal(name, here, environment) for name in ("GOOS", "GOARCH"))
    if system not in {"", "linux"}:
        msg = f"compiles for {system}"
        raise NotSayableError(msg, "an image of the catalogue runs on linux")
    if not architecture:
        return {}
    if architecture not in _PLATFORMS:
        msg = f"compiles for {architecture}"
        raise NotSayableError(msg, "leave GOARCH to the build's platform")
    return {"platforms": Said([f"linux/{architecture}"], here.where)}


def _literal(name: str, here: Surroundings, environment: Mapping[str, Word]) -> str:
    """What a variable is set to; empty where that follows the build's own platform."""
    word = environment.get(name) or here.local.get(name)
    if word is not None:
        return word[0].text if len(word) == 1 and word[0].kind == "text" else ""
    value = here.known.get(name) or ""
    return "" if value in {here.known.get("TARGETARCH"), here.known.get("TARGETOS")} else value


def _output(
    verb: str | None, flags: Mapping[str, Word], folder: str, here: Surroundings, environment: Mapping[str, Word]
) -> str:
    if verb == "install":
        path = _variable("GOPATH", here, environment) or "/go"
        return (_variable("GOBIN", here, environment) or f"{path}/bin") + "/"
    named = _text(flags.get("o"), here, "-o")
    if not named:
        return f"{folder}/"
    return posixpath.join(folder, named)


def _folders(package: str, folder: str, here: Surroundings) -> Sequence[str]:
    """The folders of the main packages that a word names."""
    base, is_pattern = (package[:-3].rstrip("/") or ".", True) if package.endswith("...") else (package, False)
    if base.startswith((".", "/")) or base.endswith(".go"):
        path = _joined(folder, base)
        source = here.source_of(path)
        if source is not None and base.endswith(".go"):
            source = posixpath.dirname(source) or "."
    else:
        source = here.package_of(base)
    if source is None:
        msg = f"builds {package}, which is nowhere in the source tree"
        raise NotSayableError(msg, "a binary of another repository stays with its Dockerfile")
    return here.mains_below(source) if is_pattern else [source]


def _binary_name(folder: str, packages: Sequence[str], here: Surroundings) -> str:
    """As Go calls it: by the first file, else by the last element of the import path that is no major version."""
    if packages and packages[0].endswith(".go"):
        return posixpath.basename(packages[0]).removesuffix(".go")
    path = here.import_path_of(folder)
    return posixpath.basename(re.sub(r"/v[2-9]\d*$|/v1\d+$", "", path))


# ---- Flags.


def _flags(flags: Mapping[str, Word], here: Surroundings) -> tuple[dict[str, Said], Said | None, tuple[str, ...]]:
    said: dict[str, Said] = {"ldflags": Said([], f"{here.where}: none")}
    version: Said | None = None
    notes: list[str] = []
    for name, word in flags.items():
        if name in _LISTS and (argument := _empty_argument(word, here)):
            notes.append(f"{here.where}: -{name} is left out, for nothing here says {argument}")
            continue
        match name:
            case "tags":
                said["tags"] = Said(re.split(r"[ ,]+", _text(word, here, "-tags").strip()), here.where)
            case "gcflags":
                said["gcflags"] = Said(shlex.split(_text(word, here, "-gcflags")), here.where)
            case "ldflags":
                linker = _Linker(word, here)
                said["ldflags"] = Said(linker.flags, here.where)
                if linker.symbols:
                    said["symbols"] = Said(linker.symbols, here.where)
                version = linker.version
                notes += linker.notes
            case _ if name not in MEANS_NOTHING | _OF_COMMANDS and _text(word, here, f"-{name}") != "false":
                msg = f"has the flag -{name}"
                raise NotSayableError(msg, "leave it out, if the program works without")
    return said, version, tuple(notes)


def _empty_argument(word: Word, here: Surroundings) -> str:
    """The name of the build argument that a word is, where nobody gives it a value; empty for any other word."""
    parts = [part for part in here.flat(word) if part.kind != "text" or part.text]
    if len(parts) != 1 or parts[0].kind != "variable" or parts[0].default:
        return ""
    name = parts[0].text
    return name if here.known.get(name, "") is None else ""


class _Linker:
    """What stands in -ldflags."""

    def __init__(self, word: Word, here: Surroundings) -> None:
        self.flags: list[str] = []
        self.symbols: dict[str, Said] = {}
        self.version: Said | None = None
        self.notes: list[str] = []
        self._here = here
        self._parts: list[Part] = []
        text = "".join(self._slotted(part) for part in here.flat(word))
        try:
            words = iter(shlex.split(text))
        except ValueError:
            msg = f"has -ldflags {written(word)}"
            raise NotSayableError(msg, "close its quotes") from None
        for flag in words:
            if flag in {"-X", "--X"}:
                self._symbol(next(words, ""))
            elif flag.startswith(("-X=", "--X=")):
                self._symbol(flag.partition("=")[2])
            elif flag.lstrip("-").startswith("extldflags"):
                if "=" not in flag:
                    next(words, "")
                self.notes.append(f"{here.where}: -extldflags is left out, for it does nothing without cgo")
            elif not _FLAG.fullmatch(flag):
                msg = f"has -ldflags {self._shown(flag)}"
                raise NotSayableError(msg, "write it out without variables and quotes")
            else:
                self.flags.append(flag)

    def _slotted(self, part: Part) -> str:
        if part.kind == "text":
            return part.text.replace("\x01", "")
        self._parts.append(part)
        return f"\x01{len(self._parts) - 1}\x02"

    def _shown(self, text: str) -> str:
        return _SLOT.sub(lambda found: written((self._parts[int(found[1])],)), text)

    def _symbol(self, text: str) -> None:
        symbol, _, value = text.partition("=")
        if _SLOT.search(symbol):
            symbol = self._filled(symbol)
        where = self._here.where
        slots = _SLOT.findall(value)
        if not slots:
            self.symbols[symbol] = Said({"text": value}, where)
            return
        if len(slots) > 1 or _SLOT.sub("", value):
            msg = f"sets {symbol} to {self._shown(value)}"
            raise NotSayableError(msg, f"let the program put it together, and set {symbol} to one fact")
        part = self._parts[int(slots[0])]
        fact, version = fact_of(part, self._here)
        if fact:
            self.symbols[symbol] = Said(fact, where)
            self.version = self.version or version
            if version and "gitTag" in version.value:
                self.notes.append(
                    f"{where}: git describe prints more than a version, such as v1.4.0-3-gabcdef0; the catalogue's "
                    f"version is that of the tag alone, such as 1.4.0, and so is {symbol}"
                )
            return
        text = self._here.plain((part,)) or ""
        if not text:
            msg = f"sets {symbol} to {self._shown(value)}"
            raise NotSayableError(msg, f"only a person knows what that is: write symbols: {{{symbol}: …}}")
        self.symbols[symbol] = Said({"text": text}, where)

    def _filled(self, text: str) -> str:
        def value(found: re.Match[str]) -> str:
            filled = self._here.plain((self._parts[int(found[1])],))
            if filled is None:
                msg = f"sets {self._shown(text)}"
                raise NotSayableError(msg, "write the variable's name out")
            return filled

        return _SLOT.sub(value, text)


def fact_of(part: Part, here: Surroundings) -> tuple[str, Said | None]:
    """Which fact a part of a word stands for, empty for none; and where the version is, if that is said."""
    if part.kind == "output":
        return _printed(part, here)
    return next((fact for fact, pattern in _FACTS if pattern.search(part.text)), ""), None


def _printed(part: Part, here: Surroundings) -> tuple[str, Said | None]:
    for fact, pattern in _OUTPUTS:
        if pattern.search(part.text):
            return fact, Said({"gitTag": _tags_of(part, here)}, here.where) if fact == "version" else None
    for text in _texts_of(part, here):
        path = here.source_of(_joined(here.folder, text)) if text and _VERSION_FILE.search(text) else None
        if path is not None:
            return "version", Said({"file": path}, here.where)
    return "", None


def _tags_of(part: Part, here: Surroundings) -> str:
    """The git tags that are looked at."""
    words = list(_texts_of(part, here))
    named = [after for word, after in itertools.pairwise(words) if word == "--match"]
    named += [word.partition("=")[2] for word in words if word.startswith("--match=")]
    return named[0] if named else "v*"


def _texts_of(part: Part, here: Surroundings) -> Iterator[str]:
    """The words of a script, without those that cannot be told."""
    try:
        calls = list(calls_in(parse(part.text)))
    except ShellError:
        return
    yield from (text for call in calls for word in call.words if (text := here.plain(word)))
