"""What is known of images without asking anybody: what a digest holds, for ever, and what a tag gave last."""

import datetime as dt
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from carbide_infra.paths import cache_dir
from carbide_infra.registry.reference import Reference, is_digest
from carbide_infra.state_files import read_json, write_text

_GOLANG_VERSION = "golangVersion"
_UNANSWERED = "unanswered"


@dataclass(frozen=True)
class LastSeen:
    """What a tag gave when its registry was last asked.

    Attributes:
        day: such as 2026-11-26.
    """

    digest: str
    day: str


@dataclass(frozen=True)
class KnownImages:
    """A folder of small files, one for each tag and digest, which all checkouts of a user share.

    A file that cannot be read says nothing; one that cannot be written is done without.
    """

    folder: Path

    @classmethod
    def of_user(cls) -> Self:
        """What this user's checkouts know."""
        return cls(cache_dir() / "images")

    def last_seen(self, reference: Reference) -> LastSeen | None:
        """What a tag gave last; None where it was never asked for."""
        kept = read_json(self._of_tag(reference))
        digest, day = str(kept.get("digest")), str(kept.get("day"))
        return LastSeen(digest, day) if kept.get("reference") == str(reference) and is_digest(digest) else None

    def keep_digest(self, reference: Reference, digest: str) -> None:
        """Remember what a tag gives today."""
        today = _today()
        if self.last_seen(reference) != LastSeen(digest, today):
            self._write(self._of_tag(reference), {"reference": str(reference), "digest": digest, "day": today})

    def golang_version(self, digest: str) -> tuple[str | None] | None:
        """GOLANG_VERSION of an image, in a tuple that is not there before anybody has looked."""
        kept = read_json(self._of_digest(digest))
        if _GOLANG_VERSION not in kept:
            return (None,) if kept.get(_UNANSWERED) == _today() else None
        version = kept[_GOLANG_VERSION]
        return (version if isinstance(version, str) else None,)

    def keep_golang_version(self, digest: str, version: str | None) -> None:
        """Remember what an image has, or that it has none."""
        self._write(self._of_digest(digest), {_GOLANG_VERSION: version})

    def keep_unanswered(self, digest: str) -> None:
        """Remember for today that nobody tells: a preview offline need not wait for that each time."""
        self._write(self._of_digest(digest), {_UNANSWERED: _today()})

    def _of_tag(self, reference: Reference) -> Path:
        return self.folder / "tags" / f"{hashlib.sha256(str(reference).encode()).hexdigest()}.json"

    def _of_digest(self, digest: str) -> Path:
        return self.folder / "digests" / f"{digest.partition(':')[2]}.json"

    def _write(self, file: Path, value: dict[str, Any]) -> None:
        with suppress(OSError):
            # Names of private images are nobody else's business.
            write_text(file, json.dumps(value))


def _today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()
