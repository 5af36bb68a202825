"""GitHub's expressions, as its documentation has them."""

from typing import Any

import pytest

from tests.support.workflow_runner.errors import WorkflowError
from tests.support.workflow_runner.expressions import Function, Scope

CONTEXTS = {
    "github": {
        "ref": "refs/heads/main",
        "event_name": "push",
        "event": {"pull_request": {"number": 7}},
        "head-ref": "x",
    },
    "vars": {},
    "env": {"STACK": "prod"},
}


def scope(*, well: bool = True) -> Scope:
    functions: dict[str, Function] = {
        "success": lambda: well,
        "failure": lambda: not well,
        "always": lambda: True,
        "join": "{}-{}".format,
    }
    return Scope(CONTEXTS, functions)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("github.ref", "refs/heads/main"),
        ("github.event.pull_request.number", 7),
        ("github.head-ref", "x"),
        ("github.event.nothing.here", None),
        ("'it''s'", "it's"),
        ("vars.CARBIDE_STACK || 'prod'", "prod"),
        ("github.ref == 'REFS/heads/main'", True),
        ("vars.nothing == ''", True),
        ("github.event_name != 'push'", False),
        ("!(github.event_name == 'push') || true && false", False),
        ("false && false || true", True),
        ("false && (false || true)", False),
        ("join('a', env.STACK)", "a-prod"),
        ("always( )", True),
    ],
)
def test_values(expression: str, value: Any) -> None:  # noqa: ANN401
    assert scope().value(expression) == value


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("'true'", "true", False),
        ("'1'", "true", True),
        ("''", "false", True),
        ("''", "null", True),
        ("null", "false", True),
        ("'null'", "null", False),
        ("'seven'", "github.event.pull_request.number", False),
        ("'7.0'", "github.event.pull_request.number", True),
        ("' 0x7 '", "github.event.pull_request.number", True),
        ("github.event", "''", False),
        ("github.event", "github.event", True),
    ],
)
def test_values_of_two_kinds_are_compared_as_numbers(left: str, right: str, equal: bool) -> None:  # noqa: FBT001
    assert scope().value(f"{left} == {right}") is equal
    assert scope().value(f"{right} != {left}") is not equal


def test_a_text_is_filled_in() -> None:
    assert scope().filled("a-${{ env.STACK }}-${{github.event.pull_request.number}}${{ vars.none }}") == "a-prod-7"
    assert scope().filled("${{ github.ref == 'x' }}, {{ not one }}") == "false, {{ not one }}"


@pytest.mark.parametrize(
    "expression",
    ["matrix.os", "toJSON(github)", "github.ref ==", "(true", "github.ref 'x'", "1 < 2", "github.*.x", "join('a'", ""],
)
def test_what_is_not_known_is_an_error_and_no_guess(expression: str) -> None:
    with pytest.raises(WorkflowError, match="is not understood here"):
        scope().value(expression)


@pytest.mark.parametrize(
    ("condition", "after_success", "after_failure"),
    [
        ("", True, False),
        ("github.event_name == 'push'", True, False),
        ("${{ github.event_name == 'schedule' }}", False, False),
        ("failure()", False, True),
        ("success() || failure()", True, True),
        ("always() && github.event_name == 'push'", True, True),
    ],
)
def test_a_condition_asks_for_success_unless_it_says_otherwise(
    condition: str,
    after_success: bool,  # noqa: FBT001
    after_failure: bool,  # noqa: FBT001
) -> None:
    assert (scope().holds(condition), scope(well=False).holds(condition)) == (after_success, after_failure)
