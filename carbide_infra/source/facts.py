"""Facts about the Go source tree: version, revision, age, and what go.mod asks for."""

import contextlib
import os
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from carbide_infra.services import Service
from carbide_infra.settings import VERSION, ConfigError

DEFAULT_VERSION = "dev"
REF_VARIABLE = "CARBIDE_REF"
"""Environment variable by which a CI names the branch or tag that it builds."""
RELEASE_TAG = re.compile(rf"v(?=\d+\.\d+){VERSION.pattern}")
"""A git tag that releases a version, such as v1.4.0."""

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
_GO_DIRECTIVE = re.compile(r"^go\s+(\d+)\.(\d+)(?:\.(\d+))?\S*", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """What the program knows about the tree it builds.

    Attributes:
        root: the folder that holds go.mod.
        version: what the binaries report with --version.
        revision: full SHA of the checked-out commit; None outside git.
        branch: name of the branch that is built; None for a tag, a detached head, or outside git.
        changed: files that differ from `revision`, relative to the root; None outside git.
        epoch: seconds since 1970 of the commit that last touched VERSION; 0 without its history.
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


def read_source(
    root: Path, version: str | None, *, require_history: bool = False, full_ref: str | None = None
) -> Source:
    """Read the facts; `version` overrides the VERSION file.

    Args:
        root: the tree.
        version: the stack's version, or None.
        require_history: whether to refuse a tree without its full history.
        full_ref: what is built, such as refs/heads/main, where the caller knows it; a CI's checkout often does not.

    Raises:
        ConfigError: VERSION holds no version, `require_history` is not met, or `full_ref` is malformed or a
            release tag of another version.
    """
    git = _Git(root)
    shown = version or version_of(root)
    problem = git.problem()
    if problem is not None:
        missing = f"the source's git history is out of reach ({problem})"
        warning = _missing_history(missing, "build from a git checkout", require_history=require_history)
        return Source(root, shown, None, None, None, 0, (warning,))
    warnings: tuple[str, ...] = ()
    epoch = 0
    is_shallow = git.run("rev-parse", "--is-shallow-repository") == "true"
    if is_shallow:
        missing = "the source is a shallow clone"
        warnings = (_missing_history(missing, "git fetch --unshallow", require_history=require_history),)
    else:
        epoch = int(git.run("log", "-1", "--format=%ct", "--", "VERSION") or 0)
    revision, released = git.run("rev-parse", "HEAD"), git.commit_of(f"refs/tags/v{shown}")
    branch, tag = _named(full_ref) if full_ref else git.checked_out()
    if full_ref and tag and tag != f"v{shown}":
        msg = (
            f"{REF_VARIABLE} = {full_ref!r}: the tree's version is {shown}; delete the tag, commit "
            f"{tag.removeprefix('v')} as VERSION, and tag that commit"
        )
        raise ConfigError(msg)
    source = Source(
        root=root,
        version=shown,
        revision=revision,
        branch=branch,
        changed=frozenset(git.changed()),
        epoch=epoch,
        warnings=warnings,
        # Of several tags on a commit, the version's own is the one that is meant.
        tag=f"v{shown}" if tag and revision == released else tag,
        released=released,
        is_shallow=is_shallow,
    )
    return replace(source, warnings=(*warnings, *_without_version(source)))


def _named(full_ref: str) -> tuple[str | None, str | None]:
    """The branch or the release tag that a full ref name stands for; neither for another tag."""
    kind, _, name = full_ref.removeprefix("refs/").partition("/")
    if not full_ref.startswith("refs/") or not name:
        msg = f"{REF_VARIABLE} = {full_ref!r}: is no full name of a ref; a good value: refs/heads/main"
        raise ConfigError(msg)
    if kind == "tags":
        return None, name if RELEASE_TAG.fullmatch(name) else None
    return name if kind == "heads" else f"{kind}/{name}", None


def _without_version(source: Source) -> Iterator[str]:
    """Say why the tag of the plain version does not follow this tree, where somebody may expect it to."""
    version = source.version
    if source.is_main and source.released not in {None, source.revision}:
        yield (
            f"{version} is released, and the tag v{version} is on another commit: the images' tag {version} stays "
            "as it is; raise VERSION for what comes next"
        )
    elif source.tag and source.tag != f"v{version}":
        yield f"VERSION = {version!r}: is not that of the tag {source.tag}; no image gets the tag {version}"
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


def version_of(root: Path) -> str:
    """Read the first line of VERSION that is neither empty nor a comment; "dev" without one.

    Raises:
        ConfigError: that line cannot be a version.
    """
    try:
        text = (root / "VERSION").read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return DEFAULT_VERSION
    lines = (line.strip() for line in text.splitlines())
    version = next((line for line in lines if line and not line.startswith("#")), DEFAULT_VERSION)
    if not VERSION.fullmatch(version):
        msg = f"VERSION = {version!r} in {root}: is no version; write one such as 1.4.0, or set version in the stack"
        raise ConfigError(msg)
    return version


def require_go_version(root: Path, go_version: str) -> None:
    """Refuse a `goVersion` older than the tree's go.mod asks for.

    Raises:
        ConfigError: naming both versions; without this the compiler says so in every build.
    """
    match = _GO_DIRECTIVE.search((root / "go.mod").read_text(encoding="utf-8"))
    if match is None:
        return
    wanted = tuple(int(part or 0) for part in match.groups())
    given = tuple(int(part) for part in re.findall(r"\d+", go_version)[:3])
    # A version without a patch level, such as 1.25, is the newest patch release of its line.
    if given < wanted[: len(given)]:
        asked = match.group(0).removeprefix("go").strip()
        msg = f"goVersion = {go_version!r}: is older than the source's go.mod asks for; set {asked} or newer"
        raise ConfigError(msg)


def require_packages(root: Path, services: Sequence[Service]) -> None:
    """Refuse services whose Go package the tree does not have.

    Raises:
        ConfigError: one line for each missing package, naming the config keys that help.
    """
    missing = [s for s in services if not any((root / s.package).glob("*.go"))]
    if missing:
        raise ConfigError(
            "\n".join(
                f"serviceOverrides.{service.image}.package = {service.package!r}: no Go files in "
                f"{root / service.package}; set the package of this source tree, or leave the "
                "image out of services"
                for service in missing
            )
        )


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

    def checked_out(self) -> tuple[str | None, str | None]:
        """The branch, or, on a detached head, a release tag of its commit."""
        with contextlib.suppress(subprocess.CalledProcessError):
            return self.run("symbolic-ref", "--quiet", "HEAD").removeprefix("refs/heads/"), None
        tags = self.run("tag", "--points-at", "HEAD").split()
        return None, next((tag for tag in tags if RELEASE_TAG.fullmatch(tag)), None)

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
