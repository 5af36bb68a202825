"""The tests' own session, where it decides how programs behave."""

import os
import subprocess
import sys
from pathlib import Path

from carbide_infra.paths import project_root

IN_THE_BACKGROUND = ("bash", "-c", "trap '' INT; exec \"$@\"", "bash")
START_ANOTHER = """
import subprocess
from tests.conftest import heed_interrupts
heed_interrupts()
print(subprocess.run(["bash", "-c", "kill -INT $$; echo ignored"]).returncode)
"""
BE_TOLD_TO_END = """
import os, signal
from tests.conftest import heed_interrupts
heed_interrupts()
try:
    os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    print("clears away")
"""
KEEP_AND_START_ANOTHER = """
import subprocess, sys
from tests.conftest import forget_containers_choices
print(sys.dont_write_bytecode, flush=True)
forget_containers_choices()
subprocess.run([sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"], check=True)
print(sys.dont_write_bytecode)
"""


def test_programs_that_a_test_run_in_the_background_starts_heed_interrupts() -> None:
    command = [*IN_THE_BACKGROUND, sys.executable, "-c", START_ANOTHER]
    done = subprocess.run(command, cwd=project_root(), capture_output=True, text=True, check=True)
    assert done.stdout == "-2\n"


def test_a_run_that_is_told_to_end_stops_what_it_has_started() -> None:
    command = [sys.executable, "-c", BE_TOLD_TO_END]
    done = subprocess.run(command, cwd=project_root(), capture_output=True, text=True, check=True)
    assert done.stdout == "clears away\n"


def test_programs_that_a_test_starts_keep_what_they_compile() -> None:
    command = [sys.executable, "-c", KEEP_AND_START_ANOTHER]
    forbidden = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=project_root(), env=forbidden, capture_output=True, text=True, check=True)
    assert done.stdout == "True\nFalse\nFalse\n"


def test_one_conftest_alone_keeps_the_daemons_running() -> None:
    # Pytest asks all of them for every test: a second one would wait for the lock that the first one holds.
    tests = Path(__file__).parents[1]
    assert [file for file in tests.rglob("conftest.py") if "pytest_runtest_protocol" in file.read_text()] == [
        tests / "conftest.py"
    ]
