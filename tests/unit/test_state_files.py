"""Tests of what is kept between runs."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from carbide_infra.endpoint import Endpoint, read_endpoint, write_endpoint
from carbide_infra.state_files import PRIVATE_UMASK, make_private, read_json, read_text, write_json, write_text


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "key"
    write_text(file, "old")
    write_text(file, "new")
    assert read_text(file) == "new"
    assert list(file.parent.iterdir()) == [file]


def test_what_is_kept_is_utf_8(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "é")
    assert (tmp_path / "file").read_bytes() == "é".encode()


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=["000", "022", "777"])
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    assert tmp_path.is_dir(), "made before, so that its owner can enter"
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes_below(folder: Path) -> set[int]:
    return {stat.S_IMODE(place.stat().st_mode) for place in (folder, *folder.rglob("*"))}


@pytest.mark.usefixtures("umask")
def test_no_other_user_reads_what_is_kept_whatever_the_umask(tmp_path: Path) -> None:
    state = make_private(tmp_path / "new/.local/state")
    write_text(state / "file", "secret")
    assert modes_below(tmp_path / "new") == {0o700, 0o600}


@pytest.mark.usefixtures("umask")
def test_a_folder_of_an_earlier_version_is_tightened_and_its_files_with_their_next_write(tmp_path: Path) -> None:
    folder, file = tmp_path / ".local", tmp_path / ".local/file"
    folder.mkdir()
    folder.chmod(0o755)
    file.write_text("old")
    file.chmod(0o644)
    write_text(make_private(folder) / "file", "new")
    assert modes_below(folder) == {0o700, 0o600}


def test_a_folder_is_private_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    before = os.umask(0)
    try:
        make_private(tmp_path / "new/state")
    finally:
        os.umask(before)
    assert modes_below(tmp_path / "new") == {0o700}


def test_a_folder_that_another_process_makes_meanwhile_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: path != tmp_path / "state" and path.is_dir())
    (tmp_path / "state").mkdir(mode=0o755)
    assert modes_below(make_private(tmp_path / "state")) == {0o700}


def test_a_folder_of_another_owner_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o755)
    monkeypatch.setattr(Path, "chmod", refuse)
    assert make_private(tmp_path / "state").is_dir()


def test_a_failed_write_says_why_even_where_its_file_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sync(_: int) -> None:
        (written,) = tmp_path.iterdir()
        written.unlink()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", sync)
    with pytest.raises(OSError, match="No space left on device"):
        write_text(tmp_path / "file", "new")


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


@pytest.mark.parametrize("text", ["", '{"half', "[1]", "null", "\x00", pytest.param("[" * 100_000, id="deep")])
def test_a_damaged_file_reads_as_empty(tmp_path: Path, text: str) -> None:
    file = tmp_path / "state.json"
    file.write_text(text)
    assert read_json(file) == {}


def test_programs_that_write_into_our_folders_let_nobody_else_in() -> None:
    assert (0o777 & ~PRIVATE_UMASK, 0o666 & ~PRIVATE_UMASK) == (0o700, 0o600)


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
