"""The base of every error that the user can mend; it imports nothing, so that catching it costs nothing."""


class UserError(Exception):
    """Something is not as asked; the message names what, and the way out."""
