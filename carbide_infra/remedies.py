"""How a command is typed where somebody reads of it: a make target in a checkout of this repository, else itself."""

from carbide_infra.errors import SetupError
from carbide_infra.paths import project_root

_KIT = "devenv"


def typed(command: str, stack: str = "") -> str:
    """What runs one of the commands that are also make targets, such as `make pin-bases STACK=prod`.

    Args:
        command: such as pin-bases.
        stack: the stack that it is about; the selected one when empty.
    """
    if _has_make():
        return f"make {command}{stack and f' STACK={stack}'}"
    return f"carbide-infra {command}{stack and f' --stack {stack}'}"


def _has_make() -> bool:
    try:
        return (project_root() / _KIT).is_dir()
    except SetupError:
        # Read by nobody who could run either.
        return True
