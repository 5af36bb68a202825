"""Origins: which images are made of what a commit holds, of which, and what keeps the others from it."""

import hashlib
import stat
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

from carbide_infra.errors import UserError
from carbide_infra.source.absences import Absences
from carbide_infra.source.commit import Commit, Held
from carbide_infra.source.comparison import Comparison, compared
from carbide_infra.source.facts import Source
from carbide_infra.source.git import Git, GitError
from carbide_infra.source.history import last_commits
from carbide_infra.source.inputs import InputFile


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
        files: by image, its inputs as the tree has them, not as they are staged.
        cache_dir: where ids of contents are kept; safe to share between processes and to delete.

    Raises:
        ForeignTreeError: a submodule belongs to another user.
    """
    source = next(iter(sources.values()))
    if source.revision is None:
        return dict.fromkeys(files, UNKNOWN)
    git = Git(source.root)
    commit = Commit(git, source.revision)
    decisive = {name: _version_file(sources[name]) | {file.path: file for file in files[name]} for name in files}
    try:
        found = compared(commit, source.root, _together(decisive.values()).values(), cache_dir)
        absences = Absences(commit, found.held)
        made = {name: _origin(sources[name], commit, each.keys(), found, absences) for name, each in decisive.items()}
    except GitError:
        return {name: _unread(source.revision, each) for name, each in decisive.items()}
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


def _version_file(source: Source) -> dict[str, InputFile]:
    """The file that says the version decides an image, be it an input or not."""
    name = source.version_file
    return {name: _on_disk(source.root, name)} if name and (source.root / name).is_file() else {}


def _together(files: Iterable[Mapping[str, InputFile]]) -> dict[str, InputFile]:
    together: dict[str, InputFile] = {}
    for each in files:
        together.update(each)
    return together


def _on_disk(root: Path, name: str) -> InputFile:
    content = (root / name).read_bytes()
    is_executable = bool((root / name).stat().st_mode & stat.S_IXUSR)
    return InputFile(name, is_executable, hashlib.sha256(content).hexdigest(), len(content))


def _origin(source: Source, commit: Commit, paths: AbstractSet[str], found: Comparison, absences: Absences) -> Origin:
    version = source.version_file
    missing = [version] if version and version in commit.files and version not in paths else []
    # Of the version's file, its folder says nothing about the image.
    missing += absences.of(paths - {version})
    differing = {path: found.differing[path] for path in sorted(paths & found.differing.keys())}
    return Origin(
        source.revision,
        differing | dict.fromkeys(missing, "is missing here, but is in"),
        sorted(paths & found.converted),
    )


def _touched(held: Held | None) -> tuple[str, ...]:
    return held.touched if held else ()


def _unread(commit: str, paths: Iterable[str]) -> Origin:
    return Origin(commit, dict.fromkeys(paths, "cannot be compared with what git does not tell, that of"), ())
