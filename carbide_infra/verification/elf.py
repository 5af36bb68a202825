"""ELF: what a binary's headers tell of where it runs, and of what was left out of it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_MAGIC = b"\x7fELF"
_INTERPRETER = 3
# The first bytes of section names that hold what a debugger reads; compressed ones among them.
_DEBUGGING = (".debug_", ".zdebug_", ".symtab")
_MOST_SECTIONS = 10_000
_LONGEST_NAMES = 1 << 20
_LITTLE, _BIG = "little", "big"

# By Go's architecture: the machine's number, bits of a word, byte order.
_MACHINES = {
    "386": (3, 32, _LITTLE),
    "amd64": (62, 64, _LITTLE),
    "arm": (40, 32, _LITTLE),
    "arm64": (183, 64, _LITTLE),
    "loong64": (258, 64, _LITTLE),
    "mips64le": (8, 64, _LITTLE),
    "ppc64le": (21, 64, _LITTLE),
    "riscv64": (243, 64, _LITTLE),
    "s390x": (22, 64, _BIG),
}
_ARCHITECTURES = {machine: architecture for architecture, machine in _MACHINES.items()}


class NotElf(Exception):
    """It is no ELF file, or a broken one."""


@dataclass(frozen=True)
class Elf:
    """One binary.

    Attributes:
        architecture: in Go's words; the machine's number where it is none of Go's for Linux.
        is_static: whether it starts without a loader from the image.
        debug_sections: names of those that a debugger reads.
    """

    architecture: str
    is_static: bool
    debug_sections: tuple[str, ...]


@dataclass(frozen=True)
class _Headers:
    """Where the tables of a file are, and how numbers are written in it."""

    is_wide: bool
    order: str
    programs: tuple[int, int, int]
    sections: tuple[int, int, int]
    names: int

    def numbers(self, layout: str, body: bytes) -> tuple[int, ...]:
        """Numbers that a header begins with: `w` in the layout is a word, of 32 or 64 bits."""
        return struct.unpack_from(self.order + layout.replace("w", "Q" if self.is_wide else "I"), body)


def read_elf(file: BinaryIO) -> Elf:
    """Read the headers of a file that can be sought in.

    Raises:
        NotElf: it is none.
    """
    try:
        return _read(file)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        message = f"a broken ELF file ({error})"
        raise NotElf(message) from error


def _read(file: BinaryIO) -> Elf:
    start = file.read(64)
    if not start.startswith(_MAGIC):
        message = "no ELF file"
        raise NotElf(message)
    is_wide, is_big = start[4] == 2, start[5] == 2  # noqa: PLR2004 - as the format has them
    order = ">" if is_big else "<"
    (machine,) = struct.unpack_from(f"{order}H", start, 18)
    layout = "QQIHHHHHH" if is_wide else "IIIHHHHHH"
    at = struct.unpack_from(order + layout, start, 32 if is_wide else 28)
    headers = _Headers(is_wide, order, (at[0], at[4], at[5]), (at[1], at[6], at[7]), at[8])
    known = _ARCHITECTURES.get((machine, 64 if is_wide else 32, _BIG if is_big else _LITTLE))
    kinds = {headers.numbers("I", entry)[0] for entry in _table(file, headers.programs)}
    debugging = tuple(sorted(name for name in _section_names(file, headers) if name.startswith(_DEBUGGING)))
    return Elf(known or f"machine {machine}", _INTERPRETER not in kinds, debugging)


def _table(file: BinaryIO, place: tuple[int, int, int]) -> Iterator[bytes]:
    offset, size, count = place
    if count > _MOST_SECTIONS:
        message = f"{count} headers"
        raise ValueError(message)
    for number in range(count):
        file.seek(offset + number * size)
        yield file.read(size)


def _section_names(file: BinaryIO, headers: _Headers) -> Iterator[str]:
    entries = list(_table(file, headers.sections))
    if not entries:
        return
    _, _, _, _, offset, size = headers.numbers("IIwwww", entries[headers.names])
    file.seek(offset)
    texts = file.read(min(size, _LONGEST_NAMES))
    for entry in entries:
        (name,) = headers.numbers("I", entry)
        yield texts[name : texts.index(b"\0", name)].decode("latin-1")
