"""What Go prints, read without Go."""

from pathlib import Path

import pytest

from carbide_infra.source import go_list
from carbide_infra.source.go_list import (
    Linked,
    Listing,
    Package,
    Question,
    documents,
    is_fault,
    numbers,
    platform_of,
    shown,
)

QUESTION = Question(Path("/tree"), "mod", None, ["mod/cmd/a"], ["linux/amd64"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no required module provides package ex.com/a", True),
        ("a/b.go:3:8: missing go.sum entry for module", True),
        ("updates to go.mod needed", True),
        ("updates to go.work needed", True),
        ("a/b.go: expected 'package', found x", True),
        ("go: module requires go >= 1.99", True),
        ("module lookup disabled by GOPROXY=off", False),
        ("invalid version: Get https://ex.com: dial tcp: timeout", False),
        ("malformed: exit status 128", False),
        ("something else", False),
    ],
)
def test_a_fault_is_what_the_tree_s_author_can_put_right(text: str, *, expected: bool) -> None:
    assert is_fault(text) is expected


def test_go_s_words_are_shown_in_one_line_with_the_tree_s_own_paths() -> None:
    text = "go: downloading ex.com/a v1.0.0\n/tree/cmd/a.go:1:\n\n  expected x  \n"
    assert shown(text, Path("/tree")) == "cmd/a.go:1: expected x"


@pytest.mark.parametrize(
    ("version", "expected"), [("1.25.7", (1, 25, 7)), ("go1.26", (1, 26)), ("1.26rc1.2.3", (1, 26, 1)), ("", ())]
)
def test_versions_are_compared_by_three_numbers(version: str, expected: tuple[int, ...]) -> None:
    assert numbers(version) == expected
    assert numbers() == ()


@pytest.mark.parametrize(
    ("platform", "level"),
    [
        ("linux/amd64", {}),
        ("linux/arm/v7", {"GOARM": "7"}),
        ("linux/amd64/v3", {"GOAMD64": "v3"}),
        ("linux/arm64/v8", {}),
    ],
)
def test_a_platform_is_told_to_go_as_the_dockerfiles_do(platform: str, level: dict[str, str]) -> None:
    system, architecture, *_ = platform.split("/")
    assert platform_of(platform) == {"GOOS": system, "GOARCH": architecture, **level}


def test_documents_stand_one_behind_the_other() -> None:
    assert list(documents('{"a": 1}\n{"b": {"c": 2}}\n\n')) == [{"a": 1}, {"b": {"c": 2}}]
    assert list(documents("\n")) == []


@pytest.mark.parametrize(
    ("folder", "pattern"), [("mod/cmd/a", "./cmd/a"), ("mod", "."), ("other/a", "../other/a"), ("mod/..a", "./..a")]
)
def test_go_is_asked_for_a_folder_as_the_module_sees_it(folder: str, pattern: str) -> None:
    assert go_list._pattern(QUESTION, folder) == pattern


def test_the_workspace_that_holds_is_named_and_no_other_looked_for() -> None:
    assert go_list.work_of(QUESTION) == {"GOWORK": "off"}
    within = Question(Path("/tree"), "mod", ".", [], [])
    assert go_list.work_of(within) == {"GOWORK": "/tree/go.work"}
    assert (QUESTION.base, within.base) == ("mod", ".")


def test_a_module_s_hashes_are_those_of_what_replaces_it() -> None:
    assert Linked("a", "v1").source == ("a", "v1")
    assert Linked("a", "v1", "b", "v2").source == ("b", "v2")
    assert Linked("a", "v1", "./b", "", "b").source == ("a", "v1")


def test_a_binary_is_its_main_package_and_what_that_imports() -> None:
    packages: dict[str, Package] = {
        "m/lib": {"ImportPath": "m/lib", "Dir": "/tree/mod/lib"},
        "m/cmd/a": {
            "ImportPath": "m/cmd/a",
            "Dir": "/tree/mod/cmd/a",
            "Match": ["./cmd/a"],
            "Deps": ["fmt", "m/lib", "not/listed"],
        },
        "fmt": {"ImportPath": "fmt", "Standard": True},
        "unused": {"ImportPath": "unused"},
        "m/none": {"ImportPath": "m/none", "Match": ["./none"]},
    }
    listing = Listing(QUESTION, "linux/amd64", packages)
    assert [package["ImportPath"] for package in listing.closure("mod/cmd/a")] == ["m/cmd/a", "m/lib"]
    assert listing.main("mod/none") == packages["m/none"], "which has no folder"
    assert listing.main("mod/lib") == {}, "which nobody asked for"


def test_quoted_names_on_lines_that_include_are_what_assembly_includes(tmp_path: Path) -> None:
    file = tmp_path / "a.s"
    file.write_text('#include "a.h"\n  # include  "b/\\x63.h" "d.h"\n"not.h"\n#include "\\u0065.h"\n#include <s.h>\n')
    assert list(go_list._inclusions(file)) == ["a.h", "b/c.h", "d.h", "e.h"]
    assert list(go_list._inclusions(tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [("a*", "abc", True), ("a*", "b", False), ("A", "a", False), ("[", "x", True), ("\\*", "x", True)],
)
def test_what_only_go_can_tell_may_match(pattern: str, name: str, *, expected: bool) -> None:
    assert go_list._may_match(pattern, name) is expected
