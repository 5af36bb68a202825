"""History: which commit of the main line last touched files."""

import contextlib
from collections.abc import Collection, Iterator, Mapping

from carbide_infra.source.git import Git, GitError

_LOG = ("log", "--first-parent", "--diff-merges=first-parent", "--no-renames", "--no-ext-diff", "--no-textconv")
_NAMES = ("--ignore-submodules=none", "--relative", "--name-only", "-z", "--format=%x00%H %P", "--", ".")


def last_commits(git: Git, files: Mapping[str, Collection[str]], *, is_shallow: bool) -> dict[str, str | None]:
    """The last commit that touched any of the files, for each entry of `files`; None where no history tells.

    A merge counts as the commit that brought its changes, so a revision is always one of the main line.

    Args:
        git: in the folder that paths are relative to.
        files: paths, under any names.
        is_shallow: whether git has a part of the history only.
    """
    found: dict[str, str | None] = dict.fromkeys(files)
    waiting = {name: frozenset(paths) for name, paths in files.items() if paths}
    with contextlib.suppress(GitError):
        for revision, touched in _history(git, is_shallow=is_shallow) if waiting else ():
            for name in [name for name, paths in waiting.items() if paths & touched]:
                found[name] = revision
                del waiting[name]
            if not waiting:
                break
    return found


def _history(git: Git, *, is_shallow: bool) -> Iterator[tuple[str, frozenset[str]]]:
    """Each commit of the main line, newest first, with the files it touched below the folder."""
    revision, touched = "", set[str]()
    fields = git.fields(*_LOG, *_NAMES)
    for field in fields:
        if field:
            touched.add(field if touched else field.removeprefix("\n"))
            continue
        # No name is empty: this is where the next commit begins.
        if revision:
            yield revision, frozenset(touched)
        revision, _, parents = next(fields, "").partition(" ")
        touched = set()
        if is_shallow and not parents:
            # Where a shallow clone's history is cut, a commit seems to have touched every file.
            return
    if revision:
        yield revision, frozenset(touched)
