"""The tests of repositories that take the product over, in one command: python -m tests.adopt [options of pytest].

Where no engine can run they are "not run", which CARBIDE_REQUIRE_ALL=1 makes a failure.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.adopt.engine import cannot_run


def main(options: Sequence[str]) -> int:
    """Run them all; give the exit code."""
    if reason := cannot_run():
        print(f"not run: {reason}")  # noqa: T201
        return int(os.environ.get("CARBIDE_REQUIRE_ALL") == "1")
    return int(pytest.main(["-rs", *options, str(Path(__file__).parent)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
