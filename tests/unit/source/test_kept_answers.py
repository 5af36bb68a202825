"""Answers in the cache: whole or not there, and gone when nobody has read them for a month."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from carbide_infra.source.kept_answers import load, remove_unused, save

DAY = 86400


def age(file: Path, seconds: float) -> None:
    os.utime(file, (time.time() - seconds,) * 2)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save(tmp_path / "a", {"x": [1, None, "é"]})
    assert load(tmp_path / "a") == {"x": [1, None, "é"]}
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    "damage",
    [lambda body: body[:0], lambda body: body[:-1], lambda body: body + b" ", lambda body: body.partition(b"\n")[2]],
)
def test_what_is_not_whole_is_nothing(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "a"
    save(file, {"x": 1})
    file.write_bytes(damage(file.read_bytes()))
    assert load(file) == {}
    assert load(tmp_path / "none") == {}


def test_what_is_no_mapping_is_nothing(tmp_path: Path) -> None:
    save(tmp_path / "a", [1])  # type: ignore[arg-type]
    assert load(tmp_path / "a") == {}


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    save(tmp_path / "none/a", {"x": 1})
    (tmp_path / "a").mkdir()
    save(tmp_path / "a", {"x": 1})
    assert [file.name for file in tmp_path.rglob("*")] == ["a"], "no temporary file stays"


def test_an_answer_is_removed_a_month_after_somebody_read_it(tmp_path: Path) -> None:
    for name, days in (("answer-old", 30.1), ("answer-new", 29.9), ("graph-old", 31), ("other", 99)):
        save(tmp_path / name, {"x": 1})
        age(tmp_path / name, days * DAY)
    (tmp_path / "answer-folder").mkdir()
    age(tmp_path / "answer-folder", 99 * DAY)
    remove_unused(tmp_path, ["answer-", "graph-"])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["answer-folder", "answer-new", "other"]


@pytest.mark.parametrize(("days", "is_marked"), [(0.9, False), (1.1, True)])
def test_reading_marks_an_answer_as_used_once_a_day(tmp_path: Path, days: float, *, is_marked: bool) -> None:
    file = tmp_path / "a"
    save(file, {"x": 1})
    age(file, days * DAY)
    load(file)
    assert (file.stat().st_mtime > time.time() - DAY / 2) is is_marked
