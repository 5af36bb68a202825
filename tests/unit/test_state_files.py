"""Tests of what is kept between runs."""

from pathlib import Path

import pytest

from carbide_infra.endpoint import Endpoint, read_endpoint, write_endpoint
from carbide_infra.state_files import read_json, read_text, write_json, write_text


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "key"
    write_text(file, "old")
    write_text(file, "new", mode=0o600)
    assert read_text(file) == "new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_text(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(file, "\ud800")
    assert read_text(file) == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("text", ["", '{"half', "[1]", "null", "\x00"])
def test_a_damaged_file_reads_as_empty(tmp_path: Path, text: str) -> None:
    file = tmp_path / "state.json"
    file.write_text(text)
    assert read_json(file) == {}


def test_json_comes_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": [1]})
    assert read_json(tmp_path / "a.json") == {"a": [1]}


def test_endpoint_comes_back(tmp_path: Path) -> None:
    assert read_endpoint(tmp_path) is None
    endpoint = Endpoint("vm:5443", "carbide-local", "/ca.pem", ("alpine:latest",))
    write_endpoint(tmp_path, endpoint)
    assert read_endpoint(tmp_path) == endpoint


def kept_endpoint(root: Path, text: str) -> Endpoint | None:
    file = root / ".local" / "endpoint.json"
    file.parent.mkdir()
    file.write_text(text)
    return read_endpoint(root)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        '{"registry": 1, "builder": "b", "ca_bundle": "c"}',
        '{"registry": "r", "builder": 1, "ca_bundle": "c"}',
        '{"registry": "r", "builder": "b", "ca_bundle": 1}',
    ],
)
def test_a_damaged_endpoint_is_none(tmp_path: Path, text: str) -> None:
    assert kept_endpoint(tmp_path, text) is None


@pytest.mark.parametrize(
    ("stand_ins", "expected"),
    [('["golang:1.25", 3]', ("golang:1.25", "3")), ('"alpine"', ()), ("null", ()), ("{}", ())],
)
def test_an_endpoint_has_the_stand_ins_that_are_listed(
    stand_ins: str, expected: tuple[str, ...], tmp_path: Path
) -> None:
    text = f'{{"registry": "r", "builder": "b", "ca_bundle": "c", "stand_ins": {stand_ins}}}'
    assert kept_endpoint(tmp_path, text) == Endpoint("r", "b", "c", expected)
