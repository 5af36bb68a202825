"""Facts about the Go source tree: version, revision, age, and releases."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from carbide_infra.catalogue.model import FileVersion, TagVersion
from carbide_infra.config_values import VERSION, version_problem
from carbide_infra.names import NO_HISTORY
from carbide_infra.settings import ConfigError
from carbide_infra.source.git import Git, GitError

_LONGEST_VERSION_FILE = 1 << 20
_LONGEST_SHOWN = 60
DEFAULT_VERSION = "dev"
REF_VARIABLE = "CARBIDE_REF"
"""Environment variable by which a CI names the branch or tag that it builds."""

VersionRule = FileVersion | TagVersion
VERSION_FILE = FileVersion(file="VERSION")
"""The rule that holds where nobody says otherwise."""

MAIN_BRANCHES = ("main", "master")
"""What the branch that releases are cut from is called where nobody says otherwise."""


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
        epoch: seconds since 1970 of the commit that last touched the version's file, or has its tag; 0 without history.
        warnings: sentences for the user about facts that could not be had.
        tag: the release tag that is built; None on a branch.
        released: full SHA of the commit that has the release tag of `version`; None while it has none.
        has_known_release: whether git tells if the version is released; a copy without tags or history may not know.
        is_shallow: whether git has a part of the history only.
        version_file: the file that says the version, relative to the root; None where no file does.
        main_branches: the names that the branch may have that releases are cut from.
    """

    root: Path
    version: str
    revision: str | None
    branch: str | None
    epoch: int
    warnings: tuple[str, ...]
    tag: str | None = None
    released: str | None = None
    has_known_release: bool = False
    is_shallow: bool = False
    version_file: str | None = None
    main_branches: tuple[str, ...] = MAIN_BRANCHES

    @property
    def is_main(self) -> bool:
        """Whether this is the line that releases are cut from."""
        return self.branch in self.main_branches


@dataclass(frozen=True)
class _Version:
    """A version as it was found.

    Attributes:
        text: what the binaries report.
        tag: the git tag that releases it, whether or not it is there.
        epoch: seconds since 1970 that stand for the time of the build.
        origin: where it can be changed; None for a git tag.
        is_aged: whether the history told the epoch.
    """

    text: str
    tag: str
    epoch: int
    origin: str | None
    is_aged: bool = True


@dataclass(frozen=True)
class _Lack:
    """What a tree does not have of its git history.

    Attributes:
        told: what it is.
        remedy: what to do.
        is_of_ages: whether the times of images are other ones than those of a full checkout.
    """

    told: str
    remedy: str
    is_of_ages: bool = True


_SHALLOW = _Lack("the source is a shallow clone", "git fetch --unshallow --tags")
_TREELESS = _Lack("the source is a partial clone that lacks trees of its history", "git fetch --refetch")
_TAGLESS = _Lack(
    "the source is a copy without release tags",
    "git fetch --tags, or, where nothing was released yet, git config remote.origin.tagOpt --tags",
    is_of_ages=False,
)


def read_source(  # noqa: PLR0913 - one for each thing that a stack may say of versions
    root: Path,
    version: str | None,
    *,
    rule: VersionRule = VERSION_FILE,
    tag_prefix: str = "",
    require_history: bool = False,
    full_ref: str | None = None,
    is_development: bool = False,
    main_branch: str | None = None,
) -> Source:
    """Read the facts.

    Args:
        root: the tree.
        version: in the place of the one that the rule finds, or None.
        rule: where the version comes from.
        tag_prefix: what stands before `v<version>` in the names of this line's release tags.
        require_history: whether to refuse a tree without its full history and its tags.
        full_ref: what is built, such as refs/heads/main, where the caller knows it; a CI's checkout often does not.
        is_development: whether a version's tag may move although it is not known whether the version is released.
        main_branch: the branch that releases are cut from; None for main or master.

    Raises:
        ConfigError: no version is where the rule says, `require_history` is not met, or `full_ref` is malformed or a
            release tag of another version.
        ForeignTreeError: the tree belongs to another user.
    """
    git = Git(root)
    try:
        source, found = _read(git, version, rule, tag_prefix, full_ref)
        source = replace(source, main_branches=(main_branch,) if main_branch else MAIN_BRANCHES)
        lacks = list(_lacks(source, found))
    except GitError as error:
        shown = version or (DEFAULT_VERSION if isinstance(rule, TagVersion) else version_of(root, rule))
        problem = f"{NO_HISTORY} ({_words(git, error)})"
        source, lacks = Source(root, shown, None, None, 0, ()), [_Lack(problem, "build from a git checkout")]
        found = None
    if lacks and require_history:
        msg = f"requireHistory = true: {lacks[0].told}; {lacks[0].remedy}"
        raise ConfigError(msg)
    stays = not (source.has_known_release or is_development) and (source.is_main or source.revision is None)
    warnings = [warning for lack in lacks for warning in _told(lack, source.version if stays else None)]
    return replace(source, warnings=(*warnings, *(_without_version(source, found) if found else ())))


def _read(
    git: Git, version: str | None, rule: VersionRule, prefix: str, full_ref: str | None
) -> tuple[Source, _Version]:
    """The facts, but for the warnings."""
    # The last one is the tree itself: a repository around it, in which it is ignored, says nothing about it.
    is_shallow, revision, _ = git.text("rev-parse", "--is-shallow-repository", "HEAD", "HEAD:./").split("\n")
    found = _version(git, rule, prefix, version, is_shallow=is_shallow == "true")
    released, releases = _commit_of(git, f"refs/tags/{found.tag}"), release_tag(prefix)
    branch, tag = _named(full_ref, releases) if full_ref else _checked_out(git, releases)
    if full_ref and tag and tag != found.tag:
        msg = (
            f"{REF_VARIABLE} = {full_ref!r}: the tree's version is {found.text}; delete the tag, commit "
            f"{tag.removeprefix(f'{prefix}v')} as {found.origin or 'a tag of that version'}, and tag that commit"
        )
        raise ConfigError(msg)
    source = Source(
        root=git.folder,
        version=found.text,
        revision=revision,
        branch=branch,
        epoch=found.epoch,
        warnings=(),
        # Of several tags on a commit, the version's own is the one that is meant.
        tag=found.tag if tag and revision == released else tag,
        released=released,
        has_known_release=released is not None or (is_shallow == "false" and _has_all_tags(git)),
        is_shallow=is_shallow == "true",
        version_file=None if version else found.origin,
    )
    return source, found


def _lacks(source: Source, found: _Version) -> Iterator[_Lack]:
    if source.is_shallow:
        yield _SHALLOW
    else:
        if not found.is_aged:
            yield _TREELESS
        if not source.has_known_release:
            yield _TAGLESS


def _told(lack: _Lack, staying: str | None) -> Iterator[str]:
    """What follows from it: `staying` is the version whose tag nothing may move."""
    effects = ["image digests differ from those of a full checkout"] if lack.is_of_ages else []
    if staying:
        effects.append(f"{staying} may be released, so no image gets the tag {staying}")
    if effects:
        yield f"{lack.told}: {', and '.join(effects)}; {lack.remedy}"


def _words(git: Git, error: GitError) -> str:
    """Why git does not tell, where its own words would be about its command line."""
    if not git.found("rev-parse", "--git-dir"):
        return str(error)
    if not git.found("rev-parse", "--verify", "HEAD"):
        return "it has no commit yet"
    if not git.found("rev-parse", "--verify", "HEAD^{tree}"):
        return "its commit cannot be read"
    if not git.found("rev-parse", "--verify", "HEAD:./"):
        return f"the repository around it, {git.found('rev-parse', '--show-toplevel')}, holds no file of it"
    return str(error)


def _has_all_tags(git: Git) -> bool:
    """Whether a tag that is not here is nowhere: a copy without any tag may be one that was made without them."""
    said = [entry.partition("\n") for entry in git.found("config", "-z", "--get-regexp", r"^remote\.").split("\0")]
    options = {value for name, _, value in said if name.endswith(".tagopt")}
    fetched = {value.lstrip("+").partition(":")[0] for name, _, value in said if name.endswith(".fetch")}
    if "--no-tags" in options:
        return False
    if (
        "--tags" in options
        or fetched & {"refs/*", "refs/tags/*"}
        or git.found("for-each-ref", "--count=1", "refs/tags")
    ):
        return True
    is_copy = (
        any(name for name, _, _ in said) or (git.folder / git.text("rev-parse", "--git-path", "FETCH_HEAD")).exists()
    )
    return not is_copy


def _commit_of(git: Git, ref: str) -> str | None:
    """The commit that a ref names; None where there is no such ref, which one that cannot be read is not."""
    names = git.text("for-each-ref", "--format=%(refname)", ref).split("\n")
    return git.text("rev-parse", "--verify", f"{ref}^{{commit}}") if ref in names else None


def _checked_out(git: Git, releases: re.Pattern[str]) -> tuple[str | None, str | None]:
    """The branch, or, on a detached head, a release tag of its commit."""
    if branch := git.found("symbolic-ref", "--quiet", "HEAD"):
        return branch.removeprefix("refs/heads/"), None
    tags = git.text("tag", "--points-at", "HEAD").split("\n")
    return None, next((tag for tag in tags if releases.fullmatch(tag)), None)


def _version(git: Git, rule: VersionRule, prefix: str, given: str | None, *, is_shallow: bool) -> _Version:
    if isinstance(rule, FileVersion):
        text = given or version_of(git.folder, rule)
        epoch = None if is_shallow else _age_of(git, rule.file)
        return _Version(text, f"{prefix}v{text}", epoch or 0, rule.file, is_aged=epoch is not None)
    tag = git.found("describe", "--tags", "--abbrev=0", "--match", rule.git_tag)
    if not tag:
        if is_shallow and not given:
            msg = f"version.gitTag = {rule.git_tag}: this shallow clone has no such tag; git fetch --unshallow --tags"
            raise ConfigError(msg)
        text = given or DEFAULT_VERSION
        return _Version(text, f"{prefix}v{text}", 0, None)
    epoch = int(git.text("log", "-1", "--format=%ct", f"refs/tags/{tag}^{{commit}}"))
    return (
        _Version(given, f"{prefix}v{given}", epoch, None)
        if given
        else _Version(_version_in(tag, prefix), tag, epoch, None)
    )


def _age_of(git: Git, file: str) -> int | None:
    """Seconds since 1970 of the last commit that touched a file; 0 for a new one, None where no history tells."""
    try:
        return int(git.text("log", "-1", "--format=%ct", "--", file) or 0)
    except GitError:
        return None


def _version_in(tag: str, prefix: str) -> str:
    """The version in the name of a git tag: what follows the prefix and a word such as v or release-."""
    found = re.search(r"\d.*", tag.removeprefix(prefix).rpartition("/")[2])
    if found is None or version_problem(found[0]):
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


def version_of(root: Path, rule: FileVersion = VERSION_FILE) -> str:
    """Read the version from its file.

    Without a pattern it is the first line that is neither empty nor a comment; "dev" without one.

    Raises:
        ConfigError: that cannot be a version, or a pattern finds none.
    """
    version = (
        _first_line(root / rule.file, rule.file)
        if rule.match is None
        else _matched(root / rule.file, rule.match, rule.file)
    )
    if problem := version_problem(version):
        shown = version if len(version) <= _LONGEST_SHOWN else f"{version[:_LONGEST_SHOWN]}…"
        msg = f"{rule.file} = {shown!r} in {root}: {problem}; a good value: 1.4.0; or set version in the stack"
        raise ConfigError(msg)
    return version


def _first_line(file: Path, name: str) -> str:
    if not file.exists() and not file.is_symlink():
        return DEFAULT_VERSION
    lines = (line.strip() for line in _text(file, name).splitlines())
    return next((line for line in lines if line and not line.startswith("#")), DEFAULT_VERSION)


def _text(file: Path, name: str) -> str:
    """The text of a file that somebody else wrote, as far as a version may stand in it."""
    reason = "is not text in UTF-8"
    try:
        with file.open("rb") as stream:
            return stream.read(_LONGEST_VERSION_FILE).decode("utf-8-sig")
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        pass
    msg = f"version.file = {name}: {reason}; name a text file of the source tree, or set version in the stack"
    raise ConfigError(msg)


def _matched(file: Path, pattern: str, name: str) -> str:
    found = re.search(pattern, _text(file, name), re.MULTILINE)
    if found is None:
        msg = f"version.match = {pattern}: finds nothing in {name}; a good value: 'Version = \"(.*)\"'"
        raise ConfigError(msg)
    return found[1]
