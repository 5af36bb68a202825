"""What `make clean` deletes of a checkout, and what it must not: the only state of a stack that is not development."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from carbide_infra.errors import SetupError
from carbide_infra.paths import state_dir
from carbide_infra.progress import Report
from carbide_infra.stack.passphrase import passphrase_file
from carbide_infra.stack.stack_file import DEV_STACK, project_name
from devenv.salt import has_secrets, stack_file
from devenv.up import local_down

_STATE = ".json"
# Those of before, and what the bucket knows of each file.
_BESIDE = (".bak", ".attrs")


def clean(root: Path, report: Report) -> None:
    """Stop the daemons and delete a checkout's local state.

    The passphrase stays where secrets of the development stack's file need it.

    Raises:
        SetupError: another stack than the development stack has its state there.
    """
    others = sorted(stacks_with_state(root))
    if others:
        message = (
            f"{' and '.join(others)} {'has its' if len(others) == 1 else 'have their'} only state in "
            f"{state_dir(root) / 'state'}, which make clean would delete: take each to another backend with "
            "`pulumi stack export` and `pulumi stack import`, or destroy it, and then `pulumi stack rm --force` it here"
        )
        raise SetupError(message)
    local_down(root, report)
    kept = {passphrase_file(root), state_dir(root) / "salt"} if has_secrets(stack_file(root)) else set()
    for entry in state_dir(root).iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry not in kept:
            entry.unlink()
    if kept:
        report(f"{passphrase_file(root)} stays: secrets in {stack_file(root).name} are encrypted with it")
    else:
        state_dir(root).rmdir()


def stacks_with_state(root: Path) -> Iterator[str]:
    """Name the stacks, other than the development stack, whose state in this checkout holds anything."""
    folder = state_dir(root) / "state/.pulumi/stacks"
    for file in folder.rglob("*"):
        if file.is_dir() or _STATE not in file.name or file.name.endswith(_BESIDE):
            continue
        name = f"{file.parent.name}/{file.name.partition(_STATE)[0]}".removeprefix(f"{folder.name}/")
        if name != f"{project_name(root)}/{DEV_STACK}" and _holds_resources(file):
            yield name


def _holds_resources(file: Path) -> bool:
    """Whether a state has resources; one that cannot be read may have."""
    try:
        checkpoint: dict[str, Any] = json.loads(file.read_bytes())["checkpoint"]
        return bool((checkpoint.get("latest") or {}).get("resources"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return True
