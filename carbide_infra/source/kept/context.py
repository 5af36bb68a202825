"""What an image with a Dockerfile of its own is made of: the files that it takes, after its .dockerignore."""

import os
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from carbide_infra.catalogue.model import Image, KeptDockerfile
from carbide_infra.catalogue.ports import port_names
from carbide_infra.catalogue.values import reference_problem
from carbide_infra.errors import shown
from carbide_infra.source.inputs import InputError, Wanted
from carbide_infra.source.kept.ignoring import Ignored
from carbide_infra.source.kept.process import agreed
from carbide_infra.source.kept.reading import Named, Reading, Taken, read
from carbide_infra.source.tree import Tree
from carbide_infra.source.whole_tree import files_below, whole_tree

_WILDCARD = re.compile(r"[*?\[]")


def with_dockerfile(image: Image, root: Path, cache_dir: Path) -> Image:
    """The image with what its own Dockerfile says of it: bases, labels, its processes. Any other stays as it is.

    What the catalogue says of ports comes first.

    Raises:
        InputError: it cannot be read.
    """
    if image.kept is None:
        return image
    found = _reading(image, image.kept, Tree(root.resolve(), cache_dir))
    process = found.process
    kept = {"bases": found.arguments, "user": process.user or "", "own_labels": frozenset(found.labels)}
    ports = dict(image.ports) or ({} if image.kind == "job" else port_names(process.ports or ()))
    said = {
        "entrypoint": process.entrypoint or (),
        "command": process.command or (),
        "environment": process.environment or {},
        "ports": ports,
        "health": process.health,
    }
    return image.model_copy(update={"base": found.base, "kept": image.kept.model_copy(update=kept), **said})


def named_by(image: Image, root: Path, cache_dir: Path) -> list[Named]:
    """Every image that its own Dockerfile builds on or copies from, as far as that can be told; none without one.

    Raises:
        InputError: it cannot be read.
    """
    if image.kept is None:
        return []
    found = _reading(image, image.kept, Tree(root.resolve(), cache_dir))
    return [named for named in found.named if reference_problem(named.reference) is None]


def images_of(image: Image, root: Path, cache_dir: Path) -> frozenset[str]:
    """The same, each image once.

    Raises:
        InputError: it cannot be read.
    """
    return frozenset(named.reference for named in named_by(image, root, cache_dir))


def text_of(kept: KeptDockerfile, root: Path, cache_dir: Path) -> str:
    """The text of an image's own Dockerfile.

    Raises:
        InputError: it is not there, leads out of the tree, or is no text in UTF-8.
    """
    return text_in(Tree(root.resolve(), cache_dir), kept.path)


def wanted_by_kept(images: Iterable[Image], root: Path, cache_dir: Path) -> dict[str, Wanted]:
    """By image, the files that it is made of by its own Dockerfile; an image without one is left out.

    Raises:
        InputError: a Dockerfile cannot be read, or takes what is not there.
    """
    tree = Tree(root.resolve(), cache_dir)
    listed = _Listed(tree)
    return {image.name: _Kept(image, image.kept, tree, listed).wanted() for image in images if image.kept}


@dataclass(frozen=True)
class _Listed:
    tree: Tree

    @cached_property
    def files(self) -> Collection[str]:
        """All files of the tree, looked for once."""
        return whole_tree(self.tree)


def _reading(image: Image, kept: KeptDockerfile, tree: Tree) -> Reading:
    """What the Dockerfile says for all platforms together."""
    text = text_in(tree, kept.path)
    # A path that follows the version is known in the build only.
    given = {name: None if "{version}" in value else value for name, value in kept.args.items()}
    together, processes = Reading(), []
    for platform in image.platforms:
        found = read(text, kept.path, kept.target, given, platform)
        together.taken |= found.taken
        together.whole |= found.whole
        together.arguments |= found.arguments
        together.images |= found.images
        together.remotes |= found.remotes
        together.named |= found.named
        together.labels |= found.labels
        together.base = found.base
        processes.append(found.process)
    together.process = agreed(processes)
    return together


@dataclass(frozen=True)
class _Kept:
    image: Image
    kept: KeptDockerfile
    tree: Tree
    listed: _Listed

    def wanted(self) -> Wanted:
        found, ignore = _reading(self.image, self.kept, self.tree), self._ignore_file()
        context = _Context(self.listed, self.kept, self._ignored(ignore))
        files = set(context.all) if found.whole else set()
        for taken in found.taken:
            files.update(context.files(taken))
        return Wanted(
            targets=(),
            files=sorted(posixpath.normpath(f"{self.kept.context}/{name}") for name in files),
            read=[self.kept.path, *([ignore] if ignore else ())],
            folder=self.kept.context,
            warnings=tuple(f"{self.image.name}: {text}" for text in self._warnings(found)),
        )

    def _ignore_file(self) -> str | None:
        """As BuildKit looks: beside the Dockerfile under its name, else at the context's root."""
        names = (f"{self.kept.path}.dockerignore", posixpath.normpath(f"{self.kept.context}/.dockerignore"))
        return next((name for name in names if (self.tree.root / name).is_file()), None)

    def _ignored(self, file: str | None) -> Ignored:
        return Ignored(text_in(self.tree, file), file) if file else Ignored("", "")

    def _warnings(self, found: Reading) -> Iterator[str]:
        name = self.kept.path
        if found.whole:
            reason = next(iter(found.whole))
            yield (
                f"every file of its context counts, for in {name} {reason}; a COPY of just what it needs, or a "
                ".dockerignore, makes less of it"
            )
        for reference, line in found.images.items():
            if "@" not in reference:
                yield (
                    f"{name}:{line} builds on {shown(reference)}, without a digest and by no ARG that could get one: "
                    "a tag that moves is not seen; write the digest there"
                )
        for line in found.remotes:
            yield f"{name}:{line} adds what is elsewhere, without --checksum, so a change of it is not seen"


class _Context:
    """The files of a context, by paths relative to it."""

    def __init__(self, listed: _Listed, kept: KeptDockerfile, ignored: Ignored) -> None:
        self._tree, self._listed, self._kept, self._ignored = listed.tree, listed, kept, ignored
        self._prefix = "" if kept.context == "." else f"{kept.context}/"

    @cached_property
    def all(self) -> Sequence[str]:
        """Its files. What git ignores is no part of a clone, so it counts only where a path names it."""
        names = (name.removeprefix(self._prefix) for name in self._listed.files if name.startswith(self._prefix))
        return sorted(name for name in names if name not in self._ignored)

    def files(self, taken: Taken) -> list[str]:
        """Those that a path stands for.

        Raises:
            InputError: nothing is there.
        """
        if _WILDCARD.search(taken.path):
            pattern = _pattern(taken.path)
            folder = posixpath.dirname(_WILDCARD.split(taken.path, maxsplit=1)[0])
            found = [name for name in self.all if pattern.fullmatch(name)]
            return found or [name for name in self._on_disk(folder) if pattern.fullmatch(name)]
        found = [name for name in self.all if name == taken.path or name.startswith(f"{taken.path}/")]
        found = found or list(self._on_disk(taken.path))
        if not found:
            is_there = (self._tree.root / self._prefix / taken.path).exists()
            what = "is empty, or left out by its .dockerignore" if is_there else "is not there"
            msg = (
                f"{self._kept.path}:{taken.line}: takes {taken.path}, which {what} (looked in the context "
                f"{self._tree.root / self._kept.context}); every build of it would fail"
            )
            raise InputError(msg)
        return found

    def _on_disk(self, path: str) -> Iterator[str]:
        """Files that git does not tell of, at a path that a Dockerfile names."""
        full = f"{self._prefix}{path}"
        if not path or not os.path.lexists(self._tree.root / full):
            return
        above = [str(folder) for folder in Path(os.path.realpath((self._tree.root / full).parent)).parents]
        for name in files_below(self._tree.root, full, above):
            relative = name.removeprefix(self._prefix)
            if relative not in self._ignored:
                yield relative


def text_in(tree: Tree, name: str) -> str:
    """The text of a file of a tree.

    Raises:
        InputError: it is not there, leads out of the tree, or is no text in UTF-8.
    """
    tree.file(name)  # It is there, a file, and of this tree.
    try:
        return (tree.root / name).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{name} cannot be read as a text in UTF-8 ({error}); name the file that `docker build -f` takes"
        raise InputError(msg) from error


def _pattern(path: str) -> re.Pattern[str]:
    """What Go's filepath.Match takes, and all that is below; `**` stands for any number of folders."""
    parts: list[str] = []
    rest = path
    while rest:
        if rest.startswith("**"):
            parts, rest = [*parts, ".*"], rest.lstrip("*")
        elif rest[0] in "*?":
            parts, rest = [*parts, "[^/]*" if rest[0] == "*" else "[^/]"], rest[1:]
        elif found := re.match(r"\[(\^?)([^\]/]+)\]", rest):
            inner = found[2].replace("[", r"\[").replace("&", r"\&").replace("~", r"\~").replace("|", r"\|")
            parts, rest = [*parts, f"[{found[1]}{inner}]"], rest[found.end() :]
        else:
            parts, rest = [*parts, re.escape(rest[0])], rest[1:]
    return re.compile(f"{''.join(parts)}(/.*)?", re.DOTALL)
