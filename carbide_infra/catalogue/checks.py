"""Checks the images of a catalogue against a source tree: what can be said before anything is built."""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.catalogue.bases import known_base
from carbide_infra.catalogue.files import FileError, files_of, module_of
from carbide_infra.catalogue.loading import Catalogue, Stack
from carbide_infra.catalogue.model import BaseUser, FileVersion, ForeignFile, Image, RootUser, SourceFile
from carbide_infra.catalogue.problems import Key, Problem

Noted = Callable[..., Problem]
"""Makes a problem of a key, a text and a value: it knows file, line and image."""

_GO_DIRECTIVE = re.compile(r"^go\s+(?P<version>\d+\.\d+(\.\d+)?)", re.MULTILINE)
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True)
class Findings:
    """What the checks found.

    Attributes:
        errors: with these an image cannot be built, or cannot work.
        warnings: what somebody should know.
    """

    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def check(image: Image, root: Path, noted: Noted, *, is_development: bool) -> Findings:
    """Check one image.

    Args:
        image: the image.
        root: the source root.
        noted: makes a problem of (key, text, value).
        is_development: whether the stack's images serve development only.
    """
    looks = _ERRORS if image.kept is None else (_version_file, _own_dockerfile)
    errors = [noted(*finding) for look in looks for finding in look(image, root)]
    unpinned = [noted(*finding) for finding in _foreign_without_digest(image)]
    warnings = [noted(*finding) for finding in _root_user(image)]
    if is_development:
        return Findings(tuple(errors), (*warnings, *unpinned))
    return Findings((*errors, *unpinned), tuple(warnings))


def check_images(
    catalogue: Catalogue, stack: Stack, images: Iterable[Image], root: Path, *, is_development: bool
) -> Findings:
    """Check the images that a stack builds, and say where each problem is written."""
    found = [
        check(
            image,
            root,
            lambda key, text, value=None, name=image.name: catalogue.problem(name, key, text, value, stack),
            is_development=is_development,
        )
        for image in images
    ]
    return Findings(
        tuple(error for each in found for error in each.errors),
        tuple(warning for each in found for warning in each.warnings),
    )


_Finding = tuple[Key, str, object]


def _packages(image: Image, root: Path) -> Iterator[_Finding]:
    for binary in image.binaries:
        key: Key = () if binary.index is None else ("binaries", binary.index)
        folder = root / binary.folder
        if not _is_inside(root, folder):
            yield (*key, "package"), f"leads out of the source root {root}; put a copy in its place", binary.package
        elif not folder.is_dir():
            hint = _relative_to_module(root, binary.folder, binary.module)
            yield (*key, "package"), f"there is no folder {folder}{hint}; name a main package", binary.package
        elif all(file.name.endswith("_test.go") for file in folder.glob("*.go")):
            yield (*key, "package"), f"has no Go files (looked in {folder}); name a main package", binary.package
        elif binary.module is not None and not (root / binary.module / "go.mod").is_file():
            yield (*key, "module"), f"has no go.mod (looked in {root / binary.module})", binary.module
        elif binary.module is None and module_of(root, binary.folder) is None:
            text = f"has no go.mod at or above it in {root}; name a package of a Go module"
            yield (*key, "package"), text, binary.package


def _relative_to_module(root: Path, folder: str, module: str | None) -> str:
    inner = folder.removeprefix(f"{module}/")
    is_there = module is not None and inner != folder and (root / inner).is_dir()
    return f", for a package is named from its module: ./{posixpath.relpath(inner, module)}" if is_there else ""


def _go_version(image: Image, root: Path) -> Iterator[_Finding]:
    """Without this the compiler says so, in every build."""
    given = _numbers(image.go_version)
    for binary in image.binaries:
        module = binary.module or module_of(root, binary.folder) or "."
        found = _GO_DIRECTIVE.search(_text(root / module / "go.mod"))
        # A version without a patch level, such as 1.25, is the newest patch release of its line.
        if found and given < _numbers(found["version"])[: len(given)]:
            file = posixpath.normpath(posixpath.join(module, "go.mod"))
            text = f"is older than {file} asks for; set {found['version']} or newer"
            yield ("goVersion",), text, image.go_version
            return


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _files(image: Image, root: Path) -> Iterator[_Finding]:
    for index, file in enumerate(image.files):
        if isinstance(file, SourceFile):
            try:
                files_of(root, file)
            except FileError as error:
                yield ("files", index, "from"), str(error), file.source


def _places(image: Image, root: Path) -> Iterator[_Finding]:
    """What is a file in the image has nothing in it."""
    binaries = [binary.path for binary in image.binaries]
    places = [*binaries, *(file.to for file in image.files), *(folder.path for folder in image.folders)]
    key: Key = ("package",) if len(binaries) == 1 else ("binaries",)
    for path in binaries:
        for place in places:
            if place.startswith(f"{path}/"):
                yield key, f"{path} is a file, and {place} would lie in it; give one of them another path", None
    for index, file in enumerate(image.files):
        is_file = isinstance(file, SourceFile) and (root / file.source).is_file()
        inner = next((place for place in places if place.startswith(f"{file.to}/")), None)
        if is_file and inner:
            text = f"is a file, and {inner} would lie in it; give one of them another path"
            yield ("files", index, "to"), text, file.to


def _version_file(image: Image, root: Path) -> Iterator[_Finding]:
    if isinstance(image.version, FileVersion) and not _is_inside(root, root / image.version.file):
        yield ("version", "file"), f"leads out of the source root {root}; put a copy in its place", image.version.file


def _programs(image: Image, root: Path) -> Iterator[_Finding]:
    started = image.entrypoint or image.command
    key: Key = ("entrypoint",) if image.entrypoint else ("command",)
    commands = [(key, started), (("health", "command"), image.health.command if image.health else ())]
    for place, command in commands:
        if command and _is_missing(image, root, command[0]):
            text = f"{command[0]} is neither in {image.base} nor among this image's binaries and files; {_has(image)}"
            yield place, text, list(command)
    for script, interpreter in _interpreters(image, root, started[:1]):
        if _is_missing(image, root, interpreter):
            text = f"{script} wants {interpreter}, which is neither in {image.base} nor among this image's files"
            yield key, text, list(started)


def _is_missing(image: Image, root: Path, program: str) -> bool:
    base = known_base(image.base)
    if base is None or any(_provides(image, root, name) for name in _candidates(program)):
        return False
    return base.has_program(program) is False


def _candidates(program: str) -> Sequence[str]:
    return (program,) if "/" in program else [f"{folder}/{program}" for folder in _PATH]


def _provides(image: Image, root: Path, place: str) -> bool:
    if any(binary.path == place for binary in image.binaries):
        return True
    for file in image.files:
        if place == file.to:
            return True
        if place.startswith(f"{file.to}/"):
            inner = place.removeprefix(f"{file.to}/")
            return isinstance(file, ForeignFile) or (root / file.source / inner).is_file()
    return False


def _has(image: Image) -> str:
    return f"it has {', '.join(binary.path for binary in image.binaries)}"


def _interpreters(image: Image, root: Path, programs: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Scripts of the source tree among the programs, with what their first line asks for."""
    for program in programs:
        for file in image.source_files:
            if program != file.to and not program.startswith(f"{file.to}/"):
                continue
            script = root / f"{file.source}{program.removeprefix(file.to)}"
            words = _first_line(script).removeprefix("#!").split()
            if words and _first_line(script).startswith("#!"):
                yield f"{file.source}{program.removeprefix(file.to)}", _interpreter(words)


def _interpreter(words: Sequence[str]) -> str:
    is_looked_up = posixpath.basename(words[0]) == "env" and len(words) > 1
    return words[-1] if is_looked_up else words[0]


def _first_line(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.readline(256).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _base_user(image: Image, _: Path) -> Iterator[_Finding]:
    base = known_base(image.base)
    user = image.user
    if base and isinstance(user, BaseUser) and not user.name[0].isdigit() and user.name not in base.users:
        text = f"is not a user of {image.base}; a good value: {{name: {user.name}}}, a user that the image makes"
        yield ("user", "base"), text, user.name


def _root_user(image: Image) -> Iterator[_Finding]:
    if isinstance(image.user, RootUser):
        yield ("user",), "every process of this image may do everything; a good value: {name: appuser}", "root"


def _own_dockerfile(image: Image, root: Path) -> Iterator[_Finding]:
    kept = image.kept
    assert kept is not None  # noqa: S101 - none is looked at otherwise
    if not (root / kept.path).is_file():
        yield ("dockerfile",), f"there is no file {root / kept.path}; name a Dockerfile of the source tree", kept.path
    folder = root / kept.context
    if not _is_inside(root, folder):
        yield ("context",), f"leads out of the source root {root}; name a folder in it", kept.context
    elif not folder.is_dir():
        yield ("context",), f"there is no folder {folder}; name one of the source tree", kept.context


def _foreign_without_digest(image: Image) -> Iterator[_Finding]:
    for index, file in enumerate(image.files):
        if isinstance(file, ForeignFile) and "@" not in file.image:
            text = f"is without a digest, so its content may change unseen; a good value: {file.image}@sha256:…"
            yield ("files", index, "image"), text, file.image


def _is_inside(root: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


_ERRORS: Sequence[Callable[[Image, Path], Iterator[_Finding]]] = (
    _packages,
    _go_version,
    _files,
    _places,
    _version_file,
    _programs,
    _base_user,
)
