"""Programs that are run to their end, and processes that are dead."""

import os
import subprocess
import sys

import pytest

from carbide_infra.errors import SetupError
from carbide_infra.processes import last_lines, run, start_time


def test_run_gives_output_or_says_what_failed() -> None:
    assert run([sys.executable, "-c", "print(1)"], os.environ, "Counting") == "1\n"
    with pytest.raises(SetupError, match=r"(?s)^Counting failed:\n\$ .*\noh no"):
        run([sys.executable, "-c", "raise SystemExit('oh no')"], os.environ, "Counting")
    with pytest.raises(SetupError, match="Counting failed: /no/such is missing"):
        run(["/no/such"], os.environ, "Counting")


def test_errors_quote_the_end_of_long_output() -> None:
    assert last_lines("\n".join(map(str, range(100)))).splitlines()[0] == "85"


def test_a_dead_child_has_no_start_time() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    while start_time(process.pid) is not None:
        pass
    assert process.wait() == 0
