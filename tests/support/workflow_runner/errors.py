"""The error of this package."""


class WorkflowError(Exception):
    """A workflow cannot be run here; the message names what is in the way."""
