"""What a tree says of its files and folders."""

import hashlib
import os
from pathlib import Path

import pytest

from carbide_infra.source import tree as module
from carbide_infra.source.tree import InputError, InputFile, Tree, is_within


@pytest.fixture
def own(tmp_path: Path) -> Tree:
    """An empty tree, with a cache beside it."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "cache").mkdir()
    return Tree(tmp_path / "tree", tmp_path / "cache")


@pytest.mark.parametrize(
    ("path", "expected"), [("/a/b", True), ("/a/b/c", True), ("/a/bc", False), ("/a", False), ("", False)]
)
def test_what_is_within_a_folder(path: str, *, expected: bool) -> None:
    assert is_within(Path("/a/b"), path) is expected


def test_a_written_file_is_described_by_its_bytes() -> None:
    file = InputFile.written("go.mod", "é\udcff")
    assert file.content == "é".encode() + b"\xff"
    assert (file.path, file.executable, file.size) == ("go.mod", False, 3)
    assert file.sha256 == hashlib.sha256(file.content).hexdigest()
    assert str(file) == f"0644 {file.sha256} 3 go.mod"


def test_the_names_in_a_folder_have_their_kinds(own: Tree) -> None:
    (own.root / "file").touch()
    (own.root / "folder").mkdir()
    os.mkfifo(own.root / "pipe")
    for name, target in (("to-file", "file"), ("to-folder", "folder"), ("nowhere", "none"), ("circle", "circle")):
        (own.root / name).symlink_to(target)
    assert own.listing(".") == {
        "file": "f",
        "folder": "d",
        "pipe": "o",
        "to-file": "lf",
        "to-folder": "ld",
        "nowhere": "lo",
        "circle": "lo",
    }
    assert own.listing("none") is None
    assert own.listing("file") is None


def test_a_text_is_read_whatever_is_in_it(own: Tree) -> None:
    (own.root / "a").write_bytes(b"x\xff\n")
    assert own.text("a") == "x\udcff\n"
    assert own.text("none") == ""


def test_the_newest_change_is_that_of_what_is_there(own: Tree) -> None:
    assert own.newest_change(["none"]) == 0
    for name in ("a", "b"):
        (own.root / name).touch()
    times = [(own.root / name).stat().st_ctime_ns for name in ("a", "b")]
    assert own.newest_change(["b", "none", "a"]) == max(times)
    assert own.newest_change(["a"]) == times[0]


def test_what_cannot_be_read_has_no_digest(own: Tree) -> None:
    (own.root / "folder").mkdir()
    (own.root / "a").write_text("x")
    assert [own.digest(name) for name in ("none", "folder")] == [None, None]
    assert own.digest("a") == hashlib.sha256(b"x").hexdigest()


def test_a_folder_is_no_file_of_an_image(own: Tree) -> None:
    (own.root / "folder").mkdir()
    with pytest.raises(InputError, match=r"^folder is neither a file nor a link to one"):
        own.file("folder")


def test_a_tree_agrees_until_a_folder_or_a_file_changes(own: Tree) -> None:
    (own.root / "a").write_text("x")
    listings, reads = {".": own.listing("."), "none": None}, {"a": own.digest("a"), "gone": None}
    assert own.agrees_with(listings, reads)
    (own.root / "a").write_text("yy")
    assert not own.agrees_with(listings, reads)
    assert own.agrees_with(listings, {})
    (own.root / "b").touch()
    assert not own.agrees_with(listings, {})


def test_hashes_are_kept_for_the_next_run_where_there_are_new_ones(own: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RACY_NANOSECONDS", -(10**12))
    own.remember()
    assert list(own.cache_dir.iterdir()) == []
    (own.root / "a").write_text("x")
    digest = own.digest("a")
    own.remember()
    monkeypatch.setattr(module, "_sha256", lambda _: pytest.fail("a file was read that is known"))
    assert Tree(own.root, own.cache_dir).digest("a") == digest


def test_whether_a_file_may_be_run_counts_where_it_is_held_as_it_is(own: Tree) -> None:
    (own.root / "a").touch(mode=0o755)
    (own.root / "b").touch(mode=0o655)
    (own.root / "b").chmod(0o655)
    assert [own.file("a", runs=runs).executable for runs in (True, False)] == [True, False]
    assert not own.file("b", runs=True).executable, "which its owner may not run"
