"""A record is read only where it belongs to the image that the state holds."""

from typing import Any

import pytest

from carbide_infra.images.record import RecordedFile, record_of, recorded_files, recorded_texts, template_of

KEY = "0123456789ab"
RECORD = {"key": KEY, "inputs": "", "dockerfile": "d"}
STASH = {"input": RECORD}
EARLIER = {"inputs": "", "dockerfile": "e"}


def image(*tags: str) -> dict[str, Any]:
    return {"tags": list(tags)}


def test_the_record_of_the_image_s_own_build_is_read() -> None:
    assert record_of(STASH, {}, image(f"r.example/a/b:1.4.0-rc-1-{KEY}", "r.example/a/b:other")) == RECORD


@pytest.mark.parametrize("tags", [[], ["r.example/a/b:1.4.0-aaaaaaaaaaaa"], ["r.example/a/b:other", f"r:1-{KEY}"]])
def test_the_record_of_another_build_is_unknown(tags: list[str]) -> None:
    """After an update that failed, was cut off, or left the record out."""
    assert record_of(STASH, EARLIER, image(*tags)) is None
    assert record_of(STASH, {}, None) is None


@pytest.mark.parametrize("content", [None, "text", [], {}, {"inputs": ""}])
def test_what_is_no_record_is_unknown(content: object) -> None:
    assert record_of({"input": content}, None, image(f"r:1-{KEY}")) is None
    assert record_of({}, None, image(f"r:1-{KEY}")) is None


def test_a_component_of_an_earlier_version_has_the_record() -> None:
    assert record_of(None, EARLIER, image("r:1-x")) == EARLIER


@pytest.mark.parametrize("component", [None, {}, {"else": 1}])
def test_without_either_nothing_is_known(component: dict[str, Any] | None) -> None:
    assert record_of(None, component, image(f"r:1-{KEY}")) is None


def test_lines_of_input_files_are_read() -> None:
    lines = f"0755 {'a' * 64} 7 run me  now\n0644 {'b' * 64} 0 VERSION"
    assert recorded_files(lines) == (
        RecordedFile("0755", "a" * 64, 7, "run me  now"),
        RecordedFile("0644", "b" * 64, 0, "VERSION"),
    )
    assert recorded_files("") == ()


def test_a_path_may_hold_a_line_feed() -> None:
    lines = f"0644 {'a' * 64} 7 two\nlines\n0644 {'b' * 64} 0 VERSION"
    assert [file.path for file in recorded_files(lines)] == ["two\nlines", "VERSION"]


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ('"two\\nlines"', "two\nlines"),
        ('"no JSON', '"no JSON'),
        ('no JSON"', 'no JSON"'),
        ('"no" JSON"', '"no" JSON"'),
        ('"no quote at its end" ', '"no quote at its end" '),
        ("7", "7"),
    ],
)
def test_a_path_in_quotes_is_json_where_it_can_be(written: str, path: str) -> None:
    assert [file.path for file in recorded_files(f"0644 {'a' * 64} 7 {written}")] == [path]


def test_texts_are_read_by_path() -> None:
    assert recorded_texts({"moduleTexts": '{"go.mod": "module a\\n"}'}) == {"go.mod": "module a\n"}
    assert recorded_texts({"moduleTexts": ""}) == {}
    assert recorded_texts({}) == {}


def test_a_record_says_which_template_it_comes_from() -> None:
    assert template_of({"template": "0.3.0"}) == "0.3.0"
    assert template_of({}) == "0.1.0", "of before records had one"
    assert template_of({"kept": "docker/Dockerfile"}) is None
