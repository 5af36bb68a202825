"""Git: how git is run, so that the repository alone decides its answers, and nothing in the repository is run."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from carbide_infra.errors import UserError

SAFE_DIRECTORY = "CARBIDE_SAFE_DIRECTORY"
"""Environment variable with the trees of other owners that are trusted, separated as in PATH."""

_CHUNK = 1 << 16
# A tree's own configuration and attributes may name programs: none of them is run, on no command.
_SETTINGS = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    f"core.attributesFile={os.devnull}",
    "core.splitIndex=false",
    "log.showSignature=false",
)
_ENVIRONMENT = {
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    # What a partial clone lacks is not fetched: the ways to fetch are programs that its configuration names.
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "LC_ALL": "C",
}
_REFUSED = re.compile(r"git config --global --add safe\.directory (.+)")
_ANY_CONFIGURATION = frozenset({"GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"})
_TRUSTED_SCOPES = frozenset({"system", "global"})


class GitError(Exception):
    """Git gives no answer; the message has its own words."""


class ForeignTreeError(UserError):
    """The tree belongs to somebody else, and nobody has said that it is to be trusted."""


class Git:
    """Git in one folder of a work tree.

    No GIT_* variable and no configuration of the user counts, but for the trees that she calls safe: git's own guard
    stays, by which it reads no repository of another owner than the caller (or, under sudo, who called that).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._safe = _listed()
        self._is_user_asked = False

    def text(self, *arguments: str) -> str:
        """What a command prints, without the white space around it.

        Raises:
            GitError: it fails, or there is no git.
            ForeignTreeError: the tree is of another owner.
        """
        return os.fsdecode(self.read(*arguments)).strip("\n")

    def found(self, *arguments: str) -> str:
        """The same; empty where git says no more than that there is none."""
        try:
            return self.text(*arguments)
        except GitError:
            return ""

    def read(self, *arguments: str, given: bytes = b"", **environment: str) -> bytes:
        """What a command prints, as bytes; it reads `given`. Raises as `text` does."""
        done = self._run(arguments, given, environment)
        refused = _REFUSED.search(os.fsdecode(done.stderr)) if done.returncode else None
        if refused and not self._is_user_asked:
            self._is_user_asked = True
            self._safe = (*self._safe, *self._called_safe())
            return self.read(*arguments, given=given, **environment)
        if refused:
            msg = (
                f"{self.folder}: is another user's, so git does not read it; if you trust all who may write there, "
                f"{refused[0]}, or, as in CI, {SAFE_DIRECTORY}={refused[1]}"
            )
            raise ForeignTreeError(msg)
        if done.returncode:
            words = os.fsdecode(done.stderr).strip().splitlines() or ["git says nothing"]
            raise GitError(words[0].removeprefix("fatal: "))
        return done.stdout

    def fields(self, *arguments: str) -> Iterator[str]:
        """The fields of a command's -z output, which a NUL ends, read as far as somebody asks.

        Raises:
            GitError: it fails in the end; also where `text` would say that the tree is of another owner.
        """
        with subprocess.Popen(
            self._command(arguments),
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            yield from _fields(process.stdout)
            if process.wait():
                msg = f"git {arguments[0]} fails"
                raise GitError(msg)

    def blobs(self, names: Iterable[str]) -> dict[str, bytes]:
        """The content of blobs by id, without those that are not here."""
        wanted = list(dict.fromkeys(names))
        answer = self.read("cat-file", "--batch", given="".join(f"{name}\n" for name in wanted).encode())
        found, at = {}, 0
        for name in wanted:
            head, at = answer[at : answer.index(b"\n", at)].split(b" "), answer.index(b"\n", at) + 1
            if head[-1] != b"missing":
                size = int(head[-1])
                found[name], at = answer[at : at + size], at + size + 1
        return found

    def _run(
        self, arguments: Iterable[str], given: bytes, environment: Mapping[str, str]
    ) -> "subprocess.CompletedProcess[bytes]":
        try:
            return subprocess.run(
                self._command(arguments),
                env={**_environment(), **environment},
                input=given,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError as error:
            msg = "git is not installed"
            raise GitError(msg) from error

    def _command(self, arguments: Iterable[str]) -> list[str]:
        settings = (*_SETTINGS, *(f"safe.directory={tree}" for tree in self._safe))
        options = (word for setting in settings for word in ("-c", setting))
        return ["git", "--no-pager", "-C", str(self.folder), *options, *arguments]

    def _called_safe(self) -> Iterator[str]:
        """The trees that the user's own configuration, or the machine's, calls safe; the repository's has no say."""
        environment = {name: value for name, value in _environment().items() if name not in _ANY_CONFIGURATION}
        command = ["git", "config", "--show-scope", "-z", "--get-all", "safe.directory"]
        answer = subprocess.run(command, env=environment, cwd="/", capture_output=True, check=False).stdout
        *fields, _ = os.fsdecode(answer).split("\0")
        for scope, tree in zip(fields[::2], fields[1::2], strict=True):
            if scope in _TRUSTED_SCOPES:
                yield tree


def _listed() -> tuple[str, ...]:
    trees = tuple(tree for tree in os.environ.get(SAFE_DIRECTORY, "").split(os.pathsep) if tree)
    for tree in trees:
        if "*" in tree or not os.path.isabs(tree):  # noqa: PTH117 - git is given the text as it stands
            msg = f"{SAFE_DIRECTORY}: {tree!r} is not the absolute path of one tree; a good value: /builds/carbide"
            raise UserError(msg)
    return trees


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _ENVIRONMENT


def _fields(stream: IO[bytes]) -> Iterator[str]:
    rest = b""
    while chunk := stream.read(_CHUNK):
        *fields, rest = (rest + chunk).split(b"\0")
        yield from map(os.fsdecode, fields)
