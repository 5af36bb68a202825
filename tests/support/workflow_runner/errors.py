"""The error of this package."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet


class WorkflowError(Exception):
    """A workflow cannot be run here; the message names what is in the way."""


def require_known(keys: Iterable[str], names: AbstractSet[str], where: str) -> None:
    """Refuse a key that is not one of the names.

    Raises:
        WorkflowError: for the first of them.
    """
    unknown = set(keys) - names
    if unknown:
        message = f"{where}.{min(unknown)}: is not understood here"
        raise WorkflowError(message)
