"""Origins: which images are made of what a commit holds, of which, and what keeps the others from it."""

import hashlib
import os
import posixpath
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from carbide_infra.errors import UserError
from carbide_infra.source.absences import absent
from carbide_infra.source.commit import Commit, Held
from carbide_infra.source.comparison import Comparison, compared
from carbide_infra.source.facts import Source
from carbide_infra.source.git import Git, GitError
from carbide_infra.source.history import last_commits
from carbide_infra.source.inputs import InputFile

_SHORT = 12


@dataclass(frozen=True)
class Origin:
    """What an image may say of the commit that is checked out.

    Attributes:
        commit: the full SHA of that commit; None where git does not tell.
        differing: what each file is that keeps the image from being that commit's, such as "differs from".
        converted: inputs that are the commit's but for the ends of their lines.
        revision: the last commit that touched any of its inputs; None where that is not known, or `is_commit` not so.
    """

    commit: str | None
    differing: Mapping[str, str]
    converted: Collection[str]
    revision: str | None = None

    @property
    def is_commit(self) -> bool:
        """Whether the image is made of exactly what the commit holds."""
        return self.commit is not None and not self.differing


UNKNOWN = Origin(commit=None, differing={}, converted=())
"""That of an image where git does not tell."""


def origins_of(
    sources: Mapping[str, Source], files: Mapping[str, Collection[InputFile]], cache_dir: Path
) -> dict[str, Origin]:
    """Where each image's inputs come from. A file that is no image's input costs nobody anything.

    Args:
        sources: the facts by image, of one tree.
        files: by image, its inputs as they are on disk, not as they are staged.
        cache_dir: where ids of contents are kept; safe to share between processes and to delete.

    Raises:
        ForeignTreeError: a submodule belongs to another user.
    """
    source = next(iter(sources.values()))
    if source.revision is None:
        return dict.fromkeys(files, UNKNOWN)
    git = Git(source.root)
    commit = Commit(git, source.revision)
    every = {name: {*each, *_version_file(sources[name])} for name, each in files.items()}
    try:
        found = compared(commit, source.root, set().union(*every.values()), cache_dir)
        made = {name: _origin(sources[name], commit, each, found) for name, each in every.items()}
    except GitError:
        return {name: _unread(source.revision, each) for name, each in every.items()}
    touched = {
        name: {path for file in files[name] for path in _touched(found.held[file.path])}
        for name, origin in made.items()
        if origin.is_commit
    }
    revisions = last_commits(git, touched, is_shallow=source.is_shallow)
    return {name: replace(origin, revision=revisions.get(name)) for name, origin in made.items()}


def differing(source: Source, cache_dir: Path) -> list[str]:
    """The files of the checked-out commit that are something else on disk, whatever they are for.

    Raises:
        UserError: git does not tell.
    """
    root, commit = source.root, Commit(Git(source.root), source.revision or "HEAD")
    try:
        there = [path for path in commit.files if (root / path).is_file() and not (root / path).is_symlink()]
        return sorted(compared(commit, root, [_on_disk(root, path) for path in there], cache_dir).differing)
    except GitError as error:
        msg = f"{root}: git does not tell what commit {source.revision} holds ({error}); make a new clone"
        raise UserError(msg) from error


def warnings_of(origins: Mapping[str, Origin]) -> Iterator[str]:
    """What the user should know of images that are not, or not quite, what the commit holds."""
    for first, alike in _by_first_file(origins, lambda origin: origin.differing):
        one = next(iter(alike.values()))
        more = _and_more(path for origin in alike.values() for path in origin.differing)
        yield (
            f"{_shown(first)} {one.differing[first]} commit {_short(one)}{more}: neither the git SHA nor latest as a "
            f"tag, and no revision, for {', '.join(alike)}"
        )
    for first, alike in _by_first_file(origins, lambda origin: origin.converted):
        one = next(iter(alike.values()))
        more = _and_more(path for origin in alike.values() for path in origin.converted)
        yield (
            f"{_shown(first)} has other line ends than in commit {_short(one)}{more}, as its attributes allow: where "
            f"it is embedded or copied, {', '.join(alike)} will not be what another machine builds of that commit"
        )


def _by_first_file(
    origins: Mapping[str, Origin], files_of: Callable[[Origin], Iterable[str]]
) -> Iterator[tuple[str, dict[str, Origin]]]:
    """The images with files to tell of, together where the first of these is the same."""
    found: dict[str, dict[str, Origin]] = {}
    for name, origin in origins.items():
        if files := sorted(files_of(origin)):
            found.setdefault(files[0], {})[name] = origin
    yield from found.items()


def _and_more(paths: Iterable[str]) -> str:
    others = len(set(paths)) - 1
    return f" (and {others} more)" if others else ""


def _short(origin: Origin) -> str:
    return (origin.commit or "")[:_SHORT]


def _shown(path: str) -> str:
    """A file's name, which may hold anything, on one line."""
    return path if path.isprintable() else ascii(path)


def _version_file(source: Source) -> Iterator[InputFile]:
    """The file that says the version decides an image, be it an input or not."""
    if source.version_file and (source.root / source.version_file).is_file():
        yield _on_disk(source.root, source.version_file)


def _on_disk(root: Path, name: str) -> InputFile:
    content = (root / name).read_bytes()
    is_executable = bool((root / name).stat().st_mode & stat.S_IXUSR)
    return InputFile(name, is_executable, hashlib.sha256(content).hexdigest(), len(content))


def _origin(source: Source, commit: Commit, files: Collection[InputFile], found: Comparison) -> Origin:
    paths = {file.path for file in files}
    differing = {path: found.differing[path] for path in sorted(paths & found.differing.keys())}
    differing |= dict.fromkeys(_missing(source, commit, paths, found), "is missing here, but is in")
    return Origin(source.revision, differing, sorted(paths & found.converted))


def _missing(source: Source, commit: Commit, paths: Collection[str], found: Comparison) -> Iterator[str]:
    version = source.version_file
    if version and version in commit.files and version not in paths:
        yield version
    inputs: dict[Commit, set[str]] = {commit: set()}
    for path in paths:
        held = found.held[path]
        inputs.setdefault(held.commit if held else commit, set()).add(held.path if held else path)
    # Of the version's file, its folder says nothing about the image.
    inputs[commit].discard(version or "")
    for holder, own in inputs.items():
        where = os.path.relpath(holder.folder, source.root)
        for path in absent(holder.folder, holder.files, own):
            yield posixpath.normpath(posixpath.join(where, path))


def _touched(held: Held | None) -> tuple[str, ...]:
    return held.touched if held else ()


def _unread(commit: str, files: Iterable[InputFile]) -> Origin:
    differing = dict.fromkeys((file.path for file in files), "cannot be compared with what git does not tell, that of")
    return Origin(commit, differing, ())
