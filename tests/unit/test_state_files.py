"""Tests of what is kept between runs."""

from pathlib import Path

import pytest

from carbide_infra.endpoint import Endpoint, read_endpoint, write_endpoint
from carbide_infra.state_files import read_json, read_text, write_json, write_text


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "key"
    write_text(file, "old")
    write_text(file, "new", mode=0o600)
    assert read_text(file) == "new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_file_is_readable_for_all_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "é")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "file").read_bytes() == "é".encode()


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut there is the old text or the new one, and no empty file."""
    synced: list[tuple[bytes, str]] = []

    def sync(_: int) -> None:
        (written,) = tmp_path.iterdir()
        synced.append((written.read_bytes(), written.name))

    monkeypatch.setattr("os.fsync", sync)
    write_text(tmp_path / "file", "new")
    ((content, name),) = synced
    assert content == b"new"
    assert name.startswith(".file-")


def test_what_cannot_be_read_is_empty(tmp_path: Path) -> None:
    assert read_text(tmp_path / "none") == ""
    (tmp_path / "bytes").write_bytes(b"a\xff")
    assert read_text(tmp_path / "bytes") == "a\ufffd"


def test_json_is_written_for_people_too(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": [1]})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": [\n    1\n  ]\n}\n'


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
    endpoint = Endpoint("vm:5443", "carbide-local", "/ca.pem", {"alpine:latest": "sha256:1"})
    write_endpoint(tmp_path, endpoint)
    assert read_endpoint(tmp_path) == endpoint


@pytest.mark.parametrize("text", ["", "{", "{}", '{"registry": 1, "builder": "b", "ca_bundle": "c"}'])
def test_a_damaged_endpoint_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / ".local" / "endpoint.json"
    file.parent.mkdir()
    file.write_text(text)
    assert read_endpoint(tmp_path) is None
