"""The cache folder does not grow for ever."""

import os
import time
from pathlib import Path

import pytest

from carbide_infra.source.answers import _UNUSED
from carbide_infra.source.kept_answers import load, remove_unused, save

DAY = 86_400


def aged(file: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(file, (then, then))


@pytest.mark.parametrize("name", ["answer-0.json", "blobs-1.txt", "graph-2.json", "hashes-3.json", "importgraph-4"])
def test_what_nobody_used_for_a_month_goes(tmp_path: Path, name: str) -> None:
    for file, days in ((tmp_path / name, 31), (tmp_path / f"{name}-used", 29), (tmp_path / f"tools-{name}", 400)):
        file.touch()
        aged(file, days)
    remove_unused(tmp_path, _UNUSED)
    assert {file.name for file in tmp_path.iterdir()} == {f"{name}-used", f"tools-{name}"}


def test_what_is_read_is_used(tmp_path: Path) -> None:
    file = tmp_path / "answer-0.json"
    save(file, {"a": 1})
    aged(file, 31)
    assert load(file) == {"a": 1}
    remove_unused(tmp_path, _UNUSED)
    assert file.exists()
