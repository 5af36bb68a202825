"""The base of every error that the user can fix; it imports nothing, so that catching it costs nothing."""

# What moves a terminal's cursor, colours what follows, or turns the direction of writing: C0 without tab and line feed,
# DEL, C1, bidirectional controls, and halves of surrogate pairs, which no stream can encode.
_UNSEEN = (*range(9), *range(11, 32), *range(127, 160), 0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F))
_UNSEEN += (*range(0x2028, 0x202A), *range(0x2066, 0x206A), *range(0xD800, 0xE000))
_SHOWN = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _UNSEEN}  # noqa: PLR2004 - a byte


def shown(text: str) -> str:
    """A text of somebody else's in a message of one line, whatever is in it."""
    return text if text.isprintable() else ascii(text)


class UserError(Exception):
    """Something is not as asked; the message names what, and the way out.

    It may quote what a stranger chose: as text, it has no effect where it is shown.
    """

    def __str__(self) -> str:
        """The message, which moves no cursor and colours nothing."""
        return super().__str__().replace("\r\n", "\n").translate(_SHOWN)


class SetupError(UserError):
    """The machine could not be set up; the message is meant for the person at the keyboard."""


class CommandError(UserError):
    """No answer can be given; the message names what was asked, what is wrong, and what to do."""


class MissingPrerequisite(SetupError):
    """Something has to be installed by hand; the message is one sentence that names it."""
