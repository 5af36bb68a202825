"""The bare repository that stands for the one on GitHub: its refs, and checkouts of them."""

import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.workflow_runner.errors import WorkflowError

_IDENTITY = ("-c", "user.name=GitHub", "-c", "user.email=noreply@github.invalid")


@dataclass(frozen=True)
class Remote:
    """A bare repository on this machine."""

    path: Path

    def commit(self, ref: str) -> str:
        """The commit that a ref names."""
        return _git(self.path, "rev-parse", "--verify", f"{ref}^{{commit}}")

    def file(self, commit: str, name: str) -> str:
        """A file's text in a commit."""
        return _git(self.path, "show", f"{commit}:{name}")

    def export(self, commit: str, folder: Path) -> None:
        """Write the files of a commit, without its history."""
        folder.mkdir(parents=True)
        archive = folder.with_suffix(".tar")
        _git(self.path, "archive", "--format=tar", f"--output={archive}", commit)
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data")

    def changed(self, commit: str) -> list[str]:
        """The files that differ from the first parent: of a push its last commit's, of a pull request its own."""
        return _git(self.path, "diff-tree", "-r", "--root", "--name-only", "--no-commit-id", "-m", "--first-parent",
                    commit).splitlines()  # fmt: skip

    def merge(self, number: int, base: str, head: str) -> str:
        """Make what GitHub makes of a pull request, the ref of its merge, and name that."""
        parents = [self.commit(f"refs/heads/{branch}") for branch in (base, head)]
        tree = _git(self.path, "merge-tree", "--write-tree", *parents).split()[0]
        message = f"Merge {parents[1]} into {parents[0]}"
        commit = _git(self.path, *_IDENTITY, "commit-tree", tree, "-p", parents[0], "-p", parents[1], "-m", message)
        ref = f"refs/pull/{number}/merge"
        _git(self.path, "update-ref", ref, commit)
        return ref

    def check_out(self, ref: str, folder: Path, depth: int) -> None:
        """Do as actions/checkout does: a branch as a branch, all else detached; depth 0 is all of the history.

        What git ignores stays in a folder that is used again, as on a machine that is kept.
        """
        if not (folder / ".git").exists():
            folder.mkdir(parents=True, exist_ok=True)
            _git(folder, "init", "--quiet", "--initial-branch=main")
        url = f"file://{self.path.absolute()}"
        branch = ref.removeprefix("refs/heads/")
        fetched = f"refs/remotes/origin/{branch}" if branch != ref else ref.replace("refs/pull/", "refs/remotes/pull/")
        if depth:
            _git(folder, "fetch", "--quiet", "--no-tags", f"--depth={depth}", url, f"+{ref}:{fetched}")
        else:
            shallow = _git(folder, "rev-parse", "--is-shallow-repository") == "true"
            everything = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*", f"+{ref}:{fetched}")
            unshallow = ("--unshallow",) if shallow else ()
            _git(folder, "fetch", "--quiet", "--prune", "--force", *unshallow, url, *everything)
        where = ("-B", branch, fetched) if branch != ref else ("--detach", fetched)
        _git(folder, "checkout", "--quiet", "--force", *where)
        _git(folder, "clean", "--quiet", "-ffd")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"git {' '.join(arguments)} in {folder}: {(done.stderr + done.stdout).strip()}"
        raise WorkflowError(message)
    return done.stdout.strip()
