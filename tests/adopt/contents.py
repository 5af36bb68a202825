"""What an image is when it runs: its config, and its files with mode and owner; and how two of them differ."""

import io
import json
import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tests.engine.registry import Platform, Repository

_CONFIG = ("Entrypoint", "Cmd", "User", "Env", "ExposedPorts", "WorkingDir", "StopSignal", "Volumes", "Healthcheck")
_KINDS = {tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link", tarfile.REGTYPE: "file"}
_WHITEOUT = ".wh."
NOTHING = "nothing"


def only_platform(repository: Repository, reference: str) -> Platform:
    """The one platform of an image, be it pushed with an index or without."""
    manifest = json.loads(repository.manifest(reference))
    if "manifests" not in manifest:
        return Platform(repository, repository.digest_of(reference))
    (platform,) = repository.platforms(reference).values()
    return platform


@dataclass(frozen=True)
class Content:
    """An image's config, and its files by path: mode, owner, kind."""

    config: Mapping[str, Any]
    files: Mapping[str, str]

    @classmethod
    def of(cls, image: Platform) -> "Content":
        config = image.config["config"]
        return cls({name: config.get(name) or None for name in _CONFIG}, _files(image.layers()))


def _files(layers: Iterable[bytes]) -> dict[str, str]:
    """What the layers leave, the later ones over the earlier."""
    found: dict[str, str] = {}
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            for entry in archive:
                path = posixpath.normpath(entry.name)
                assert not posixpath.basename(path).startswith(_WHITEOUT), f"{path}: the test knows no whiteouts"
                kind = f"link to {entry.linkname}" if entry.issym() else _KINDS.get(entry.type, "other")
                # What a link's mode says means nothing.
                mode = "" if entry.issym() else f"{entry.mode:04o} "
                found[path] = f"{mode}{entry.uid}:{entry.gid} {kind}"
    return found


def differences(old: Content, new: Content) -> list[str]:
    """Each in a line of its own: what it is of, what it was, and what it is."""
    return [*_between("", old.config, new.config), *_between("/", old.files, new.files)]


def _between(prefix: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, NOTHING), new.get(name, NOTHING)
        if before != after:
            yield f"{prefix}{name}: {_shown(before)} → {_shown(after)}"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def explained(found: Sequence[str], purposes: Mapping[str, str]) -> dict[str, list[str]]:
    """The differences by the pattern that tells of them; those of "" are told of by none."""
    by_pattern: dict[str, list[str]] = {pattern: [] for pattern in ("", *purposes)}
    for line in found:
        by_pattern[next((pattern for pattern in purposes if fnmatchcase(line, pattern)), "")].append(line)
    return by_pattern
