"""What a registry can fail with; each message names the host, what was asked, and what to do."""

from carbide_infra.errors import UserError


class RegistryError(UserError):
    """The registry gave no usable answer."""

    @property
    def what(self) -> str:
        """What is so, without the remedy."""
        what, _, remedy = str(self).rpartition("; ")
        return what or remedy

    @property
    def remedy(self) -> str:
        """What to do, which the message ends with; empty where it says nothing of that."""
        what, _, remedy = str(self).rpartition("; ")
        return remedy if what else ""


class Unreachable(RegistryError):
    """No HTTP answer came: no such host, no connection, no trust in its certificate, or a time-out."""


class Untrusted(Unreachable):
    """It is there, and its certificate is of nobody that this machine trusts."""


class Busy(RegistryError):
    """The registry's token service does not serve us now.

    Args:
        message: as for all.
        pause: seconds after which it wants to be asked again; None where it says nothing of that.
    """

    def __init__(self, message: str, pause: float | None) -> None:
        super().__init__(message)
        self.pause = pause


class Denied(RegistryError):
    """The registry wants other credentials, or none that we have suffice."""


class NotFound(RegistryError):
    """The registry answers, and has no such thing."""


class Corrupt(RegistryError):
    """The bytes are not those that the digest names."""
