"""Build records: all that an image was built from, as the stack's state has it."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbide_infra.images import record as recorded
from carbide_infra.images.record import RecordedFile
from carbide_infra.remedies import typed
from carbide_infra.source.commit import Commit, Held
from carbide_infra.source.git import Git, GitError
from carbide_infra.source.inputs import InputFile

_EXECUTABLE = "0755"


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
        target: the stage that is built; empty for the last.
        folder: the folder of the tree that the build sees as its root.
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
    secret_ids: Sequence[str] = ()
    export: str = ""
    ssh: bool = False
    target: str = ""
    folder: str = "."

    @classmethod
    def of(
        cls, image: str, record: Mapping[str, Any], inputs: Mapping[str, Any], revision: str | None
    ) -> "BuildRecord":
        """Read it from the state: what is recorded beside the image, and the inputs of its Image."""
        dockerfile = inputs.get("dockerfile") or {}
        texts = recorded.recorded_texts(record)
        return cls(
            image=image,
            files=tuple(
                _file(file, texts.get(file.path)) for file in recorded.recorded_files(str(record[recorded.INPUTS]))
            ),
            dockerfile=str(record[recorded.DOCKERFILE]),
            # Earlier versions told it with the image.
            inline=str(record.get(recorded.TEXT, dockerfile.get("inline")) or ""),
            location=str(record.get(recorded.LOCATION, dockerfile.get("location")) or ""),
            revision=revision,
            build_args=dict(inputs.get("buildArgs") or {}),
            labels=dict(inputs.get("labels") or {}),
            platforms=tuple(inputs["platforms"]),
            builder=str((inputs.get("builder") or {}).get("name") or ""),
            secret_ids=tuple(inputs.get("ignoreSecretsInDiffCalculation") or ()),
            export=str(((inputs.get("exports") or [{}])[0] or {}).get("raw") or ""),
            ssh=bool(inputs.get("ssh")),
            target=str(inputs.get("target") or ""),
            folder=_folder(inputs, str(record.get(recorded.KEY) or "")),
        )

    @classmethod
    def in_state(
        cls,
        image: str,
        records: Mapping[str, Mapping[str, Any]],
        inputs: Mapping[str, Mapping[str, Any]],
        revision: str | None,
    ) -> "BuildRecord":
        """Find it among those of a stack.

        Raises:
            InputsMissing: the state has none that belongs to the image.
        """
        if image not in records:
            message = f"{image}: the state has no record of what it was built from; run {typed('up')}, which writes it"
            raise InputsMissing(message)
        return cls.of(image, records[image], inputs[image], revision)

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
        if self.revision:
            self._extract(root, self.revision, scratch)
            if not list(self._changed(scratch)):
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

    def _extract(self, root: Path, revision: str, folder: Path) -> None:
        """Put the files into a folder as a commit has them, those that git has; no filter has a say."""
        with contextlib.suppress(GitError):
            commit = Commit(Git(root), revision)
            held = {file.path: commit.find(file.path) for file in self.files if file.content is None}
            for holder, each in _by_commit(held).items():
                contents = holder.contents(each.values())
                for path, file in each.items():
                    _write(folder / path, contents.get(file.blob))

    def _changed(self, root: Path) -> Iterator[str]:
        for file in self.files:
            if file.content is not None:
                continue
            try:
                content = (root / file.path).read_bytes()
            except OSError:
                yield file.path
                continue
            if hashlib.sha256(content).hexdigest() != file.sha256:
                yield file.path


def _file(file: RecordedFile, text: str | None) -> InputFile:
    content = None if text is None else text.encode("utf-8", "surrogateescape")
    return InputFile(file.path, file.mode == _EXECUTABLE, file.sha256, file.size, content)


def _folder(inputs: Mapping[str, Any], key: str) -> str:
    """A context's path ends in the build key, but for the folder that an image's own Dockerfile copies from."""
    location = str((inputs.get("context") or {}).get("location") or "")
    return (key and location.partition(f"/{key}/")[2]) or "."


def _by_commit(found: Mapping[str, Held | None]) -> dict[Commit, dict[str, Held]]:
    """Files by the commit that holds them: a submodule has commits of its own."""
    holders: dict[Commit, dict[str, Held]] = {}
    for path, held in found.items():
        if held is not None:
            holders.setdefault(held.commit, {})[path] = held
    return holders


def _write(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _versions(project: Path, path: str) -> Iterator[str]:
    """A file's text now, then at each commit that changed it, newest first."""
    with contextlib.suppress(OSError, UnicodeDecodeError):  # it may be gone by now; its line ends count
        yield (project / path).read_bytes().decode()
    git = Git(project)
    for commit in git.found("log", "--format=%H", "--", path).split():
        with contextlib.suppress(GitError, UnicodeDecodeError):  # a commit may have removed it
            yield git.read("cat-file", "blob", f"{commit}:./{path}").decode()
