"""The development stack's passphrase: where a checkout keeps it, and that no other stack is encrypted with it."""

from collections.abc import Mapping
from pathlib import Path

from carbide_infra.errors import SetupError
from carbide_infra.paths import state_dir
from carbide_infra.stack.stack_file import is_development
from carbide_infra.state_files import read_text

PUBLISHED = "carbide-dev"
"""Was every checkout's until each had a random one; whoever can read this can open what is encrypted with it."""

VALUE, FILE = "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"
"""Where Pulumi looks for a passphrase, in this order."""


def passphrase_file(root: Path) -> Path:
    """Name the file with the random passphrase of a checkout's development stack; `make` writes it."""
    return state_dir(root) / "passphrase"


def require_own_passphrase(stack: str, environment: Mapping[str, str], root: Path) -> None:
    """Refuse any other stack that is opened with the development stack's passphrase.

    Raises:
        SetupError: what to do.
    """
    given = environment[VALUE] if VALUE in environment else _content(environment.get(FILE))
    if is_development(stack) or not given:
        return
    if given == PUBLISHED:
        problem = "is a passphrase that everybody knows"
    elif given == _content(str(passphrase_file(root))):
        problem = "is the passphrase of this checkout's development stack, which make clean deletes"
    else:
        return
    name = VALUE if VALUE in environment else FILE
    message = (
        f"{name}: {problem}; give the stack {stack} one of its own. A stack that has this one already gets another "
        f"by `pulumi stack change-secrets-provider passphrase --stack {stack}`; then set {VALUE} to that"
    )
    raise SetupError(message)


def _content(file: str | None) -> str:
    return read_text(Path(file)).strip() if file else ""
