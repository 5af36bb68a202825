"""The salt beside the development stack's passphrase: Pulumi wants it in the stack's file, and git must not see it."""

import re
import subprocess
from pathlib import Path

from carbide_infra.paths import state_dir
from carbide_infra.stack.stack_file import DEV_STACK
from carbide_infra.state_files import read_text, write_text
from devenv.encryption import new_salt, opens

FILTER, LEAVES_OUT_SALT = "filter.carbide-salt.clean", "sed -e '/^encryptionsalt:/d'"
"""How git leaves it out where it compares and commits; `.gitattributes` says of which files."""

_LINE = re.compile(r"^encryptionsalt:.*\n?", re.MULTILINE)
_SECRET = re.compile(r"^\s+(?:- )?secure:", re.MULTILINE)


def stack_file(root: Path) -> Path:
    """Name the development stack's file."""
    return root / f"Pulumi.{DEV_STACK}.yaml"


def has_secrets(file: Path) -> bool:
    """Whether a stack's file holds anything that needs its salt."""
    return bool(_SECRET.search(read_text(file)))


def ensure_salt(root: Path, passphrase: Path) -> None:
    """Put this checkout's salt into the development stack's file, where it is not; git has none in a fresh clone."""
    file = stack_file(root)
    text = read_text(file)
    if not file.is_file() or _LINE.search(text):
        return
    kept = state_dir(root) / "salt"
    salt = read_text(kept) or new_salt(read_text(passphrase).strip())
    write_text(kept, salt)
    # Where Pulumi finds none, it makes one, and git takes a file of another size for changed until it has looked.
    file.write_text(f"{text.rstrip()}\nencryptionsalt: {salt}\n", encoding="utf-8")
    _hide_from_git(file)


def drop_strange_salt(file: Path, passphrase: str) -> None:
    """Forget a salt that nothing is encrypted with any more: `make clean` has deleted its passphrase."""
    text = read_text(file)
    if _LINE.search(text) and not has_secrets(file) and not opens(text, passphrase):
        file.write_text(_LINE.sub("", text), encoding="utf-8")


def _hide_from_git(file: Path) -> None:
    """Let git know the file with the salt for the committed one, where that is all the difference."""
    if _git(file, "config", "--get", FILTER) is None:
        _git(file, "config", "--local", FILTER, LEAVES_OUT_SALT)
    if _git(file, "diff", "--quiet", "--", file.name) is not None:
        _git(file, "update-index", "--", file.name)


def _git(file: Path, *arguments: str) -> str | None:
    """What git says in the file's folder; None where it fails, or there is none."""
    command = ["git", "-C", str(file.parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return None
    return None if done.returncode else done.stdout
