"""What binaries are made of, read from listings that a test wrote: Go is not asked."""

from pathlib import Path
from typing import Any

import pytest

from carbide_infra.source import go_list
from carbide_infra.source.go_command import GoCommand, GoError
from carbide_infra.source.go_list import Linked, Listing, Made, Question, Reading
from carbide_infra.source.tree import InputError, Tree

MAIN_MODULE = {"Path": "m", "Main": True, "GoVersion": "1.21"}


class Asked(GoCommand):
    """A go command that knows one package with code for cgo."""

    def run(self, folder: Path, *arguments: str, **_: object) -> str:
        if "list" not in arguments:
            msg = f"{folder}: {arguments}"
            raise GoError(msg)
        return "ex.com/a ex.com/a\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "tree/mod/cmd/a").mkdir(parents=True)
    (tmp_path / "cache").mkdir()
    return Tree(tmp_path / "tree", tmp_path / "cache")


def reading(tree: Tree, *packages: dict[str, Any], **changes: Any) -> Reading:  # noqa: ANN401 - fields of a question
    """Of a main package mod/cmd/a that imports the others."""
    main = {
        "ImportPath": "m/cmd/a",
        "Name": "main",
        "Dir": f"{tree.root}/mod/cmd/a",
        "Match": ["./cmd/a"],
        "Module": MAIN_MODULE | {"Dir": f"{tree.root}/mod"},
        "GoFiles": ["main.go"],
        "Imports": [package["ImportPath"] for package in packages],
        "Deps": [package["ImportPath"] for package in packages],
    }
    fields: dict[str, Any] = {"module": "mod", "work": None, "packages": ["mod/cmd/a"], "platforms": ["linux/amd64"]}
    question = Question(tree.root, **(fields | changes))
    listing = Listing(question, "linux/amd64", {package["ImportPath"]: package for package in (main, *packages)})
    return Reading(tree, question, Asked("go", "local", {}), [listing])


def made(tree: Tree, *packages: dict[str, Any], **changes: Any) -> Made:  # noqa: ANN401 - fields of a question
    return reading(tree, *packages, **changes).made("mod/cmd/a")


def of_module(path: str, folder: str, **module: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"ImportPath": path, "Dir": folder, "GoFiles": ["x.go"], "Module": {"Path": path, **module}}


def test_a_package_of_the_tree_is_its_files_and_who_imports_it(tree: Tree) -> None:
    lib = {"ImportPath": "m/lib", "Dir": f"{tree.root}/mod/lib", "GoFiles": ["l.go"], "EmbedFiles": ["d/x"]}
    found = made(tree, lib | {"Module": MAIN_MODULE | {"Dir": f"{tree.root}/mod"}})
    assert found == Made(
        files=["mod/cmd/a/main.go", "mod/lib/d/x", "mod/lib/l.go"],
        imports={"mod/cmd/a": ["mod/lib"], "mod/lib": []},
        workspace=["mod"],
        needs=["1.21", "m"],
    )


def test_a_package_of_a_module_is_named_with_that(tree: Tree) -> None:
    found = made(tree, of_module("ex.com/b", "/cache/b@v1", Version="v1", Dir="/cache/b@v1", GoVersion="1.25.7"))
    assert (found.packages, found.linked) == (["ex.com/b"], [Linked("ex.com/b", "v1")])
    assert found.needs == ["1.25.7", "ex.com/b"], "the newest Go that a module asks for"
    assert found.files == ["mod/cmd/a/main.go"]
    assert found.imports == {"mod/cmd/a": []}


def test_a_module_cache_within_the_tree_is_no_part_of_it(tree: Tree) -> None:
    folder = f"{tree.root}/cache/b@v1"
    assert made(tree, of_module("ex.com/b", folder, Version="v1", Dir=folder)).packages == ["ex.com/b"]


def test_a_folder_that_stands_for_a_module_is_read_as_the_tree_s(tree: Tree) -> None:
    folder = f"{tree.root}/b"
    replacement = {"Path": "../b", "Dir": folder}
    found = made(tree, of_module("ex.com/b", folder, Version="v1", Dir=folder, Replace=replacement))
    assert found.linked == [Linked("ex.com/b", "v1", "../b", "", "b")]
    assert (found.packages, "b/x.go" in found.files) == ([], True)


def test_a_folder_outside_of_the_tree_is_refused(tree: Tree) -> None:
    replacement = {"Path": "../../b"}
    with pytest.raises(InputError, match=rf"module ex.com/b is at ../../b, outside the source tree {tree.root}"):
        made(tree, of_module("ex.com/b", "/elsewhere", Version="v1", Dir="/elsewhere", Replace=replacement))


def test_a_vendored_package_is_a_file_and_a_module_s(tree: Tree) -> None:
    package = of_module("ex.com/b", f"{tree.root}/mod/vendor/ex.com/b", Version="v1")
    found = made(tree, package)
    assert (found.packages, found.linked) == (["ex.com/b"], [Linked("ex.com/b", "v1")])
    assert "mod/vendor/ex.com/b/x.go" in found.files


def test_a_profile_beside_a_main_package_is_part_of_it(tree: Tree) -> None:
    (tree.root / "mod/cmd/a/default.pgo").touch()
    assert made(tree).files == ["mod/cmd/a/default.pgo", "mod/cmd/a/main.go"]


def test_code_for_cgo_is_warned_of_where_it_is_linked(tree: Tree) -> None:
    (warning,) = made(tree, of_module("ex.com/a", "/cache/a@v1", Version="v1", Dir="/cache/a@v1")).warnings
    assert warning.startswith("ex.com/a of module ex.com/a has code for cgo")


def test_symbols_that_the_linker_does_not_set_are_named_by_their_problem(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def problems(
        _: object, main: dict[str, Any], packages: dict[str, Any], symbols: dict[str, str], _known: object
    ) -> dict[str, str]:
        assert (main["ImportPath"], set(packages), symbols) == ("m/cmd/a", {"m/cmd/a"}, {"B": "main.B", "A": "main.A"})
        return dict.fromkeys(symbols, "why")

    monkeypatch.setattr(go_list, "symbol_problems", problems)
    symbols = [("mod/cmd/a", "B", "main.B"), ("mod/cmd/a", "A", "main.A"), ("other", "C", "main.C")]
    (warning,) = made(tree, symbols=symbols).warnings
    assert warning == (
        "./mod/cmd/a: the linker does not set A and B: why; "
        "put the catalogue right, or leave it out with symbols: {A: null, B: null}"
    )


def test_what_could_not_be_had_is_missing_and_a_fault_is_refused(tree: Tree) -> None:
    package = {"ImportPath": "ex.com/b", "Error": {"Err": "dial tcp: no\nmore"}}
    assert made(tree, package).missing == ["ex.com/b: dial tcp: no more"]
    package = {"ImportPath": "ex.com/b", "Error": {"Err": "import cycle", "ImportStack": ["m/cmd/a", "ex.com/b"]}}
    with pytest.raises(
        InputError, match=r"^./mod/cmd/a cannot be built for linux/amd64: import cycle, imported by m/cmd/a$"
    ):
        made(tree, package)


def test_a_package_that_is_not_main_is_refused(tree: Tree) -> None:
    with pytest.raises(InputError, match=r"^package './mod' is package \?, and not main"):
        reading(tree).made("mod")


def test_each_folder_up_to_the_root_is_noted(tree: Tree) -> None:
    found = reading(tree)
    found.made("mod/cmd/a")
    assert (found.folders, found.sources) == ({"mod/cmd/a", "mod/cmd", "mod", "."}, {"mod/cmd/a/main.go"})


def test_the_folders_that_a_pattern_of_embed_reaches_are_noted(tree: Tree) -> None:
    for folder in ("web/css/deep", "other"):
        (tree.root / "mod/lib" / folder).mkdir(parents=True)
    found = reading(
        tree,
        {"ImportPath": "m/lib", "Dir": f"{tree.root}/mod/lib", "EmbedPatterns": ["all:w*/css"], "Module": MAIN_MODULE},
    )
    found.made("mod/cmd/a")
    noted = {folder for folder in found.folders if folder.startswith("mod/lib")}
    assert noted == {"mod/lib", "mod/lib/web", "mod/lib/web/css", "mod/lib/web/css/deep"}
