"""How git is run: the repository alone decides its answers, and nothing in it is run; real git, hostile trees."""

import hashlib
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from carbide_infra.errors import UserError
from carbide_infra.source.facts import read_source
from carbide_infra.source.git import SAFE_DIRECTORY, ForeignTreeError, Git, GitError
from carbide_infra.source.inputs import InputFile
from carbide_infra.source.origins import origins_of
from carbide_infra.verification.build_record import BuildRecord, InputsMissing
from tests.support.git_trees import commit, git
from tests.support.started_programs import recorded

STRANGER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

SIGNATURE = "-----BEGIN PGP SIGNATURE-----\n \n mine\n -----END PGP SIGNATURE-----"


# ---- Nothing of the user's, nothing of a hook's.


def test_no_variable_of_git_counts(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = read_source(tree, None)
    places = "DIR", "WORK_TREE", "INDEX_FILE", "OBJECT_DIRECTORY", "COMMON_DIR", "ALTERNATE_OBJECT_DIRECTORIES"
    others = "CONFIG_GLOBAL", "NAMESPACE", "CEILING_DIRECTORIES", "SHALLOW_FILE", "EXTERNAL_DIFF", "PAGER", "TRACE2"
    for name in (*places, *others):
        monkeypatch.setenv(f"GIT_{name}", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "log.showSignature")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    started = recorded(monkeypatch)
    assert read_source(tree, None) == source
    assert {name for each in started for name in each.environment or {} if name.startswith("GIT_")} == {
        *("GIT_ATTR_NOSYSTEM", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_GRAFT_FILE", "GIT_LITERAL_PATHSPECS"),
        *("GIT_NO_REPLACE_OBJECTS", "GIT_OPTIONAL_LOCKS", "GIT_ALLOW_PROTOCOL", "GIT_NO_LAZY_FETCH"),
    }


def test_no_configuration_of_the_user_counts(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = commit(tree, "a.go")
    source, inputs = read_source(tree, None), {"a": [input_file(tree, "a.go")]}
    origins = origins_of({"a": source}, inputs, tmp_path / "cache")
    home = tmp_path / "home"
    (home / ".config/git").mkdir(parents=True)
    (home / ".gitconfig").write_text("[log]\n\tshowSignature = true\n[core]\n\tautocrlf = true\n[garbage\n")
    (home / ".config/git/attributes").write_text("* text filter=mine\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert read_source(tree, None) == source
    assert origins_of({"a": source}, inputs, tmp_path / "cache") == origins
    assert origins["a"].revision == file


def test_what_git_says_is_the_same_in_every_language(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    started = recorded(monkeypatch)
    with pytest.raises(GitError, match=r"^Needed a single revision$"):
        Git(tree).text("rev-parse", "--verify", "none")
    assert [(each.environment or {})["LC_ALL"] for each in started] == ["C"]


def test_a_replaced_commit_is_not_what_its_name_promises(tree: Path, tmp_path: Path) -> None:
    honest = commit(tree, "a.go")
    (tree / "a.go").write_text("replaced\n")
    other = commit(tree)
    git(tree, "reset", "--quiet", "--soft", honest)
    git(tree, "replace", honest, other)
    found = origins_of({"a": read_source(tree, None)}, {"a": [input_file(tree, "a.go")]}, tmp_path / "cache")
    assert found["a"].differing == {"a.go": "differs from"}


def test_the_name_of_a_file_is_no_pattern(tree: Path) -> None:
    commit(tree, "later.go")
    assert Git(tree).text("log", "-1", "--format=%H", "--", "*") == ""


# ---- Nothing of the tree's is run.


def input_file(root: Path, name: str) -> InputFile:
    content = (root / name).read_bytes()
    return InputFile(name, os.access(root / name, os.X_OK), hashlib.sha256(content).hexdigest(), len(content))


def configured(*settings: str) -> Callable[[Path, str], None]:
    def configure(tree: Path, program: str) -> None:
        for setting in settings:
            name, _, value = setting.partition("=")
            git(tree, "config", name, value.replace("PROGRAM", program))

    return configure


def hooked(tree: Path, program: str) -> None:
    hooks = tree / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction", "fsmonitor-watchman"):
        (hooks / name).write_text(f"#!/bin/sh\nexec {program}\n")
        (hooks / name).chmod(0o755)


PARTIAL = ("core.repositoryFormatVersion=1", "extensions.partialClone=origin", "remote.origin.promisor=true")
# What prepares the tree, and a git command that runs the program; none where output that is no terminal's prevents it.
HOSTILE = {
    "clean filter": (configured("filter.x.clean=PROGRAM", "filter.x.required=true"), ["status"]),
    "smudge filter": (configured("filter.x.smudge=PROGRAM", "filter.x.required=true"), ["archive", "HEAD"]),
    "filter process": (configured("filter.x.process=PROGRAM"), ["status"]),
    "fsmonitor": (configured("core.fsmonitor=PROGRAM"), ["status"]),
    "hooks": (hooked, ["read-tree", "HEAD"]),
    "hooks elsewhere": (configured("core.hooksPath=.evil"), ["read-tree", "HEAD"]),
    "pager": (configured("core.pager=PROGRAM", "pager.log=PROGRAM", "pager.config=PROGRAM"), None),
    "external diff": (configured("diff.external=PROGRAM"), ["diff", "HEAD~1", "HEAD", "--", "Dockerfile"]),
    "diff of a kind": (configured("diff.x.command=PROGRAM"), ["diff", "HEAD~1", "HEAD", "--", "Dockerfile"]),
    "text of a diff": (configured("diff.x.textconv=PROGRAM"), ["log", "-p", "--", "Dockerfile"]),
    "signature": (configured("log.showSignature=true", "gpg.program=PROGRAM"), ["log"]),
    "ssh": (
        configured(*PARTIAL, "remote.origin.url=ssh://host/path", "core.sshCommand=PROGRAM", "protocol.allow=always"),
        ["cat-file", "blob", "HEAD:b.go"],
    ),
    "remote helper": (
        configured(*PARTIAL, "remote.origin.url=ext::PROGRAM", "protocol.ext.allow=always"),
        ["cat-file", "blob", "HEAD:b.go"],
    ),
    "editor and alias": (configured("core.editor=PROGRAM", "alias.log=!PROGRAM", "core.askPass=PROGRAM"), None),
}


@pytest.mark.parametrize(("prepare", "bait"), HOSTILE.values(), ids=HOSTILE)
def test_no_program_of_the_tree_is_run(
    prepare: Callable[[Path, str], None], bait: list[str] | None, tree: Path, tmp_path: Path
) -> None:
    program, ran = tmp_path / "program", tmp_path / "ran"
    program.write_text(f"#!/bin/sh\ntouch {shlex.quote(str(ran))}\nexit 1\n")
    program.chmod(0o755)
    hostile_tree(tree, program)
    last = git(tree, "rev-parse", "HEAD")
    prepare(tree, str(program))
    source = read_source(tree, None)
    inputs = [input_file(tree, name) for name in ("a.go", "b.go")]
    origin = origins_of({"a": source}, {"a": inputs}, tmp_path / "cache")["a"]
    assert (origin.is_commit, set(origin.differing)) == (False, {"b.go"})
    scratch = tmp_path / "scratch"
    made = BuildRecord.of(
        "image",
        {"inputs": f"0644 {'0' * 64} 1 a.go", "dockerfile": "0" * 64},
        {"platforms": [], "dockerfile": {"location": "Dockerfile"}},
        last,
    )
    with pytest.raises(InputsMissing):
        made.source(tree, scratch)
    with pytest.raises(InputsMissing):
        made.dockerfile_text(tree)
    assert (scratch / "a.go").read_text() == "new\n"
    assert not ran.exists()
    if bait:
        os.utime(tree / "a.go", (1, 1))
        subprocess.run(["git", "-C", str(tree), *bait], check=False, capture_output=True)
        assert ran.exists(), "the trap works"


def hostile_tree(tree: Path, program: Path) -> None:
    """Attributes and a signature that name programs, and a blob that is not here, as in a partial clone."""
    (tree / ".evil").mkdir()
    (tree / ".evil/post-index-change").symlink_to(program)
    (tree / ".gitattributes").write_text("*.go filter=x\n* diff=x\n")
    (tree / "b.go").write_text("to be fetched\n")
    commit(tree, "a.go", "Dockerfile")
    signed = git(tree, "cat-file", "commit", "HEAD").replace("\n\n", f"\ngpgsig {SIGNATURE}\n\n", 1)
    (tree / ".git/signed").write_text(f"{signed}\n")
    git(tree, "reset", "--quiet", git(tree, "hash-object", "-w", "-t", "commit", ".git/signed"))
    commit(tree, "Dockerfile")
    blob = git(tree, "rev-parse", "HEAD:b.go")
    (tree / ".git/objects" / blob[:2] / blob[2:]).unlink()
    (tree / "b.go").write_text("edited\n")


def test_what_is_asked_leaves_the_repository_as_it_was(tree: Path, tmp_path: Path) -> None:
    commit(tree, "a.go")
    os.utime(tree / "a.go")  # git status would refresh the index
    git(tree, "config", "core.splitIndex", "true")
    before = {path: path.stat().st_mtime_ns for path in (tree / ".git").rglob("*")}
    (tree / "a.go").write_text("edited\n")
    source = read_source(tree, None)
    origins_of({"a": source}, {"a": [input_file(tree, "a.go")]}, tmp_path / "cache")
    assert {path: path.stat().st_mtime_ns for path in (tree / ".git").rglob("*")} == before


# ---- Whose tree it is.


@pytest.fixture
def foreign(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of somebody else."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv(SAFE_DIRECTORY, raising=False)
    monkeypatch.delenv("SUDO_UID", raising=False)
    (tmp_path / "home").mkdir()
    for path in (tree, tree / ".git"):
        os.chown(path, STRANGER, STRANGER)
    return tree


@as_root
def test_a_tree_of_somebody_else_is_refused_with_two_ways_out(foreign: Path) -> None:
    with pytest.raises(ForeignTreeError) as caught:
        read_source(foreign, None)
    assert str(caught.value) == (
        f"{foreign}: is another user's, so git does not read it; if you trust all who may write there, git config "
        f"--global --add safe.directory {foreign}, or, as in CI, {SAFE_DIRECTORY}={foreign}"
    )


@as_root
def test_git_s_own_way_out_works(foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(foreign)
    with pytest.raises(ForeignTreeError):
        read_source(foreign, None)
    for trusted in ("/another", str(foreign), "/a third"):
        git(tmp_path, "config", "--global", "--add", "safe.directory", trusted)
    assert read_source(foreign, None).revision
    asked = Git(foreign).read("hash-object", "--stdin", given=b"what is given counts")
    assert asked == Git(Path("/")).read("hash-object", "--stdin", given=b"what is given counts")
    assert Git(foreign).read("rev-parse", "--git-path", "index", GIT_INDEX_FILE="/so/does/this") == b"/so/does/this\n"


@as_root
def test_a_repository_cannot_call_itself_safe(foreign: Path) -> None:
    with (foreign / ".git/config").open("a") as config:
        config.write("[safe]\n\tdirectory = *\n")
    with pytest.raises(ForeignTreeError):
        read_source(foreign, None)


@as_root
def test_a_list_of_trees_is_trusted_and_no_other(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SAFE_DIRECTORY, str(tmp_path / "other"))
    with pytest.raises(ForeignTreeError):
        read_source(foreign, None)
    monkeypatch.setenv(SAFE_DIRECTORY, f"{tmp_path / 'other'}:{foreign}:")
    started = recorded(monkeypatch)
    assert read_source(foreign, None).revision
    for each in started:
        given = [word for word in each.command if word.startswith("safe.directory=")]
        assert given == [f"safe.directory={tmp_path / 'other'}", f"safe.directory={foreign}"]


@as_root
def test_who_called_sudo_may_use_her_tree(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", str(STRANGER))
    assert read_source(foreign, None).revision


@pytest.mark.parametrize("value", ["*", "/builds/*", ".", "relative/tree"])
def test_a_list_names_trees_one_by_one(value: str, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SAFE_DIRECTORY, f"{tree}:{value}")
    with pytest.raises(
        UserError, match=r"CARBIDE_SAFE_DIRECTORY: .* is not the absolute path of one tree; a good value"
    ):
        read_source(tree, None)


def test_no_command_trusts_every_tree(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = recorded(monkeypatch)
    read_source(tree, None)
    assert not [word for each in started for word in each.command if "safe.directory" in word]


# ---- What a command prints.


def test_what_is_not_there_is_found_empty(tree: Path) -> None:
    assert Git(tree).found("rev-parse", "HEAD") == git(tree, "rev-parse", "HEAD")
    assert Git(tree).found("rev-parse", "--verify", "none") == ""


def test_blobs_are_told_apart_and_those_that_are_not_here_left_out(tree: Path) -> None:
    names = {}
    for content in ("one\n", "", "two\nlines\n"):
        (tree / "file").write_text(content)
        names[git(tree, "hash-object", "-w", "file")] = content.encode()
    first, second, third = names
    assert Git(tree).blobs([first, "0" * 40, second, first, third]) == names


def test_a_list_that_breaks_off_is_told_and_git_prints_nothing_beside_it(
    tree: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(GitError, match=r"^git log fails$"):
        list(Git(tree).fields("log", "-z", "none"))
    assert capfd.readouterr().err == ""


def test_without_git_that_is_said(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(GitError, match=r"^git is not installed$"):
        Git(tree).text("rev-parse", "HEAD")


def test_looking_writes_nothing_into_the_repository(tree: Path) -> None:
    os.utime(tree / "VERSION", (1, 1))
    before = (tree / ".git/index").read_bytes()
    assert Git(tree).text("status", "--porcelain") == ""
    assert (tree / ".git/index").read_bytes() == before
