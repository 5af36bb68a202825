"""Which files that are gone an image may have been made of, without git."""

from collections.abc import Collection
from pathlib import Path

import pytest

from carbide_infra.source import absences


def plant(root: Path, *names: str) -> str:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return str(root)


def test_a_file_is_gone_from_a_folder_of_inputs_or_with_its_folder(tmp_path: Path) -> None:
    root = plant(tmp_path, "a/b/in.go", "other/there.go", "a/there.go")
    committed = ["a/b/in.go", "a/b/gone.go", "a/gone.go", "gone.go", "a/there.go", "other/gone.go", "none/x/gone.go"]
    assert list(absences._gone(root, committed, ["a/b/in.go"])) == [
        *("a/b/gone.go", "a/gone.go", "gone.go", "none/x/gone.go")
    ]


def test_a_link_that_leads_nowhere_is_not_gone(tmp_path: Path) -> None:
    (tmp_path / "link.go").symlink_to("none")
    assert list(absences._gone(str(tmp_path), ["link.go"], [])) == []


@pytest.mark.parametrize(
    ("gone", "inputs", "counts"),
    [
        ("a/x.go", ["a/y.go"], True),
        ("a/x_test.go", ["a/y.go"], False),
        ("a/x.s", ["a/y.go"], True),
        ("b/x.go", ["a/y.go"], False),
        ("a/go.mod", ["a/go.sum"], True),
        # A document beside Go's files is nobody's input, unless the package embeds from there.
        ("a/README", ["a/y.go"], False),
        ("a/README", ["a/y.go", "a/data.json"], True),
        ("a/web/gone.js", ["a/y.go", "a/web/css/x.css"], True),
        ("web/gone.js", ["a/y.go", "web/x.css"], True),
        ("b/gone.js", ["a/y.go", "a/web/x.css"], False),
        # Folders that are gone with their files.
        ("a/web/none/deep/x.js", ["a/y.go", "a/web/x.css"], True),
        ("a/there/x.js", ["a/y.go", "a/web/x.css"], False),
    ],
)
def test_what_is_gone_counts_where_an_image_has_files_of_its_kind(
    tmp_path: Path, gone: str, inputs: Collection[str], *, counts: bool
) -> None:
    root = plant(tmp_path, *inputs, "a/there/is.one", "b/is.one")
    assert list(absences._relevant(root, [gone], inputs)) == ([gone] if counts else [])


@pytest.mark.parametrize(
    ("path", "packages", "folders"),
    [
        ("a/b/c/x.js", {"a/b"}, ["a/b/c", "a/b"]),
        ("a/b/x.js", set(), ["a/b", "a"]),
        ("a/x.js", {""}, ["a", ""]),
        ("x.js", {""}, [""]),
        ("x.js", set(), []),
    ],
)
def test_the_folders_above_a_file_end_at_its_package(path: str, packages: set[str], folders: list[str]) -> None:
    assert list(absences._above(path, packages)) == folders
