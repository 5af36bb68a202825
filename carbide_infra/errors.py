"""The base of every error that the user can fix; it imports nothing, so that catching it costs nothing."""


class UserError(Exception):
    """Something is not as asked; the message names what, and the way out."""


class SetupError(UserError):
    """The machine could not be set up; the message is meant for the person at the keyboard."""


class CommandError(UserError):
    """No answer can be given; the message names what was asked, what is wrong, and what to do."""


class MissingPrerequisite(SetupError):
    """Something has to be installed by hand; the message is one sentence that names it."""
