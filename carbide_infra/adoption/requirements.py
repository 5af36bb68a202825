"""Locks the packages of a project: versions and hashes, of what pip finds."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from carbide_infra.errors import CommandError
from carbide_infra.workflows import DISTRIBUTION

_SECONDS = 300
# What stands in a requirements file as itself: pip ends at a blank, and fills in ${NAME}.
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%~+=&?-]+")


def locked(find_links: Sequence[str], top: Path, project: Path) -> str:
    """A requirements file with hashes, of this version of the package.

    Args:
        find_links: folders or pages that pip looks at beside its index; the file names those that others have, too.
        top: folder of the repository.
        project: folder that the file is for.

    Raises:
        CommandError: it cannot be had.
    """
    shared = (shared_place(place, top, project) for place in find_links)
    return "".join(f"--find-links {place}\n" for place in shared if place) + _locked(find_links)


def shared_place(place: str, top: Path, project: Path) -> str | None:
    """How a requirements file names a place, from where pip reads it; None for one that others have not got.

    Those are folders outside of the repository, and addresses with a login, which is nobody else's.
    """
    if "://" in place:
        return place if _PLAIN.fullmatch(place) and "@" not in urlsplit(place).netloc else None
    folder = Path(absolute_place(place)).resolve()
    name = os.path.relpath(folder, project.resolve())
    return name if folder.is_relative_to(top.resolve()) and _PLAIN.fullmatch(name) else None


def absolute_place(place: str) -> str:
    """A place as it is named from any folder."""
    return place if "://" in place else str(Path(place).expanduser().absolute())


def _locked(find_links: Sequence[str]) -> str:
    wanted = f"carbide-infra[build]=={_own_version()}"
    links = [word for place in find_links for word in ("--find-links", absolute_place(place))]
    uv = _uv()
    if uv is not None:
        options = ("--universal", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header")
        return _answer([uv, "pip", "compile", "--quiet", "--no-config", *options, *links, "-"], wanted)
    report = _answer(
        [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--only-binary", ":all:",
         "--report", "-", *links, wanted],
        wanted,
    )  # fmt: skip
    return "".join(_lines(json.loads(report)))


def _own_version() -> str:
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError as error:
        msg = f"requirements.txt is not written, for {DISTRIBUTION} is not installed here; install it with pip"
        raise CommandError(msg) from error


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def _answer(command: Sequence[str], wanted: str) -> str:
    try:
        done = subprocess.run(
            command, input=wanted, capture_output=True, text=True, check=False, timeout=_SECONDS,
            env={**os.environ, "NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(_not_had(wanted, str(error))) from error
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no message"]
        raise CommandError(_not_had(wanted, words[-1].strip(" ╰─▶").removeprefix("cause: ")))
    return done.stdout


def _not_had(wanted: str, why: str) -> str:
    return (
        f"requirements.txt is not written, for {wanted} cannot be had here ({why}); "
        "run `make wheels` in a checkout of carbide-infra, and this again with --find-links CHECKOUT/dist"
    )


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    for item in sorted(report["install"], key=lambda item: str(item["metadata"]["name"]).lower()):
        digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
        yield f"{item['metadata']['name']}=={item['metadata']['version']} \\\n    --hash=sha256:{digest}\n"
