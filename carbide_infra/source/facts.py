"""Facts about the Go source tree: version, revision, age, and what go.mod asks for."""

import contextlib
import os
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from carbide_infra.catalogue.model import FileVersion, TagVersion
from carbide_infra.names import NO_HISTORY
from carbide_infra.settings import VERSION, ConfigError

DEFAULT_VERSION = "dev"
REF_VARIABLE = "CARBIDE_REF"
"""Environment variable by which a CI names the branch or tag that it builds."""

VersionRule = FileVersion | TagVersion
VERSION_FILE = FileVersion(file="VERSION")
"""The rule that holds where nobody says otherwise."""

_MAIN_BRANCHES = frozenset({"main", "master"})
_CHUNK = 1 << 16
# A hook runs with these set. They name the hook's repository, which may be another one than the tree's.
_REPOSITORY = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_WORK_TREE",
    }
)


def release_tag(prefix: str = "") -> re.Pattern[str]:
    """Matches the git tags that release a version, such as v1.4.0, or tools/v1.4.0 with the prefix tools/."""
    return re.compile(rf"{re.escape(prefix)}v(?=\d+\.\d+){VERSION.pattern}")


@dataclass(frozen=True)
class Source:
    """What the program knows about the tree it builds, for the images of one line of versions.

    Attributes:
        root: the source root.
        version: what the binaries report with --version.
        revision: full SHA of the checked-out commit; None outside git.
        branch: name of the branch that is built; None for a tag, a detached head, or outside git.
        changed: files that differ from `revision`, relative to the root; None outside git.
        epoch: seconds since 1970 of the commit that last touched the version's file, or has its tag; 0 without history.
        warnings: sentences for the user about facts that could not be had.
        tag: the release tag that is built; None on a branch.
        released: full SHA of the commit that has the release tag of `version`; None while it has none.
        is_shallow: whether git has a part of the history only.
    """

    root: Path
    version: str
    revision: str | None
    branch: str | None
    changed: frozenset[str] | None
    epoch: int
    warnings: tuple[str, ...]
    tag: str | None = None
    released: str | None = None
    is_shallow: bool = False

    @property
    def is_main(self) -> bool:
        """Whether this is the line that releases are cut from."""
        return self.branch in _MAIN_BRANCHES

    @property
    def is_commit(self) -> bool:
        """Whether the tree is exactly what `revision` names."""
        return self.revision is not None and not self.changed


@dataclass(frozen=True)
class _Version:
    """A version as it was found.

    Attributes:
        text: what the binaries report.
        tag: the git tag that releases it, whether or not it is there.
        epoch: seconds since 1970 that stand for the time of the build.
        origin: where it can be changed; None for a git tag.
    """

    text: str
    tag: str
    epoch: int
    origin: str | None


def read_source(
    root: Path,
    version: str | None,
    *,
    rule: VersionRule = VERSION_FILE,
    tag_prefix: str = "",
    require_history: bool = False,
    full_ref: str | None = None,
) -> Source:
    """Read the facts.

    Args:
        root: the tree.
        version: in the place of the one that the rule finds, or None.
        rule: where the version comes from.
        tag_prefix: what stands before `v<version>` in the names of this line's release tags.
        require_history: whether to refuse a tree without its full history.
        full_ref: what is built, such as refs/heads/main, where the caller knows it; a CI's checkout often does not.

    Raises:
        ConfigError: no version is where the rule says, `require_history` is not met, or `full_ref` is malformed or a
            release tag of another version.
    """
    git = _Git(root)
    problem = git.problem()
    if problem is not None:
        shown = version or (DEFAULT_VERSION if isinstance(rule, TagVersion) else version_of(root, rule))
        missing = f"{NO_HISTORY} ({problem})"
        warning = _missing_history(missing, "build from a git checkout", require_history=require_history)
        return Source(root, shown, None, None, None, 0, (warning,))
    is_shallow = git.run("rev-parse", "--is-shallow-repository") == "true"
    missing = "the source is a shallow clone"
    shallow = (
        (_missing_history(missing, "git fetch --unshallow", require_history=require_history),) if is_shallow else ()
    )
    found = _version(git, root, rule, tag_prefix, version, is_shallow=is_shallow)
    revision, released = git.run("rev-parse", "HEAD"), git.commit_of(f"refs/tags/{found.tag}")
    releases = release_tag(tag_prefix)
    branch, tag = _named(full_ref, releases) if full_ref else git.checked_out(releases)
    if full_ref and tag and tag != found.tag:
        msg = (
            f"{REF_VARIABLE} = {full_ref!r}: the tree's version is {found.text}; delete the tag, commit "
            f"{tag.removeprefix(f'{tag_prefix}v')} as {found.origin or 'a tag of that version'}, and tag that commit"
        )
        raise ConfigError(msg)
    source = Source(
        root=root,
        version=found.text,
        revision=revision,
        branch=branch,
        changed=frozenset(git.changed()),
        epoch=found.epoch,
        warnings=shallow,
        # Of several tags on a commit, the version's own is the one that is meant.
        tag=found.tag if tag and revision == released else tag,
        released=released,
        is_shallow=is_shallow,
    )
    return replace(source, warnings=(*shallow, *_without_version(source, found)))


def _version(
    git: "_Git", root: Path, rule: VersionRule, prefix: str, given: str | None, *, is_shallow: bool
) -> _Version:
    if isinstance(rule, FileVersion):
        text = given or version_of(root, rule)
        # A shallow clone's oldest commit seems to have touched every file.
        epoch = 0 if is_shallow else int(git.run("log", "-1", "--format=%ct", "--", rule.file) or 0)
        return _Version(text, f"{prefix}v{text}", epoch, rule.file)
    tag = git.nearest_tag(rule.git_tag)
    if tag is None:
        if is_shallow and not given:
            msg = f"version.gitTag = {rule.git_tag}: this shallow clone has no such tag; git fetch --unshallow --tags"
            raise ConfigError(msg)
        text = given or DEFAULT_VERSION
        return _Version(text, f"{prefix}v{text}", 0, None)
    epoch = int(git.run("log", "-1", "--format=%ct", f"refs/tags/{tag}^{{commit}}"))
    return (
        _Version(given, f"{prefix}v{given}", epoch, None)
        if given
        else _Version(_version_in(tag, prefix), tag, epoch, None)
    )


def _version_in(tag: str, prefix: str) -> str:
    """The version in the name of a git tag: what follows the prefix and a word such as v or release-."""
    found = re.search(r"\d.*", tag.removeprefix(prefix).rpartition("/")[2])
    if found is None or not VERSION.fullmatch(found[0]):
        msg = f"version.gitTag: the git tag {tag!r} names no version; a good one: {prefix}v1.4.0"
        raise ConfigError(msg)
    return found[0]


def _named(full_ref: str, releases: re.Pattern[str]) -> tuple[str | None, str | None]:
    """The branch or the release tag that a full ref name stands for; neither for another tag."""
    kind, _, name = full_ref.removeprefix("refs/").partition("/")
    if not full_ref.startswith("refs/") or not name:
        msg = f"{REF_VARIABLE} = {full_ref!r}: is no full name of a ref; a good value: refs/heads/main"
        raise ConfigError(msg)
    if kind == "tags":
        return None, name if releases.fullmatch(name) else None
    return name if kind == "heads" else f"{kind}/{name}", None


def _without_version(source: Source, found: _Version) -> Iterator[str]:
    """Say why the tag of the plain version does not follow this tree, where somebody may expect it to."""
    version = source.version
    if found.origin is None and version == DEFAULT_VERSION:
        yield f"no git tag names a version at or behind this commit: the version is {DEFAULT_VERSION}"
    if source.is_main and source.released not in {None, source.revision}:
        if found.origin is not None:
            yield (
                f"{version} is released, and the tag {found.tag} is on another commit: the images' tag {version} stays "
                f"as it is; raise {found.origin} for what comes next"
            )
    elif source.tag and source.tag != found.tag:
        origin = found.origin or "version"
        yield f"{origin} = {version!r}: is not that of the tag {source.tag}; no image gets the tag {version}"
    elif source.branch is None and source.tag is None:
        yield (
            f"detached head: no image gets the tag {version}; where this is a branch, as in CI, say so with "
            f"{REF_VARIABLE}=refs/heads/<branch>"
        )


def _missing_history(missing: str, remedy: str, *, require_history: bool) -> str:
    if require_history:
        msg = f"requireHistory = true: {missing}; {remedy}"
        raise ConfigError(msg)
    return f"{missing}: image digests differ from those of a full checkout; {remedy}"


def revisions_of(source: Source, files: Mapping[str, Collection[str]]) -> dict[str, str | None]:
    """The last commit that touched any of the files, for each entry of `files`.

    None where a file differs from that commit, or where no history tells. A merge counts
    as the commit that brought its changes, so a revision is always one of the main line.

    Args:
        source: the tree.
        files: paths relative to the tree's root, under any names.
    """
    found: dict[str, str | None] = dict.fromkeys(files)
    if source.changed is None:
        return found
    waiting = {name: frozenset(paths) for name, paths in files.items() if not source.changed & frozenset(paths)}
    for revision, touched in _Git(source.root).history():
        for name in [name for name, paths in waiting.items() if paths & touched]:
            found[name] = revision
            del waiting[name]
        if not waiting:
            break
    return found


def version_of(root: Path, rule: FileVersion = VERSION_FILE) -> str:
    """Read the version from its file.

    Without a pattern it is the first line that is neither empty nor a comment; "dev" without one.

    Raises:
        ConfigError: that cannot be a version, or a pattern finds none.
    """
    version = _first_line(root / rule.file) if rule.match is None else _matched(root / rule.file, rule.match, rule.file)
    if not VERSION.fullmatch(version):
        msg = (
            f"{rule.file} = {version!r} in {root}: is no version; write one such as 1.4.0, or set version in the stack"
        )
        raise ConfigError(msg)
    return version


def _first_line(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return DEFAULT_VERSION
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line and not line.startswith("#")), DEFAULT_VERSION)


def _matched(file: Path, pattern: str, name: str) -> str:
    try:
        found = re.search(pattern, file.read_text(encoding="utf-8-sig"), re.MULTILINE)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"version.file = {name}: cannot be read ({error}); name a text file of the source tree"
        raise ConfigError(msg) from error
    if found is None:
        msg = f"version.match = {pattern}: finds nothing in {name}; a good value: 'Version = \"(.*)\"'"
        raise ConfigError(msg)
    return found[1]


class _Git:
    """The git questions of this module, asked in one folder."""

    def __init__(self, root: Path) -> None:
        # In a CI container the checkout often belongs to somebody else; that is no fact about the tree.
        trusted = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false")
        self._command = ("git", "-C", str(root), *trusted)
        self._environment = {name: value for name, value in os.environ.items() if name not in _REPOSITORY}

    def problem(self) -> str | None:
        """Why git cannot answer here, in git's words; None when it can."""
        try:
            self.run("rev-parse", "--verify", "HEAD")
        except FileNotFoundError:
            return "git is not installed"
        except subprocess.CalledProcessError as error:
            return str(error.stderr).strip().splitlines()[0].removeprefix("fatal: ")
        return None

    def run(self, *arguments: str) -> str:
        command = [*self._command, *arguments]
        done = subprocess.run(command, env=self._environment, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit_of(self, name: str) -> str | None:
        """The commit that a ref names; None when there is no such ref."""
        try:
            return self.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        except subprocess.CalledProcessError:
            return None

    def nearest_tag(self, pattern: str) -> str | None:
        """The nearest tag at or behind the checked-out commit that matches; None where there is none."""
        try:
            return self.run("describe", "--tags", "--abbrev=0", "--match", pattern)
        except subprocess.CalledProcessError:
            return None

    def checked_out(self, releases: re.Pattern[str]) -> tuple[str | None, str | None]:
        """The branch, or, on a detached head, a release tag of its commit."""
        with contextlib.suppress(subprocess.CalledProcessError):
            return self.run("symbolic-ref", "--quiet", "HEAD").removeprefix("refs/heads/"), None
        tags = self.run("tag", "--points-at", "HEAD").split()
        return None, next((tag for tag in tags if releases.fullmatch(tag)), None)

    def changed(self) -> Iterator[str]:
        """Files that differ from the commit, those included that git does not know."""
        # Renames would come as two names in one record.
        names = "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all"
        prefix = self.run("rev-parse", "--show-prefix")
        command = [*self._command, *names, "--", "."]
        done = subprocess.run(command, env=self._environment, check=True, capture_output=True)
        for record in os.fsdecode(done.stdout).split("\0"):
            if record:
                yield record[3:].removeprefix(prefix)

    def history(self) -> Iterator[tuple[str, frozenset[str]]]:
        """Each commit of the main line, newest first, with the files it touched below the root."""
        log = "log", "--first-parent", "--diff-merges=first-parent", "--no-renames", "--relative"
        command = [*self._command, *log, "--name-only", "-z", "--format=%x01%H", "--", "."]
        with subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            revision, touched = "", set[str]()
            for field in _fields(process.stdout):
                if field.startswith("\x01"):
                    if revision:
                        yield revision, frozenset(touched)
                    revision, touched = field[1:], set()
                else:
                    touched.add(field)
            if revision:
                yield revision, frozenset(touched)


def _fields(stream: IO[bytes]) -> Iterator[str]:
    """The fields of git's -z output, which a NUL ends, read as far as somebody asks."""
    rest = b""
    while chunk := stream.read(_CHUNK):
        *fields, rest = (rest + chunk).split(b"\0")
        yield from (os.fsdecode(field).strip("\n") for field in fields if field.strip(b"\n"))
