"""Texts of module files, made from what `go mod edit -json` gives, without Go."""

from typing import Any

import pytest

from carbide_infra.source.go_list import Linked
from carbide_infra.source.pruned_modules import (
    Links,
    described,
    go_mod,
    go_sum,
    go_work,
    is_prunable,
    library_go_mod,
    modules_txt,
    sums_of,
    unknown_directives,
)

A, B = Linked("ex.com/a", "v1.0.0"), Linked("ex.com/b", "v2.0.0")
LINKS = Links([A, B], ["ex.com/a", "ex.com/b/deep"])


def edited(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"Module": {"Path": "ex.com/m"}, "Go": "1.21", **more}


def replace(old: str, new: str, old_version: str = "", new_version: str = "") -> dict[str, Any]:
    sides = ((old, old_version), (new, new_version))
    before, after = ({"Path": path} | ({"Version": version} if version else {}) for path, version in sides)
    return {"Old": before, "New": after}


@pytest.mark.parametrize(("go", "expected"), [("1.16", False), ("1.17", True), ("1.17.1", True), ("1.9", False)])
def test_since_1_17_a_go_mod_names_all_that_is_linked(go: str, *, expected: bool) -> None:
    assert is_prunable({"Go": go}) is expected


def test_a_go_mod_without_a_version_is_an_old_one() -> None:
    assert not is_prunable({})


def test_directives_of_a_later_go_are_named() -> None:
    known = {"Toolchain": "", "GoDebug": [], "Godebug": [], "Require": [], "Exclude": [], "Replace": [], "Retract": []}
    assert unknown_directives(edited(**known, Tool=[], Ignore=[], Use=[], Zoom=1, Alias=1)) == ["Alias", "Zoom"]


def test_a_go_mod_requires_the_linked_and_what_it_is_told() -> None:
    required = [{"Path": path, "Version": "v0.1.0"} for path in ("ex.com/b", "ex.com/unlinked")]
    assert go_mod(edited(Require=required), LINKS) == (
        "module ex.com/m\n\ngo 1.21\n\nrequire (\n\tex.com/b v2.0.0\n)\n"
    ), "at the version that was selected"
    both = go_mod(edited(Require=required), LINKS, [A])
    assert "\tex.com/a v1.0.0\n\tex.com/b v2.0.0\n" in both


def test_a_go_mod_that_requires_nothing_has_no_block() -> None:
    assert go_mod(edited(Require=None), LINKS) == "module ex.com/m\n\ngo 1.21\n"


def test_a_module_without_a_version_is_required_by_nobody() -> None:
    local = Links([Linked("ex.com/a", "", "./a", "", "a")], [])
    assert "require" not in go_mod(edited(Require=[{"Path": "ex.com/a"}]), local)


def test_replacements_of_linked_modules_are_kept_in_an_order() -> None:
    found = go_mod(
        edited(
            Replace=[
                replace("ex.com/b", "./b"),
                replace("ex.com/a", "ex.com/fork", "v1.0.0", "v9.0.0"),
                replace("ex.com/a", "./other", "v0.9.0"),
                replace("ex.com/unlinked", "./x"),
            ]
        ),
        LINKS,
    )
    assert found.endswith("replace (\n\tex.com/a v1.0.0 => ex.com/fork v9.0.0\n\tex.com/b => ./b\n)\n")


@pytest.mark.parametrize("key", ["GoDebug", "Godebug"])
def test_the_lines_about_go_itself_are_kept(key: str) -> None:
    debug = [{"Key": "b", "Value": "1"}, {"Key": "a", "Value": "2"}]
    assert go_mod(edited(Toolchain="go1.22.1", **{key: debug}), LINKS) == (
        "module ex.com/m\n\ngo 1.21\ntoolchain go1.22.1\ngodebug (\n\ta=2\n\tb=1\n)\n"
    )


@pytest.mark.parametrize(
    ("path", "written"),
    [("ex.com/a_b-c~1+x%20!y", "ex.com/a_b-c~1+x%20!y"), ("a b", '"a b"'), ("a//b", '"a//b"'), ("é x", '"é x"')],
)
def test_a_path_that_is_no_bare_word_is_quoted(path: str, written: str) -> None:
    assert library_go_mod({"Module": {"Path": path}}) == f"module {written}\n"


def test_of_a_library_only_its_language_version_is_kept() -> None:
    full = edited(Toolchain="go1.22.1", Require=[{"Path": "ex.com/b", "Version": "v2.0.0"}])
    assert library_go_mod(full) == "module ex.com/m\n\ngo 1.21\n"


def test_a_workspace_keeps_some_modules_and_all_their_replacements() -> None:
    work = {"Go": "1.21", "Use": [{"DiskPath": path} for path in ("./z", "./m", "./other")]}
    others = {
        "./other": edited(Replace=[replace("ex.com/a", "./a"), replace("ex.com/unlinked", "./x")]),
        "../up": edited(Replace=[replace("ex.com/b", "../b"), replace("ex.com/b", "ex.com/c", "v2.0.0", "v1.0.0")]),
    }
    assert go_work(work, ["./m", "./z"], LINKS, others) == (
        "go 1.21\n\nuse (\n\t./m\n\t./z\n)\n\n"
        "replace (\n\tex.com/a => ./other/a\n\tex.com/b => ../b\n\tex.com/b v2.0.0 => ex.com/c v1.0.0\n)\n"
    )
    own = work | {"Replace": [replace("ex.com/a", "./a")]}
    assert go_work(own, [], LINKS, {}) == "go 1.21\n\nreplace (\n\tex.com/a => ./a\n)\n"
    # It decides for the whole module, whatever a go.mod says of one of its versions.
    others = {"./m": edited(Replace=[replace("ex.com/a", "./b"), replace("ex.com/a", "./c", "v1.0.0")])}
    assert go_work(own, [], LINKS, others) == go_work(own, [], LINKS, {})


def test_in_which_go_mod_of_a_workspace_a_replacement_stands_makes_no_difference() -> None:
    work = {"Go": "1.21", "Use": [{"DiskPath": path} for path in ("./m", "./n")]}
    with_one, without = edited(Replace=[replace("ex.com/a", "ex.com/c", "", "v1.1.0")]), edited()
    texts = {
        go_work(work, ["./m", "./n"], LINKS, {"./m": one, "./n": other})
        for one, other in ((with_one, without), (without, with_one), (with_one, with_one))
    }
    assert len(texts) == 1
    assert go_mod(with_one, LINKS, is_alone=False) == go_mod(without, LINKS)


SUMS = (
    "ex.com/b v2.0.0 h1:bb=\n"
    "ex.com/a v1.0.0 h1:aa=\n"
    "ex.com/a v1.0.0/go.mod h1:am=\n"
    "ex.com/a v1.0.0 h1:aa=\n"
    "\n"
    "ex.com/c v1.0.0 h1:cc=\n"
    "ex.com/c v1.0.0/go.mod h1:cm=\n"
    "ex.com/a v0.9.0/go.mod h1:old=\n"
)


def test_hashes_are_those_of_the_modules_each_once_in_an_order() -> None:
    assert go_sum(SUMS, [A.source, B.source]) == (
        "ex.com/a v1.0.0 h1:aa=\nex.com/a v1.0.0/go.mod h1:am=\nex.com/b v2.0.0 h1:bb=\n"
    )


def test_of_modules_that_only_the_graph_has_the_go_mod_counts() -> None:
    assert go_sum(SUMS, [], [("ex.com/c", "v1.0.0")]) == "ex.com/c v1.0.0/go.mod h1:cm=\n"
    assert go_sum(SUMS, []) == ""


def test_hashes_are_found_by_path_and_version() -> None:
    assert sums_of("ex.com/a v1 h1:x\nbroken line\n\nex.com/a v2 h1:x more\n") == {("ex.com/a", "v1"): "h1:x"}


def test_a_vendor_list_keeps_the_linked() -> None:
    text = (
        "## workspace\n"
        "# ex.com/a v1.0.0\n## explicit; go 1.21\nex.com/a\nex.com/a/unused\n"
        "# ex.com/unlinked v1.0.0\n## explicit\nex.com/b/deep\n"
        "# ex.com/b v2.0.0 => ./b\nex.com/b/deep\n"
    )
    assert modules_txt(text, LINKS) == (
        "## workspace\n# ex.com/a v1.0.0\n## explicit; go 1.21\nex.com/a\n# ex.com/b v2.0.0 => ./b\nex.com/b/deep\n"
    )


def test_a_vendor_list_is_of_a_workspace_whatever_stands_before_that() -> None:
    assert modules_txt("# ex.com/unlinked v1\n## workspace\n## explicit\n", LINKS) == "## workspace\n"


def test_a_module_is_described_with_what_replaces_it() -> None:
    fork = Linked("ex.com/f", "v1.0.0", "ex.com/fork", "v9.0.0")
    folder = Linked("ex.com/d", "", "./d", "", "d")
    sums = {("ex.com/fork", "v9.0.0"): "h1:f", ("ex.com/f", "v1.0.0"): "h1:wrong", ("ex.com/a", "v1.0.0"): "h1:a"}
    assert described([fork, B, folder, A], sums) == (
        "ex.com/a@v1.0.0 h1:a",
        "ex.com/b@v2.0.0",
        "ex.com/f@v1.0.0 => ex.com/fork@v9.0.0 h1:f",
    )
