"""Tables at a terminal, and in files that no terminal folds."""

from rich.console import Console

# Wide enough for a reference and a whole digest.
FILE_WIDTH = 260
# "sha256:" and twelve digits, as Docker abbreviates it.
SHORT_DIGEST = 19


def wide_console() -> Console:
    """A console as wide as the terminal, and as wide as needed elsewhere."""
    console = Console()
    return console if console.is_terminal else Console(width=FILE_WIDTH)


def shown_digest(digest: str, console: Console) -> str:
    """A digest, abbreviated at a terminal only."""
    return f"{digest[:SHORT_DIGEST]}…" if console.is_terminal else digest
