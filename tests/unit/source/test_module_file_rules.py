"""When an image's module files are the tree's own, and where they lie, without asking Go."""

from pathlib import Path
from typing import Any

import pytest

from carbide_infra.source import module_files
from carbide_infra.source.go_list import Linked, Made, Question
from carbide_infra.source.inputs import InputFile, Inputs
from carbide_infra.source.module_files import Answer, go_work_of, sum_of, vendor_list, workspace_modules

ALONE = Question(Path("/tree"), "mod", None, ["mod/a"], [])
WORKSPACE = Question(Path("/tree"), "mod", ".", ["mod/a"], [])
WHOLE = "so all of mod/go.mod and mod/go.sum count for all images of that module"
NEWER = "write go 1.17 or newer"


def answer(question: Question, made: Made | None = None, **edited: Any) -> Answer:  # noqa: ANN401 - JSON
    module = {"Module": {"Path": "ex.com/m"}, "Go": "1.21", **edited}
    return Answer(question, {"mod/a": made or Made()}, {"mod/go.mod": module})


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (answer(ALONE), None),
        (
            answer(ALONE, Go="1.16"),
            f"mod/go.mod says go 1.16: before 1.17 it does not name all linked modules, {WHOLE}; {NEWER}",
        ),
        (
            answer(ALONE, Zoom=1, Alias=1),
            f"mod/go.mod or a file beside it has directives that are not known here (Alias, Zoom), {WHOLE}",
        ),
        (
            answer(WORKSPACE),
            f"Go does not tell what modules the workspace of mod/go.mod needs, {WHOLE}; go work sync may end that",
        ),
        (answer(WORKSPACE, Made(missing=["x"])), None),
    ],
)
def test_module_files_stay_whole_with_a_reason(found: Answer, reason: str | None) -> None:
    assert module_files._unprunable(found, ["mod/a"]) == reason


def test_a_workspace_whose_modules_go_has_told_is_pruned() -> None:
    found = answer(WORKSPACE)
    told = Answer(found.question, found.made, found.edited, {"mod/a": [], "mod/b": []})
    assert module_files._unprunable(told, ["mod/a"]) is None


def test_where_module_files_lie() -> None:
    assert [go_work_of(folder) for folder in (".", "a/b")] == ["go.work", "a/b/go.work"]
    assert [sum_of(name) for name in ("go.work", "a/go.mod")] == ["go.work.sum", "a/go.sum"]
    assert [vendor_list(question) for question in (ALONE, WORKSPACE)] == [
        *("mod/vendor/modules.txt", "vendor/modules.txt")
    ]
    uses = {"Use": [{"DiskPath": "."}, {"DiskPath": "../b"}]}
    assert workspace_modules("w", uses) == {".": "w/go.mod", "../b": "b/go.mod"}
    assert workspace_modules("w", {"Use": None}) == {}


def test_what_several_binaries_link_is_linked_together() -> None:
    one, other = Linked("ex.com/a", "v1"), Linked("ex.com/b", "v1")
    made = {
        "a": Made(linked=[one], packages=["ex.com/a"], missing=["y", "x"]),
        "b": Made(linked=[one, other], packages=["ex.com/b"], missing=["x"]),
        "c": Made(missing=["z"]),
    }
    found = Answer(ALONE, made, {})
    links = found.links(["a", "b"])
    assert (set(links.modules), set(links.packages)) == ({one, other}, {"ex.com/a", "ex.com/b"})
    assert found.missing(["a", "b"]) == ["x", "y"]


def test_a_made_file_stands_for_one_of_the_tree() -> None:
    of_tree, other = InputFile("go.mod", False, "a" * 64, 7), InputFile("main.go", False, "b" * 64, 1)  # noqa: FBT003
    made, sums = InputFile.written("go.mod", "é\udcff"), InputFile.written("go.sum", "x")
    inputs = Inputs((made, sums, other), None, module_files=(of_tree,))
    assert inputs.texts == {"go.mod": "é\udcff", "go.sum": "x"}
    assert inputs.tree_files == (of_tree, sums, other)
