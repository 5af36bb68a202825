"""Progress goes to stderr: how the jobs ended is the data."""

import sys


def tell(line: str) -> None:
    """Print one line at once, so that it stands before what a step prints."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
