"""YAML as data that remember their lines."""

import datetime as dt

import pytest

from carbide_infra.catalogue.document import UnreadableError, parse


def test_data_are_plain() -> None:
    document = parse("a: 1\nb: [x, true, null, 1.5, 2024-01-02]\nc: {d: '1'}\n")
    assert document.data == {"a": 1, "b": ["x", True, None, 1.5, dt.date(2024, 1, 2)], "c": {"d": "1"}}


def test_every_key_and_item_has_its_line() -> None:
    document = parse("a:\n  b:\n    - x\n    - y: 1\n      z:\n        2\n")
    assert document.line(("a",)) == 1
    assert document.line(("a", "b")) == 2
    assert document.line(("a", "b", 0)) == 3
    assert document.line(("a", "b", 1)) == 4
    assert document.line(("a", "b", 1, "z")) == 5


def test_a_key_that_is_not_there_has_the_line_of_what_would_hold_it() -> None:
    document = parse("x: 1\na:\n  b: 1\n")
    assert document.line(("a", "c", "d")) == 2
    assert document.line(("z",)) == 1


def test_scalars_are_remembered_as_written() -> None:
    document = parse("a: 1.40\nb: 0755\nc: ['x']\n")
    assert document.written == {("a",): "1.40", ("b",): "0755", ("c", 0): "x"}


def test_keys_are_texts_whatever_yaml_makes_of_them() -> None:
    assert parse("on: 1\n80: 2\nnull: 3\n1.0: 4\n").data == {"on": 1, "80": 2, "null": 3, "1.0": 4}


def test_a_key_that_stands_twice_is_found() -> None:
    document = parse("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert document.duplicates == [("a", "b")]
    assert document.line(("a", "b")) == 4


def test_an_empty_text_is_no_data() -> None:
    assert parse("# nothing\n").data is None


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: [\n", 3, "expected the node content"),
        ("a: 1\n\tb: 2\n", 2, "cannot start any token"),
        ("a: 1\n---\nb: 2\n", 2, "expected a single document in the stream, but found another document"),
        ("a: 1\nb: &x 2\nc: *x\n", 2, "anchors and aliases are not read"),
        ("a: 1\nb: *x\n", 2, "anchors and aliases are not read"),
        ("a: !!python/name:os.system x\n", 1, "the tag tag:yaml.org,2002:python/name:os.system is not read"),
        ("a:\n  !custom 1\n", 2, "the tag !custom is not read"),
        ("a: 1\n? [b]\n: 2\n", 2, "a key is a map or a list"),
        ("a: !!int x\n", 1, "invalid literal"),
        ("a: 2024-13-45\n", 1, r"^2024-13-45: month must be"),
        ("a: 1\nb: 1" + "0" * 9000, 2, r"^10{39}: Exceeds the limit"),
        ("a: 1\nb: \x07\n", 2, "the character 7 is not allowed"),
        ("a: 1\nb: [[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]", 2, "is nested too deeply"),
    ],
    ids=range(13),
)
def test_what_cannot_be_read_says_where(text: str, line: int, said: str) -> None:
    with pytest.raises(UnreadableError, match=said) as caught:
        parse(text)
    assert caught.value.line == line


def test_nesting_has_a_limit_that_many_maps_side_by_side_do_not_reach() -> None:
    parse("[" * 20 + "]" * 20)
    parse("[" + "[x], " * 50 + "{}]")
    with pytest.raises(UnreadableError, match="is nested too deeply"):
        parse("[" * 5000 + "]" * 5000)
