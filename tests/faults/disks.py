"""A file system of its own for a folder, with ballast that fills it until somebody makes room."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.debian_packages import CannotRunError


@contextmanager
def nearly_full(folder: Path, *, size: int, room: int) -> Iterator[Callable[[], None]]:
    """Mount a file system on a folder that nobody works in, with what it holds; gives what makes room.

    What is there in the end stays there.

    Args:
        folder: the folder.
        size: of the file system, in megabytes.
        room: how many of them are free until there is more.

    Raises:
        CannotRunError: nothing can be mounted here.
    """
    image, aside = (folder.with_name(f"{folder.name}.{name}") for name in ("image", "aside"))
    _run("truncate", "--size", f"{size}M", image)
    _run("mkfs.ext4", "-q", "-m", "0", image)
    folder.rename(aside)
    folder.mkdir(mode=0o700)
    try:
        _mount(image, folder)
        try:
            (folder / "lost+found").rmdir()
            _copy(aside, folder)
            ballast = folder / "ballast"
            _run("fallocate", "--length", str(shutil.disk_usage(folder).free - room * 10**6), ballast)
            yield ballast.unlink
            ballast.unlink(missing_ok=True)
            shutil.rmtree(aside)
            _copy(folder, aside)
        finally:
            # Even with somebody at work in it, so that a test that fails says why.
            _run("umount", "--lazy", folder)
    finally:
        folder.rmdir()
        aside.rename(folder)
        image.unlink()


def _mount(image: Path, folder: Path) -> None:
    try:
        _run("mount", "-o", "loop", image, folder)
    except subprocess.CalledProcessError as error:
        message = f"no file system can be mounted: {error.stderr.strip()}"
        raise CannotRunError(message) from error


def _copy(source: Path, target: Path) -> None:
    # A builder's folder has devices, which shutil does not copy.
    _run("cp", "--archive", f"{source}/.", target)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
