"""The passphrase of a checkout's development stack: random, known to nobody else, and made once."""

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carbide_infra.errors import SetupError
from carbide_infra.paths import state_dir
from carbide_infra.stack.locks import has_dead_lock, running_update
from carbide_infra.stack.passphrase import PUBLISHED, passphrase_file
from carbide_infra.stack.stack_file import DEV_STACK, project_name
from carbide_infra.state_files import make_private, read_text, write_text
from devenv.encryption import reencrypted
from devenv.salt import drop_strange_salt, stack_file

# Where a folder backend has a stack: its state and the one before, its history, its backups.
_PLACES = ("stacks/*/{0}.json*", "history/*/{0}/*", "backups/*/{0}/*")


def ensure_passphrase(root: Path) -> Path:
    """Give the file with the passphrase, made where there is none.

    What the development stacks of this checkout have encrypted with the published passphrase is encrypted with the new
    one: states, their history and backups, and secrets in stack files.

    Raises:
        SetupError: an update runs that would write with the old one.
    """
    file = passphrase_file(root)
    if not file.exists():
        with _alone(root):
            if not file.exists():
                _make(root, file)
    return file


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    with (make_private(state_dir(root)) / "passphrase.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(root: Path, file: Path) -> None:
    # Kept before anything is encrypted with it, and named last: a run that was broken off is gone on with.
    unfinished = file.with_name("passphrase.unfinished")
    passphrase = read_text(unfinished).strip() or secrets.token_urlsafe(32)
    write_text(unfinished, f"{passphrase}\n")
    backend = state_dir(root) / "state"
    states = [
        found for place in _PLACES for found in (backend / ".pulumi").glob(place.format(DEV_STACK)) if found.is_file()
    ]
    if states:
        _require_no_update(f"file://{backend}", root)
    files = [each for each in (stack_file(root), stack_file(root / "examples/deployment")) if each.is_file()]
    _reencrypt([*states, *files], passphrase)
    for each in files:
        drop_strange_salt(each, passphrase)
    unfinished.replace(file)


def _require_no_update(backend: str, root: Path) -> None:
    update = running_update(backend, DEV_STACK, project_name(root))
    if update and not has_dead_lock(backend, root, DEV_STACK):
        message = f"The development stack gets a passphrase of its own, and {update}: run this again when it has ended."
        raise SetupError(message)


def _reencrypt(files: list[Path], passphrase: str) -> None:
    # What is encrypted is ASCII; all other bytes stay what they are.
    texts = [file.read_bytes().decode("latin-1") for file in files]
    for file, old, new in zip(files, texts, reencrypted(texts, PUBLISHED, passphrase), strict=True):
        if new != old:
            unfinished = file.with_name(f".{file.name}.unfinished")
            unfinished.write_bytes(new.encode("latin-1"))
            unfinished.chmod(file.stat().st_mode)
            unfinished.replace(file)
