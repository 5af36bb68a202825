"""GitHub's own actions, as what they amount to on this machine."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.workflow_runner.errors import WorkflowError
from tests.support.workflow_runner.events import REPOSITORY, Event
from tests.support.workflow_runner.progress import tell
from tests.support.workflow_runner.repository import Remote

_SET_UP_HERE = frozenset({"actions/setup-python", "actions/setup-go", "actions/cache"})


@dataclass(frozen=True)
class Actions:
    """The actions of one job.

    Attributes:
        remote: the repository.
        others: other repositories, by name.
        tokens: of those that not everybody may read, what opens them.
        event: what the job runs for.
        workspace: folder that the repository is checked out in.
        kept: folder of artifacts and caches.
    """

    remote: Remote
    event: Event
    workspace: Path
    kept: Path
    others: Mapping[str, Remote] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)

    def run(self, name: str, given: Mapping[str, str]) -> bool:
        """Do what an action does, and tell whether it succeeded.

        Raises:
            WorkflowError: it is not known here.
        """
        if name in _SET_UP_HERE:
            tell("  nothing to do: this machine has it")
            return True
        actions: Mapping[str, Callable[[Mapping[str, str]], bool | None]] = {
            "actions/checkout": self._check_out,
            "actions/upload-artifact": self._upload,
            "actions/download-artifact": self._download,
            "actions/cache/save": self._save,
            "actions/cache/restore": self._restore,
        }
        if name not in actions:
            message = f"uses: {name}: is not known here"
            raise WorkflowError(message)
        return actions[name](given) is not False

    def _check_out(self, given: Mapping[str, str]) -> bool:
        folder = self.workspace / given.get("path", ".")
        depth = int(given.get("fetch-depth", "1"))
        name = given.get("repository") or REPOSITORY
        is_own = name == REPOSITORY
        remote = self.remote if is_own else self.others.get(name)
        opens = {given.get("token"), given.get("ssh-key")}
        if remote is None or (name in self.tokens and self.tokens[name] not in opens):
            # As GitHub says it: who may not know of a repository is not told that there is one.
            tell(f"  Not Found: {name}")
            return False
        ref = given.get("ref") or (self.event.ref if is_own else "refs/heads/main")
        remote.check_out(ref if ref.startswith("refs/") else f"refs/heads/{ref}", folder, depth)
        return True

    def _upload(self, given: Mapping[str, str]) -> bool:
        files = [self.workspace / line for line in given["path"].split()]
        missing = [str(file) for file in files if not file.is_file()]
        if missing:
            tell(f"  there is no {', '.join(missing)}")
            return False
        # Paths in an artifact begin at the lowest folder that all its files have in common.
        above = Path(os.path.commonpath([file.parent for file in files]))
        for file in files:
            target = self._artifact(given) / file.relative_to(above)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        return True

    def _download(self, given: Mapping[str, str]) -> None:
        shutil.copytree(self._artifact(given), self.workspace / given["path"], dirs_exist_ok=True)

    def _artifact(self, given: Mapping[str, str]) -> Path:
        return self.kept / "artifacts" / given["name"]

    def _save(self, given: Mapping[str, str]) -> None:
        shutil.copytree(self.workspace / given["path"], self._caches / given["key"], dirs_exist_ok=True)

    def _restore(self, given: Mapping[str, str]) -> None:
        prefixes = given.get("restore-keys", "").split()
        kept = sorted(self._caches.glob("*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
        matching = (folder for prefix in (given["key"], *prefixes) for folder in kept if folder.name.startswith(prefix))
        found = next(matching, None)
        if found is None:
            tell("  nothing is kept under that key")
            return
        shutil.copytree(found, self.workspace / given["path"], dirs_exist_ok=True)

    @property
    def _caches(self) -> Path:
        return self.kept / "caches"
