"""The tests of the Docker path in one command: python -m tests.docker [options of pytest].

Where no Docker engine can run they are "not run", which CARBIDE_REQUIRE_ALL=1 makes a failure.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.docker.machine import machine
from tests.docker.programs import CannotRunError


def main(options: Sequence[str]) -> int:
    """Run them all; give the exit code."""
    try:
        with machine():
            pass
    except CannotRunError as reason:
        print(f"not run: {reason}")  # noqa: T201
        return int(os.environ.get("CARBIDE_REQUIRE_ALL") == "1")
    return int(pytest.main(["--capture=no", *options, str(Path(__file__).parent)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
