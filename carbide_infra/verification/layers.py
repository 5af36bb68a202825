"""Layers, read to their last byte: that they are what their digests say, and what the binaries in them are."""

import gzip
import hashlib
import posixpath
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, cast

from carbide_infra.outputs import ImageOutput
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import Corrupt, NotFound
from carbide_infra.registry.images import Layer, PlatformImage
from carbide_infra.verification.elf import Elf, NotElf, read_elf

ABSENT = "not there"
_CHUNK = 1 << 20
# As a union filesystem writes that a lower layer's file, or a folder's whole content, is gone.
_GONE, _EMPTIED = ".wh.", ".wh..wh..opq"
_WELL = "static, without debug sections"


@dataclass(frozen=True)
class Found:
    """One thing that was looked at, and what it should be."""

    what: str
    expected: str
    found: str


@dataclass
class _Files:
    """The binaries that are wanted, as the layers so far leave them: each an Elf, or why it is none."""

    wanted: frozenset[str]
    seen: dict[str, Elf | str] = field(default_factory=dict)

    def take(self, entry: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        path = posixpath.normpath(f"/{entry.name}")
        folder, name = posixpath.split(path)
        if name == _EMPTIED:
            self._remove(folder)
        elif name.startswith(_GONE):
            self._remove(posixpath.join(folder, name.removeprefix(_GONE)))
        elif path in self.wanted:
            self.seen[path] = _elf(content) if content else "not a regular file"
        elif not entry.isdir():
            self._remove(path)

    def _remove(self, path: str) -> None:
        for name in list(self.seen):
            if name == path or name.startswith(f"{path.rstrip('/')}/"):
                del self.seen[name]


class _Hashing:
    """A file that remembers the digest of what was read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self._hash.update(content)
        return content

    @property
    def digest(self) -> str:
        """Of all: what is left is read first."""
        while self.read(_CHUNK):
            pass
        return f"sha256:{self._hash.hexdigest()}"


def read_layers(
    platform: str, image: PlatformImage, promised: ImageOutput, repository: str, client: RegistryClient
) -> Iterator[Found]:
    """Read every layer of one platform, and look at the binaries that the image is for.

    Raises:
        RegistryError: the registry gives no answer.
    """
    contents = list((image.config.get("rootfs") or {}).get("diff_ids") or ())
    yield Found("contents of layers", str(len(image.layers)), str(len(contents)))
    files = _Files(frozenset(posixpath.normpath(binary.path) for binary in promised.binaries))
    unread = 0
    for number, (layer, content) in enumerate(zip(image.layers, contents, strict=False), start=1):
        what = f"layer {number} of {len(image.layers)}"
        with tempfile.TemporaryFile(prefix="carbide-layer-") as file:
            digest = _downloaded(layer, repository, client, file)
            yield Found(f"{what}, its bytes", layer.digest, digest)
            if digest != layer.digest:
                continue
            if layer.media_type.endswith("zstd"):
                unread += 1  # Python reads it from 3.14 on; its bytes are what the digest says
                continue
            yield Found(f"{what}, unpacked", str(content), _unpacked(layer, file, files))
    for binary in promised.binaries:
        yield _binary(platform, binary.path, files.seen, unread)


def _downloaded(layer: Layer, repository: str, client: RegistryClient, file: BinaryIO) -> str:
    try:
        client.download(repository, layer.digest, layer.size, file)
    except NotFound:
        return ABSENT
    except Corrupt as error:
        return str(error)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    return f"sha256:{digest}"


def _unpacked(layer: Layer, file: BinaryIO, files: _Files) -> str:
    """The digest of the layer's tar archive; on the way, the binaries in it are looked at."""
    plain = _Hashing(cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if layer.media_type.endswith("gzip") else file)
    try:
        with tarfile.open(fileobj=cast("Any", plain), mode="r|") as archive:
            for entry in archive:
                files.take(entry, archive.extractfile(entry) if entry.isreg() else None)
        digest = plain.digest
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        return f"cannot be unpacked ({error})"
    return digest


def _elf(content: IO[bytes]) -> Elf | str:
    with tempfile.TemporaryFile(prefix="carbide-binary-") as file:
        shutil.copyfileobj(content, file)
        file.seek(0)
        try:
            return read_elf(cast("BinaryIO", file))
        except NotElf as error:
            return str(error)


def _binary(platform: str, path: str, seen: Mapping[str, Elf | str], unread: int) -> Found:
    expected = f"for {platform.split('/')[1]}, {_WELL}"
    found = seen.get(posixpath.normpath(path), f"{ABSENT}; {unread} layers were not unpacked" if unread else ABSENT)
    return Found(f"binary {path}", expected, found if isinstance(found, str) else _said(found))


def _said(elf: Elf) -> str:
    linked = "static" if elf.is_static else "wants a loader"
    debugging = f"with {', '.join(elf.debug_sections)}" if elf.debug_sections else "without debug sections"
    return f"for {elf.architecture}, {linked}, {debugging}"
