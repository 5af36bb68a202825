"""Canaries: secrets that are found wherever they should not be, in each form that they may take on their way."""

import base64
import gzip
import io
import tarfile
import urllib.parse
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path


def forms_of(secret: str) -> Iterator[bytes]:
    """A secret as it is, in JSON, in an address, and as base64 at each of the three places of a longer text."""
    yield secret.encode()
    # Go writes it so; a secret in a document in JSON in a document is escaped twice.
    escaped = secret.replace("&", "\\u0026")
    yield escaped.encode()
    yield escaped.replace("\\", "\\\\").encode()
    yield urllib.parse.quote(secret, safe="").encode()
    for lead in range(3):
        whole = base64.b64encode(b"\0" * lead + secret.encode()).rstrip(b"=")
        # The first and last characters depend on what stands beside it.
        yield whole[4 if lead else 0 : -1 - (len(secret) + lead) % 3 or None]


class Search:
    """Looks for secrets in places, and counts them.

    Args:
        secrets: by the names that are told where one is found.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self.forms = {name: list(forms_of(secret)) for name, secret in secrets.items()}
        self.places = 0
        self.found: list[str] = []

    def look(self, place: str, content: str | bytes) -> None:
        """Search one place, and what is packed in it."""
        self.places += 1
        content = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        for text in _unpacked(content):
            self.found += [
                f"{name} in {place}" for name, forms in self.forms.items() if any(form in text for form in forms)
            ]

    def look_in(self, folder: Path, *but: Path) -> None:
        """Search every file of a folder, its name too, but for those that are there to hold a secret."""
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink() and file not in but:
                self.look(f"{folder.name}/{file.relative_to(folder)}", str(file).encode() + b"\n" + file.read_bytes())

    def __str__(self) -> str:
        return f"leaks: {len(self.forms)} canaries x {self.places} places, {len(self.found)} found"


def _unpacked(content: bytes) -> Iterator[bytes]:
    yield content
    if content.startswith(b"\x1f\x8b"):
        try:
            plain = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            return
        yield plain
        try:
            with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
                yield "\n".join(archive.getnames()).encode()
        except tarfile.TarError:
            return
