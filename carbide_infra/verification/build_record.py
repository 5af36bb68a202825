"""Build records: all that an image was built from, as the stack's state has it."""

import contextlib
import hashlib
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from carbide_infra.source.inputs import InputFile

_EXECUTABLE = "0755"
_GIT = ("git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false")


class InputsMissing(Exception):
    """The recorded inputs are not at hand; the message says which, and where they would be."""


@dataclass(frozen=True)
class BuildRecord:
    """One image's inputs.

    Attributes:
        files: the files of the source tree.
        dockerfile: SHA-256 of its text.
        inline: its text where no file of the project says the same, else empty.
        location: path of that file, relative to the project, else empty.
        revision: commit of the source tree that last touched the files; None where git did not tell.
        builder: name of the buildx builder; empty for the current one.
        export: BuildKit's exporter and its options; empty where the state names none.
        ssh: whether a step of it has the ssh agent.
    """

    image: str
    files: tuple[InputFile, ...]
    dockerfile: str
    inline: str
    location: str
    revision: str | None
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    platforms: Sequence[str]
    builder: str
    secret_ids: Sequence[str] = field(default=())
    export: str = ""
    ssh: bool = False

    @classmethod
    def of(
        cls, image: str, record: Mapping[str, Any], inputs: Mapping[str, Any], revision: str | None
    ) -> "BuildRecord":
        """Read it from the state: what the component records, and the inputs of its Image."""
        return cls(
            image=image,
            files=tuple(_file(line) for line in str(record["inputs"]).splitlines()),
            dockerfile=str(record["dockerfile"]),
            inline=str((inputs.get("dockerfile") or {}).get("inline") or ""),
            location=str((inputs.get("dockerfile") or {}).get("location") or ""),
            revision=revision,
            build_args=dict(inputs.get("buildArgs") or {}),
            labels=dict(inputs.get("labels") or {}),
            platforms=tuple(inputs["platforms"]),
            builder=str((inputs.get("builder") or {}).get("name") or ""),
            secret_ids=tuple(inputs.get("ignoreSecretsInDiffCalculation") or ()),
            export=str(((inputs.get("exports") or [{}])[0] or {}).get("raw") or ""),
            ssh=bool(inputs.get("ssh")),
        )

    def source(self, root: Path, scratch: Path) -> Path:
        """A tree that holds the files as they were recorded: this one, else its commit of then.

        Args:
            root: the source tree as it is now.
            scratch: an empty folder, for a checkout.

        Raises:
            InputsMissing: neither has them.
        """
        changed = list(self._changed(root))
        if not changed:
            return root
        if self.revision and _extract(root, self.revision, scratch) and not list(self._changed(scratch)):
            return scratch
        where = f"check out {self.revision}" if self.revision else "it was built from uncommitted files"
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        message = f"{self.image}: the inputs are not at hand: {changed[0]}{more} differs in {root}; {where}"
        raise InputsMissing(message)

    def dockerfile_text(self, project: Path) -> str:
        """The Dockerfile as it was recorded: the stack's own text, the project's now, or in its history.

        Raises:
            InputsMissing: none of them has it.
        """
        path = self.location or "the Dockerfile"
        texts = iter([self.inline]) if self.inline else _versions(project, path)
        for text in texts:
            if hashlib.sha256(text.encode()).hexdigest() == self.dockerfile:
                return text
        message = f"{self.image}: {path} of then is not in this checkout's history; check out the commit of the update"
        raise InputsMissing(message)

    def _changed(self, root: Path) -> Iterator[str]:
        for file in self.files:
            try:
                content = (root / file.path).read_bytes()
            except OSError:
                yield file.path
                continue
            if hashlib.sha256(content).hexdigest() != file.sha256:
                yield file.path


def _file(line: str) -> InputFile:
    mode, sha256, size, path = line.split(" ", 3)
    return InputFile(path, mode == _EXECUTABLE, sha256, int(size))


def _extract(root: Path, revision: str, folder: Path) -> bool:
    """Put a commit's files, those below `root`, into a folder; False where git has no such commit."""
    done = subprocess.run(
        [*_GIT, "-C", str(root), "archive", "--format=tar", revision], capture_output=True, check=False
    )
    if done.returncode:
        return False
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        for member in archive:
            # No input is, say, a link to an absolute path, but the commit may have one.
            with contextlib.suppress(tarfile.FilterError):
                archive.extract(member, folder, filter="data")
    return True


def _versions(project: Path, path: str) -> Iterator[str]:
    """A file's text now, then at each commit that changed it, newest first."""
    yield (project / path).read_text(encoding="utf-8")
    log = [*_GIT, "-C", str(project), "log", "--format=%H", "--", path]
    commits = subprocess.run(log, capture_output=True, text=True, check=False).stdout.split()
    for commit in commits:
        show = [*_GIT, "-C", str(project), "show", f"{commit}:./{path}"]
        done = subprocess.run(show, capture_output=True, text=True, check=False)
        if not done.returncode:
            yield done.stdout
