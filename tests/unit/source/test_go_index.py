"""Tests of when Go's own index of packages is believed."""

import os
import time
from pathlib import Path

import pytest

from carbide_infra.source.go_index import UNINDEXED, variables_for

LONG_AGO = (1_000_000_000, 1_000_000_000)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/main.go", "a/asm.s", "web/index.html", ".git/x.go"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def test_a_tree_as_it_was_written_or_cloned_is_listed_by_it(tree: Path) -> None:
    assert variables_for(tree) == {}


@pytest.mark.parametrize("name", ["a/main.go", "a/asm.s"])
def test_a_file_that_was_given_a_time_of_before_is_read(tree: Path, name: str) -> None:
    os.utime(tree / name, LONG_AGO)
    assert variables_for(tree) == UNINDEXED


def test_the_time_need_not_be_long_ago(tree: Path) -> None:
    now = time.time()
    os.utime(tree / "a/main.go", (now - 2.5, now - 2.5))
    assert variables_for(tree) == UNINDEXED


@pytest.mark.parametrize("name", ["web/index.html", ".git/x.go"])
def test_files_that_are_no_code_of_the_tree_do_not_count(tree: Path, name: str) -> None:
    os.utime(tree / name, LONG_AGO)
    assert variables_for(tree) == {}


def test_a_link_counts_by_what_it_leads_to_and_one_to_nothing_not_at_all(tree: Path) -> None:
    (tree / "a/gone.go").symlink_to("nowhere")
    assert variables_for(tree) == {}
    (tree / "a/page.go").symlink_to(tree / "web/index.html")
    os.utime(tree / "web/index.html", LONG_AGO)
    assert variables_for(tree) == UNINDEXED
