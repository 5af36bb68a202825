"""The machine with Docker, where this one can run it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.docker.machine import Machine, machine
from tests.docker.programs import CannotRunError, not_run


@pytest.fixture(scope="module")
def machine_with_docker() -> Iterator[Machine]:
    """It; without one, tests are not run."""
    with ExitStack() as stack:
        try:
            yield stack.enter_context(machine())
        except CannotRunError as reason:
            not_run(reason)
