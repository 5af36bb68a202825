"""The files of a source tree that stand beside an image's binaries."""

import os
from pathlib import Path

import pytest

from carbide_infra.catalogue.files import FileError, files_of
from carbide_infra.catalogue.model import SourceFile


def source_file(source: str, *exclude: str) -> SourceFile:
    return SourceFile(source=source, to="/x", mode=None, owner="0:0", exclude=exclude)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for name in ("deploy/start.sh", "schema/b.sql", "schema/a.sql", "schema/deep/c_test.sql", "schema/docs/d.md"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    (tree / "empty/folder").mkdir(parents=True)
    return tree


def test_one_file(root: Path) -> None:
    assert files_of(root, source_file("deploy/start.sh")) == ("deploy/start.sh",)


def test_all_files_below_a_folder_sorted(root: Path) -> None:
    assert files_of(root, source_file("schema")) == (
        "schema/a.sql",
        "schema/b.sql",
        "schema/deep/c_test.sql",
        "schema/docs/d.md",
    )


def test_excluded_files_stay_out(root: Path) -> None:
    assert files_of(root, source_file("schema", "**/*_test.sql", "docs")) == ("schema/a.sql", "schema/b.sql")


def test_links_inside_the_tree_count_as_what_they_lead_to(root: Path) -> None:
    (root / "schema/link.sql").symlink_to("../deploy/start.sh")
    (root / "schema/more").symlink_to("../deploy")
    found = files_of(root, source_file("schema", "docs", "deep"))
    assert found == ("schema/a.sql", "schema/b.sql", "schema/link.sql", "schema/more/start.sh")


def test_the_root_may_be_a_link_itself(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert files_of(tmp_path / "link", source_file("deploy")) == ("deploy/start.sh",)


@pytest.mark.parametrize(
    ("source", "exclude", "said"),
    [
        ("nowhere", (), r"is not there \(looked at .*/tree/nowhere\)"),
        ("empty", (), "has no file in it"),
        ("schema", ("**",), "has no file that is not excluded"),
        ("deploy", ("start.sh",), "has no file that is not excluded"),
    ],
)
def test_what_matches_nothing(source: str, exclude: tuple[str, ...], said: str, root: Path) -> None:
    with pytest.raises(FileError, match=f"^{said}$"):
        files_of(root, source_file(source, *exclude))


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "..", "../../tree2/secret"])
def test_a_link_out_of_the_tree_is_refused(target: str, root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("x")
    (tmp_path / "tree2").mkdir()
    (tmp_path / "tree2/secret").write_text("x")
    (root / "schema/leak").symlink_to(target)
    with pytest.raises(FileError, match=r"leads (out of the source root|in a circle): schema/leak is /"):
        files_of(root, source_file("schema"))


def test_a_path_through_a_link_out_of_the_tree_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/x").write_text("x")
    (root / "out").symlink_to(tmp_path / "outside")
    with pytest.raises(FileError, match="leads out of the source root: out/x is "):
        files_of(root, source_file("out/x"))


@pytest.mark.parametrize("target", [".", "..", "../../schema"])
def test_a_circle_of_links_is_refused(target: str, root: Path) -> None:
    (root / "schema/deep/again").symlink_to(target)
    with pytest.raises(FileError, match="leads in a circle: schema/deep/again is "):
        files_of(root, source_file("schema"))


def test_a_link_to_nothing_is_refused(root: Path) -> None:
    (root / "schema/dangling").symlink_to("nowhere")
    with pytest.raises(FileError, match="has schema/dangling in it, which is neither a file nor a folder; remove it"):
        files_of(root, source_file("schema"))


def test_a_pipe_is_refused(root: Path) -> None:
    os.mkfifo(root / "schema/pipe")
    with pytest.raises(FileError, match="has schema/pipe in it, which is neither a file nor a folder"):
        files_of(root, source_file("schema"))


@pytest.mark.parametrize("name", ["a\nb", "a\x1bb", "a\u2028b"])
def test_a_name_that_no_script_can_hold_is_refused(name: str, root: Path) -> None:
    (root / "schema" / name).write_text("x")
    with pytest.raises(FileError, match="has a file with a line end or another control character in its"):
        files_of(root, source_file("schema"))
