"""Which images may claim the commit that is checked out: real repositories, each as somebody has it."""

import hashlib
import os
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import pytest

from carbide_infra.errors import UserError
from carbide_infra.source.commit import Commit
from carbide_infra.source.facts import Source, read_source
from carbide_infra.source.git import Git
from carbide_infra.source.inputs import InputFile
from carbide_infra.source.kept_answers import save
from carbide_infra.source.origin_warnings import warnings_of
from carbide_infra.source.origins import Origin, differing, origins_of
from tests.support.git_trees import commit, git
from tests.support.started_programs import recorded


def input_file(root: Path, name: str) -> InputFile:
    content = (root / name).read_bytes()
    return InputFile(name, os.access(root / name, os.X_OK), hashlib.sha256(content).hexdigest(), len(content))


def origins(root: Path, images: dict[str, list[str]], version: str | None = None) -> dict[str, Origin]:
    sources = dict.fromkeys(images, read_source(root, version))
    files = {name: [input_file(root, each) for each in paths] for name, paths in images.items()}
    cache = root / (".git/cache" if (root / ".git").is_dir() else ".cache")
    if not cache.exists():
        cache.mkdir()
    return origins_of(sources, files, cache)


def origin(root: Path, *names: str) -> Origin:
    return origins(root, {"image": list(names)})["image"]


def claims(root: Path, *names: str) -> bool:
    found = origin(root, *names)
    assert found.is_commit or found.revision is None
    assert found.is_commit or found.differing
    return found.is_commit


# ---- What is the commit's.


def test_files_as_they_were_committed_are_the_commit_s(tree: Path) -> None:
    first = commit(tree, "a.go", "größe\n\f\u2028.txt")
    (tree / "run").write_text("#!/bin/sh\n")
    (tree / "run").chmod(0o755)
    commit(tree)
    found = origin(tree, "a.go", "größe\n\f\u2028.txt")
    assert found == Origin(git(tree, "rev-parse", "HEAD"), {}, [], first)
    assert claims(tree, "run", os.fsdecode("größe\n\f\u2028.txt".encode()))


def test_a_file_that_is_no_input_costs_an_image_nothing(tree: Path) -> None:
    commit(tree, "a/a.go", "a/README", "b/b.go", "docs/page")
    (tree / "b/b.go").write_text("edited\n")
    (tree / "a/README").unlink()
    (tree / "docs/page").unlink()
    (tree / "new").touch()
    found = origins(tree, {"a": ["a/a.go", "VERSION"], "b": ["b/b.go", "VERSION"], "both": ["a/a.go", "b/b.go"]})
    assert {name: each.is_commit for name, each in found.items()} == {"a": True, "b": False, "both": False}
    assert found["b"].differing == found["both"].differing == {"b/b.go": "differs from"}
    (warning,) = warnings_of(found)
    assert warning == (
        f"b/b.go differs from commit {git(tree, 'rev-parse', 'HEAD')[:12]}: neither the git SHA nor latest as a tag, "
        "and no revision, for b, both"
    )


NAMES = ["line\nbreak", 'quo"te', "größe", "\f\u2028", os.fsdecode(b"no text \xff"), " ", "\x01"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_the_commit_s_or_is_not(name: str, tree: Path) -> None:
    commit(tree, name)
    assert claims(tree, name)
    (tree / name).write_text("edited\n")
    found = origins(tree, {"image": [name]})
    assert found["image"].differing == {name: "differs from"}
    (warning,) = warnings_of(found)
    assert warning.encode()
    assert len(warning.splitlines()) == 1


def test_a_warning_names_the_first_file_and_how_many_more(tree: Path) -> None:
    commit(tree, "a.go", "b.go")
    for name in ("a.go", "b.go", "c.go"):
        (tree / name).write_text("edited\n")
    (warning,) = warnings_of(origins(tree, {"x": ["c.go", "b.go", "a.go"], "y": ["a.go"]}))
    assert warning.startswith("a.go differs from commit ")
    assert warning.endswith(" (and 2 more): neither the git SHA nor latest as a tag, and no revision, for x, y")


def test_each_image_is_told_of_a_file_of_its_own(tree: Path) -> None:
    for name in ("a.go", "b.go"):
        (tree / name).touch()
    found = warnings_of(origins(tree, {"x": ["a.go"], "y": ["b.go"]}))
    assert [warning.partition(" commit")[0] for warning in found] == ["a.go is not in", "b.go is not in"]


def test_outside_git_nobody_claims_anything(tmp_path: Path) -> None:
    (tmp_path / "a.go").touch()
    found = origins(tmp_path, {"image": ["a.go"]})
    assert not found["image"].is_commit
    assert list(warnings_of(found)) == [], "there is a warning for the whole tree"


# ---- What git itself calls clean.


def test_unchanged_by_assumption_is_not_unchanged(tree: Path) -> None:
    for flag in ("--assume-unchanged", "--skip-worktree"):
        commit(tree, "a.go")
        git(tree, "update-index", flag, "a.go")
        (tree / "a.go").write_text("edited\n")
        assert git(tree, "status", "--porcelain") == ""
        assert not claims(tree, "a.go")
        git(tree, "update-index", flag.replace("--", "--no-"), "a.go")


@pytest.mark.parametrize("ignored", [".gitignore", ".git/info/exclude"])
def test_an_ignored_file_is_not_the_commit_s(ignored: str, tree: Path) -> None:
    (tree / ignored).write_text("dist/\n*.pb.go\n")
    commit(tree, "a.go")
    for name in ("dist/app.js", "a.pb.go"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("made\n")
        assert git(tree, "status", "--porcelain") == ""
        assert origin(tree, "a.go", name).differing == {name: "is not in"}
    assert claims(tree, "a.go")


def test_the_bit_that_git_does_not_compare_is_compared(tree: Path) -> None:
    commit(tree, "run.sh", "a.go")
    git(tree, "config", "core.fileMode", "false")
    for name in ("run.sh", "a.go"):
        (tree / name).chmod(0o755)
    assert git(tree, "status", "--porcelain") == ""
    assert origin(tree, "run.sh").differing == {"run.sh": "has another mode than in"}
    # Staged without the bit, which no compiler reads.
    staged = InputFile("a.go", executable=False, sha256=input_file(tree, "a.go").sha256, size=4)
    source = read_source(tree, None)
    assert origins_of({"i": source}, {"i": [staged]}, tree / ".git/cache")["i"].is_commit
    git(tree, "update-index", "--chmod=+x", "a.go")
    git(tree, "commit", "--quiet", "-m", "Executable")
    source = read_source(tree, None)
    assert origins_of({"i": source}, {"i": [staged]}, tree / ".git/cache")["i"].is_commit


def test_a_tree_in_an_ignored_folder_of_a_repository_claims_nothing_of_it(tree: Path) -> None:
    (tree / ".gitignore").write_text("ignored/\n")
    commit(tree)
    (tree / "ignored").mkdir()
    (tree / "ignored/a.go").touch()
    assert not origin(tree / "ignored", "a.go").is_commit


# ---- Line ends, pointers, filters.


def with_attributes(tree: Path, attributes: str, committed: bytes, on_disk: bytes) -> Origin:
    (tree / ".gitattributes").write_text("")
    (tree / "a.txt").write_bytes(committed)
    commit(tree)
    (tree / ".gitattributes").write_text(attributes)
    git(tree, "add", ".gitattributes")
    git(tree, "commit", "--quiet", "--allow-empty", "-m", "Attributes")
    (tree / "a.txt").write_bytes(on_disk)
    return origin(tree, "a.txt")


@pytest.mark.parametrize(
    ("attributes", "is_text"),
    [
        ("* text=auto\n", True),
        ("*.txt text eol=crlf\n", True),
        ("*.txt eol=crlf\n", True),
        ("*.txt crlf\n", True),
        ("*.txt -text eol=crlf\n", False),
        ("*.txt binary\n", False),
        ("*.go text\n", False),
        ("", False),
    ],
)
def test_other_line_ends_count_as_the_commit_s_where_attributes_say_text(
    attributes: str,
    is_text: bool,  # noqa: FBT001
    tree: Path,
) -> None:
    git(tree, "config", "core.autocrlf", "true")
    found = with_attributes(tree, attributes, b"one\ntwo\n", b"one\r\ntwo\r\n")
    assert found.is_commit == is_text
    (warning,) = warnings_of({"image": found})
    if is_text:
        assert found.converted == ["a.txt"]
        assert warning.startswith("a.txt has other line ends than in commit ")
        assert "image will not be what another machine builds" in warning
    else:
        assert "has other line ends, which no attribute of its text explains, than in commit" in warning


@pytest.mark.parametrize("on_disk", [b"one\r\ntwo\r\n\0", b"one\r\ntwo!\r\n", b"one\rtwo\r", b"one\ntwo\n\r\n"])
def test_more_than_line_ends_is_another_content(on_disk: bytes, tree: Path) -> None:
    assert with_attributes(tree, "* text\n", b"one\ntwo\n", on_disk).differing == {"a.txt": "differs from"}


def test_what_holds_a_nul_is_no_text(tree: Path) -> None:
    found = with_attributes(tree, "* text=auto\n", b"one\n\0", b"one\r\n\0")
    assert found.differing == {"a.txt": "differs from"}


def test_each_file_has_attributes_of_its_own(tree: Path) -> None:
    (tree / ".gitattributes").write_text("*.txt text\nb.* filter=crypt\nsub/*.go text\n")
    names = ["a.txt", "b.txt", "c.go", "sub/d.go"]
    (tree / "sub").mkdir()
    for name in names:
        (tree / name).write_bytes(f"{name}\n".encode())
    commit(tree)
    for name in names:
        (tree / name).write_bytes(f"{name}\r\n".encode())
    found = origin(tree, *names)
    assert (found.converted, list(found.differing)) == (["a.txt", "sub/d.go"], ["b.txt", "c.go"])
    assert "crypt" in found.differing["b.txt"]


@pytest.mark.parametrize("staged", [False, True])
def test_attributes_are_those_of_the_commit(tree: Path, *, staged: bool) -> None:
    (tree / "a.txt").write_bytes(b"one\n")
    commit(tree)
    (tree / "a.txt").write_bytes(b"one\r\n")
    (tree / ".gitattributes").write_text("* text\n")
    if staged:
        git(tree, "add", ".gitattributes")
    assert not claims(tree, "a.txt")


def test_finding_attributes_writes_nothing_where_we_are(
    tree: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    assert with_attributes(tree, "* text\n", b"one\n", b"one\r\n").is_commit
    assert list(here.iterdir()) == []


def pointer(content: bytes) -> bytes:
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
        hashlib.sha256(content).hexdigest().encode(),
        len(content),
    )


def test_what_a_pointer_of_git_lfs_names_is_the_commit_s(tree: Path) -> None:
    content = b"large\0"
    assert with_attributes(tree, "*.txt filter=lfs -text\n", pointer(content), content).is_commit
    (tree / "a.txt").write_bytes(b"other\0")
    assert not claims(tree, "a.txt")
    (tree / "a.txt").write_bytes(pointer(content))
    assert claims(tree, "a.txt"), "the pointer itself is the blob"


@pytest.mark.parametrize(
    "content", [pointer(b"other!"), pointer(b"large\0").replace(b"size 6", b"size 7"), b"no pointer\n"]
)
def test_another_pointer_is_not(content: bytes, tree: Path) -> None:
    found = with_attributes(tree, "*.txt filter=lfs -text\n", content, b"large\0")
    assert found.differing == {"a.txt": "is what git's lfs makes, or something else, of what is in"}


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ("*.txt filter=crypt text\n", "crypt"),
        ("*.txt text ident\n", "ident"),
        ("*.txt text working-tree-encoding=UTF-16\n", "working-tree-encoding"),
    ],
)
def test_what_another_filter_makes_is_unknown(attributes: str, name: str, tree: Path) -> None:
    found = with_attributes(tree, attributes, b"one\n", b"one\r\n")
    assert not found.is_commit
    assert list(found.differing.values()) == [f"is what git's {name} makes, or something else, of what is in"]
    (tree / "a.txt").write_bytes(b"one\n")
    assert claims(tree, "a.txt"), "the very blob"


# ---- Links and submodules.


def test_a_file_behind_a_link_is_the_one_that_the_commit_has_there(tree: Path) -> None:
    commit(tree, "real/x/a.go", "other/x/a.go", "other/x/b.go")
    (tree / "deep").mkdir()
    (tree / "deep/folder").symlink_to("..//real/./x/")
    (tree / "file.go").symlink_to("deep/folder/../x/a.go")
    linked = commit(tree)
    assert origin(tree, "file.go").revision == origin(tree, "deep/folder/a.go").revision == linked
    moved = commit(tree, "real/x/a.go")
    assert origin(tree, "file.go").revision == origin(tree, "deep/folder/a.go").revision == moved
    (tree / "real/x/a.go").write_text("edited\n")
    assert not claims(tree, "file.go")
    assert not claims(tree, "deep/folder/a.go")
    git(tree, "checkout", "--quiet", ".")
    (tree / "deep/folder").unlink()
    (tree / "deep/folder").symlink_to("../other/x")
    git(tree, "update-index", "--assume-unchanged", "deep/folder")
    assert not claims(tree, "deep/folder/a.go")


@pytest.mark.parametrize("target", ["loop", "/a", "../a", "none/a", "a/a"])
def test_a_link_that_leads_nowhere_in_the_commit_holds_nothing(target: str, tree: Path) -> None:
    (tree / "loop").symlink_to(target)
    commit(tree, "a")
    (tree / "loop").unlink()
    (tree / "loop").write_text("new\n")
    assert origin(tree, "loop").differing == {"loop": "is not in"}


@pytest.mark.parametrize("links", [40, 41])
def test_as_many_links_are_followed_as_linux_follows(links: int, tree: Path) -> None:
    commit(tree, "file0.go")
    for number in range(1, links + 1):
        (tree / f"file{number}.go").symlink_to(f"file{number - 1}.go")
    commit(tree)
    source = read_source(tree, None)
    found = Commit(Git(tree), str(source.revision)).find(f"file{links}.go")
    assert (found is not None) == (links == 40)


def test_no_path_leads_out_of_the_commit(tree: Path) -> None:
    found = Commit(Git(tree), git(tree, "rev-parse", "HEAD"))
    assert found.find("x/../VERSION") == found.find("VERSION")
    assert found.find("/VERSION") is found.find("../VERSION") is found.find("VERSION/x") is None


@pytest.fixture
def outer(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with a submodule, `sub`, which has one of its own, all ignored by git's status."""
    inner, deep = (tmp_path_factory.mktemp(name) for name in ("inner", "deep"))
    for folder in (inner, deep):
        git(folder, "init", "--quiet", "--initial-branch=main")
    commit(deep, "d.go")
    commit(inner, "a.go")
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    git(inner, *add, str(deep), "deep")
    commit(inner)
    git(tree, *add, str(inner), "sub")
    git(tree, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive")
    git(tree, "config", "--file", ".gitmodules", "submodule.sub.ignore", "all")
    commit(tree)
    return tree


@pytest.mark.parametrize("name", ["sub/a.go", "sub/deep/d.go"])
def test_a_file_of_a_submodule_is_the_one_of_its_recorded_commit(name: str, outer: Path) -> None:
    recorded_in = git(outer, "rev-parse", "HEAD")
    commit(outer, "later.go")
    assert origin(outer, name).revision == recorded_in
    (outer / name).write_text("edited\n")
    assert git(outer, "status", "--porcelain") == ""
    assert origin(outer, name).differing == {name: "differs from"}
    commit((outer / name).parent)
    assert not claims(outer, name), "another commit than the recorded one"


def test_a_submodule_that_is_not_at_hand_is_unknown(outer: Path) -> None:
    (outer / "sub/.git").unlink()
    assert origin(outer, "sub/a.go").differing == {"sub/a.go": "cannot be found in the submodule that is recorded in"}


def test_a_new_file_in_a_submodule_is_not_the_commit_s(outer: Path) -> None:
    (outer / "sub/new.go").touch()
    found = origin(outer, "sub/new.go").differing
    assert found == {"sub/new.go": "cannot be found in the submodule that is recorded in"}


def test_a_file_that_a_submodule_lacks_is_named(outer: Path) -> None:
    commit(outer / "sub", "b.go")
    commit(outer)
    git(outer, "add", "--force", "sub")
    git(outer, "commit", "--quiet", "--allow-empty", "-m", "Move")
    (outer / "sub/b.go").unlink()
    assert origin(outer, "sub/a.go").differing == {"sub/b.go": "is missing here, but is in"}


# ---- What is gone.


def removed(tree: Path, name: str, inputs: Collection[str]) -> bool:
    """Whether an image that has other files of the commit still claims it, without this one."""
    commit(tree, name, *inputs)
    (tree / name).unlink()
    for folder in (tree / name).parents:
        if folder != tree and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    found = origin(tree, *inputs)
    assert found.is_commit or found.differing == {name: "is missing here, but is in"}
    return found.is_commit


@pytest.mark.parametrize(
    "name",
    ["p/b.go", "p/b_amd64.s", "p/data/c.txt", "p/data/more/c.txt", "p/more/c.txt", "p/x.txt", "go.sum", "go.work"],
)
def test_what_an_image_may_have_been_made_of_is_missed(name: str, tree: Path) -> None:
    assert not removed(tree, name, ["go.mod", "p/a.go", "p/data/deep/a.txt"])


@pytest.mark.parametrize(
    "name", ["p/b_test.go", "q/b.go", "p/q/b.go", "README", "docs/page", "q/go.mod", "p/data/q/kept", "q/x.txt"]
)
def test_what_no_image_can_have_been_made_of_is_not_missed(name: str, tree: Path) -> None:
    (tree / "p/data/q").mkdir(parents=True)
    (tree / "p/data/q/new").touch()
    assert removed(tree, name, ["go.mod", "p/a.go", "p/data/deep/a.txt", "files/a.txt"])


@pytest.mark.parametrize(("name", "counts"), [("p/b.s", True), ("p/b.h", True), ("p/b.syso", True), ("p/x.txt", False)])
def test_a_package_that_embeds_nothing_misses_what_is_compiled(
    name: str,
    counts: bool,  # noqa: FBT001
    tree: Path,
) -> None:
    assert removed(tree, name, ["go.mod", "p/a.go"]) != counts


def test_the_package_at_the_root_may_embed_any_folder(tree: Path) -> None:
    assert not removed(tree, "more/b.txt", ["a.go", "data/a.txt"])


def test_a_file_is_missed_by_the_images_that_may_have_had_it(tree: Path) -> None:
    commit(tree, "p/a.go", "p/data/a.txt", "p/data/q/b.txt", "p/data/q/c.txt")
    (tree / "p/data/q/c.txt").unlink()
    found = origins(tree, {"one": ["p/a.go", "p/data/a.txt"], "other": ["p/a.go", "p/data/q/b.txt"]})
    assert {name: each.is_commit for name, each in found.items()} == {"one": True, "other": False}


def test_of_copied_files_those_beside_them_are_missed(tree: Path) -> None:
    assert not removed(tree, "web/dist/more/b.js", ["go.mod", "web/dist/a.js"])


# ---- The version decides every image.


def test_a_version_that_is_not_the_commit_s_is_nobody_s_claim(tree: Path) -> None:
    commit(tree, "a.go")
    (tree / "VERSION").write_text("1.5.0\n")
    assert origin(tree, "a.go").differing == {"VERSION": "differs from"}
    git(tree, "checkout", "--quiet", "VERSION")
    (tree / "VERSION").chmod(0o755)
    assert origin(tree, "a.go").differing == {"VERSION": "has another mode than in"}
    given = origins(tree, {"image": ["a.go"]}, version="1.4.0")
    assert given["image"].is_commit, "the stack's own word, and not the file"
    (tree / "VERSION").unlink()
    assert origin(tree, "a.go").differing == {"VERSION": "is missing here, but is in"}


# ---- Clones and checkouts of all kinds.


def sha256_repository(tree: Path) -> Path:
    git(tree, "init", "--quiet", "--object-format=sha256", "--initial-branch=main", "other")
    commit(tree / "other", "a.go", "b/c.go")
    return tree / "other"


def cloned(*options: str) -> Callable[[Path], Path]:
    def clone(tree: Path) -> Path:
        commit(tree, "a.go", "b/c.go")
        git(tree, "config", "uploadpack.allowFilter", "true")
        git(tree, "clone", "--quiet", *options, f"file://{tree}", str(tree / "clone"))
        return tree / "clone"

    return clone


def sparse(tree: Path) -> Path:
    clone = cloned("--sparse")(tree)
    git(clone, "sparse-checkout", "set", "--sparse-index", "none")
    return clone


def worktree(tree: Path) -> Path:
    commit(tree, "a.go")
    git(tree, "worktree", "add", "--quiet", "--detach", "work")
    return tree / "work"


@pytest.mark.parametrize(
    "make",
    [
        cloned(),
        cloned("--depth=1"),
        cloned("--filter=blob:none"),
        cloned("--filter=tree:0"),
        sparse,
        worktree,
        sha256_repository,
    ],
    ids=["full", "shallow", "blobless", "treeless", "sparse", "worktree", "sha256"],
)
def test_a_checkout_of_any_kind_knows_what_is_the_commit_s(make: Callable[[Path], Path], tree: Path) -> None:
    root = make(tree)
    found = origins(root, {"image": ["a.go"]})["image"]
    assert (found.commit, found.differing) == (git(root, "rev-parse", "HEAD"), {})
    (root / "a.go").write_text("edited\n")
    assert not claims(root, "a.go")


def test_content_that_a_partial_clone_has_not_fetched_is_unknown(tree: Path) -> None:
    clone = cloned("--filter=blob:none", "--no-checkout")(tree)
    (clone / "a.go").write_text("edited\n")
    assert origin(clone, "a.go").differing["a.go"] == "cannot be compared with the content, which is not here, in"


def test_a_commit_that_cannot_be_read_is_claimed_by_nobody(tree: Path) -> None:
    commit(tree, "a/a.go")
    source = read_source(tree, None)
    folder = git(tree, "rev-parse", "HEAD:a")
    (tree / ".git/objects" / folder[:2] / folder[2:]).unlink()
    found = origins_of({"i": source}, {"i": [input_file(tree, "a/a.go")]}, tree / ".git/cache")
    assert found["i"].differing.keys() == {"VERSION", "a/a.go"}
    assert len(list(warnings_of(found))) == 1


# ---- All that is checked out, for a release.


def all_differing(root: Path, source: Source | None = None) -> list[str]:
    (root / ".git/cache").mkdir(exist_ok=True)
    return differing(source or read_source(root, None), root / ".git/cache")


def test_every_file_on_disk_is_compared_whatever_it_is_for(tree: Path) -> None:
    (tree / "link").symlink_to("docs")
    (tree / "gone").touch()
    commit(tree, "b.go", "a.go", "docs/page")
    assert all_differing(tree) == []
    (tree / "gone").unlink()
    (tree / "link").unlink()
    (tree / "link").symlink_to("a.go")
    assert all_differing(tree) == [], "what is missing, and what is a link, is for git to say"
    (tree / "docs/page").write_text("edited\n")
    (tree / "a.go").chmod(0o755)
    assert all_differing(tree) == ["a.go", "docs/page"]


def test_it_is_the_commit_of_the_source_that_counts(tree: Path) -> None:
    commit(tree, "a.go")
    before = read_source(tree, None)
    commit(tree, "a.go")
    assert all_differing(tree) == []
    assert all_differing(tree, before) == ["a.go"]
    assert all_differing(tree, replace(before, revision=None)) == [], "where none is known, what is checked out"


def test_a_commit_that_cannot_be_read_ends_a_release(tree: Path) -> None:
    revision = commit(tree, "a/a.go")
    source = read_source(tree, None)
    folder = git(tree, "rev-parse", "HEAD:a")
    (tree / ".git/objects" / folder[:2] / folder[2:]).unlink()
    with pytest.raises(UserError, match=f"git does not tell what commit {revision} holds .* make a new clone"):
        all_differing(tree, source)


# ---- Work once.


def test_each_tree_has_a_memory_of_its_own(tree: Path) -> None:
    commit(tree, "a.go")
    other = cloned()(tree)
    for root in (tree, other):
        differing(read_source(root, None), (tree / ".git"))
    assert len(list((tree / ".git").glob("blobs-*.json"))) == 2


def test_what_has_been_read_is_not_read_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(tree, "a.go", "b.go")
    files = ["a.go", "b.go", "VERSION"]
    first = origins(tree, {"image": files})
    kept = {path: path.stat() for path in (tree / ".git/cache").iterdir()}
    read: list[Path] = []
    monkeypatch.setattr("carbide_infra.source.comparison._read", lambda root, file: read.append(root / file.path))
    started = recorded(monkeypatch)
    assert origins(tree, {"image": files}) == first
    assert read == []
    assert [each.command[14] for each in started][-2:] == ["ls-tree", "log"]
    assert {path: path.stat() for path in (tree / ".git/cache").iterdir()} == kept


def test_a_lost_or_wrong_memory_changes_no_answer(tree: Path) -> None:
    commit(tree, "a.go")
    expected = origin(tree, "a.go")
    (file,) = (tree / ".git/cache").iterdir()
    for damage in (b"", b"garbage"):
        file.write_bytes(damage)
        assert origin(tree, "a.go") == expected
    save(file, {input_file(tree, "a.go").sha256: "1" * 40})
    assert origin(tree, "a.go") == expected
    file.unlink()
    (tree / ".git/cache").rmdir()
    (tree / ".git/cache").write_text("no folder")
    assert origin(tree, "a.go") == expected


def test_a_file_that_changes_meanwhile_is_not_taken_for_what_it_was(tree: Path) -> None:
    commit(tree, "a.go")
    staged = InputFile("a.go", executable=False, sha256="0" * 64, size=1)
    source = read_source(tree, None)
    found = origins_of({"i": source}, {"i": [staged]}, tree / ".git/cache")
    assert found["i"].differing == {"a.go": "changed while it was compared with"}
    (tree / "a.go").unlink()
    found = origins_of({"i": source}, {"i": [staged]}, tree / ".git/cache")
    assert found["i"].differing == {"a.go": "changed while it was compared with"}
    runs = InputFile("a.go", executable=True, sha256="0" * 64, size=1)
    found = origins_of({"i": source}, {"i": [runs]}, tree / ".git/cache")
    assert found["i"].differing == {"a.go": "changed while it was compared with"}
