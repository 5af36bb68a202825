"""The errors that setting up a machine can end in."""

from carbide_infra.errors import UserError


class SetupError(UserError):
    """The machine could not be set up; the message is meant for the person at the keyboard."""


class MissingPrerequisite(SetupError):
    """Something has to be installed by hand; the message is one sentence that names it."""
