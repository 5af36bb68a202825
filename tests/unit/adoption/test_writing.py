"""New files appear all or none, and nothing that is there changes."""

import os
from pathlib import Path

import pytest

from carbide_infra.adoption.writing import write_new
from carbide_infra.errors import CommandError


def everything(root: Path) -> dict[str, str]:
    return {str(file.relative_to(root)): file.read_text() for file in root.rglob("*") if file.is_file()}


def test_files_are_written_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert write_new(tmp_path, {"images/a": "1", ".github/workflows/b": "2"}) == ["images/a", ".github/workflows/b"]
    finally:
        os.umask(before)
    assert everything(tmp_path) == {"images/a": "1", ".github/workflows/b": "2"}
    assert (tmp_path / "images/a").stat().st_mode & 0o777 == 0o640


def test_what_is_there_stays(tmp_path: Path) -> None:
    write_new(tmp_path, {"images/a": "1"})
    assert write_new(tmp_path, {"images/a": "other", "images/b": "2"}) == ["images/b"]
    assert everything(tmp_path) == {"images/a": "1", "images/b": "2"}


def test_a_link_that_leads_nowhere_is_there_too(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("nowhere")
    assert write_new(tmp_path, {"a": "1"}) == []
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device", "x"), KeyboardInterrupt(), SystemExit(143)])
def test_nothing_is_left_by_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    linked: list[Path] = []
    link = Path.hardlink_to

    def fails_at_the_third(path: Path, target: Path) -> None:
        linked.append(path)
        if len(linked) == 3:
            raise error
        link(path, target)

    monkeypatch.setattr(Path, "hardlink_to", fails_at_the_third)
    wanted = (CommandError,) if isinstance(error, OSError) else (type(error),)
    with pytest.raises(wanted):
        write_new(tmp_path, {"images/a": "1", "images/b": "2", "deep/er/c": "3"})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_nobody_may_write_to_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(CommandError, match=r"^images cannot be written: Permission denied; nothing was$"):
        write_new(tmp_path, {"images/a": "1"})


def test_a_folder_that_leads_out_is_not_written_to(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (inside / "images").symlink_to(outside)
    with pytest.raises(CommandError, match=r"^images leads out of "):
        write_new(inside, {"images/a": "1"})
    assert list(outside.iterdir()) == []
