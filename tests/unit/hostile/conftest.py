"""How many cases are tried, and a count of them."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.figures import CASES


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    """To be called once for each case that a test tries."""
    tried = [0]

    def count() -> None:
        tried[0] += 1
        # Before the test ends, so that its report has it.
        request.node.user_properties[:] = [(CASES, tried[0])]

    yield count
    assert tried[0], "no case was tried"
