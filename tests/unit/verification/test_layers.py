"""Layers read to the last byte: images of the tests, with binaries that are their headers only."""

import gzip
import hashlib
import io
import ssl
import struct
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import Unreachable
from carbide_infra.registry.transport import Transport
from carbide_infra.verification.checks import Check, Promise, verify_image
from carbide_infra.verification.elf import Elf, NotElf, read_elf
from tests.support.registry_server import LAYER, FakeRegistry, Fault, digest_of
from tests.unit.verification.test_checks import CONFIG, IMAGE, LABELS, PLATFORMS, REPOSITORY, output

MACHINES = {"linux/amd64": 62, "linux/arm64": 183}
API = "app/api"
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
PLAIN = "application/vnd.oci.image.layer.v1.tar"


def elf(machine: int, *sections: str, loader: bool = False, is_wide: bool = True, order: str = "<") -> bytes:
    """A file of headers: one program header, and sections of these names."""
    names = ["", *sections, ".shstrtab"]
    texts = b"".join(name.encode() + b"\0" for name in names)
    word, program_size, section_size = ("Q", 56, 64) if is_wide else ("I", 32, 40)
    start = 64 if is_wide else 52
    table = start + program_size + len(texts)
    head = b"\x7fELF" + bytes([2 if is_wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    sizes = (start, program_size, 1, section_size, len(names), len(names) - 1)
    head += struct.pack(f"{order}HHI3{word}I6H", 2, machine, 1, 0, start, table, 0, *sizes)
    body = head + struct.pack(f"{order}I", 3 if loader else 1).ljust(program_size, b"\0") + texts
    for number, name in enumerate(names):
        is_last = number == len(names) - 1
        at = (start + program_size, len(texts)) if is_last else (0, 0)
        body += struct.pack(f"{order}II4{word}", texts.index(name.encode() + b"\0") if name else 0, 1, 0, 0, *at).ljust(
            section_size, b"\0"
        )
    return body


def archive(files: Mapping[str, bytes | None]) -> bytes:
    """A tar archive; a file without content is a link."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content or b"")
            entry.type = tarfile.REGTYPE if content is not None else tarfile.SYMTYPE
            tar.addfile(entry, io.BytesIO(content or b""))
    return made.getvalue()


class Images:
    """Images in a registry, whose layers are the same for both platforms but for the binary."""

    def __init__(self, registry: FakeRegistry, client: RegistryClient) -> None:
        self.registry = registry
        self.client = client

    def checks(self, digest: str) -> list[Check]:
        binaries = [{"path": f"/{API}", "package": "./api/cmd/api"}]
        promise = Promise(IMAGE, output(self.registry, digest, binaries=binaries), {"source": ""} | LABELS)
        return verify_image(promise, self.client, is_deep=True)

    def differences(self, digest: str) -> dict[str, str]:
        return {check.what: check.found for check in self.checks(digest) if not check.agrees}

    def push(self, *archives: Mapping[str, bytes | None], binary: Mapping[str, bytes] | None = None) -> str:
        """Layers, the last of which has the binary of each platform."""
        binary = binary or {platform: elf(machine, ".text") for platform, machine in MACHINES.items()}
        by_platform = {p: [*map(archive, archives), archive({API: binary[p]})] for p in PLATFORMS}
        return self.push_layers(by_platform)

    def push_layers(
        self, layers: Mapping[str, Sequence[bytes]], diff_ids: Sequence[str] | None = None, layer_type: str = LAYER
    ) -> str:
        configs: dict[str, Any] = {
            platform: {
                "config": CONFIG,
                "rootfs": {"diff_ids": [digest_of(each) for each in contents] if diff_ids is None else diff_ids},
            }
            for platform, contents in layers.items()
        }
        packed = {p: [gzip.compress(each, mtime=0) for each in contents] for p, contents in layers.items()}
        content = layers if layer_type == PLAIN else packed
        return self.registry.put_image(REPOSITORY, configs, "1.4.0-key", "1.4.0", layers=content, layer_type=layer_type)


@pytest.fixture
def images(registry: FakeRegistry, tls: tuple[ssl.SSLContext, Path]) -> Images:
    transport = Transport({"SSL_CERT_FILE": str(tls[1])}, pause=lambda _: None)
    return Images(registry, RegistryClient(registry.server, None, transport))


def test_all_that_is_read(images: Images) -> None:
    digest = images.push({"etc/passwd": b"x"})
    checks = [check for check in images.checks(digest) if check.what.startswith("linux/arm64")][-6:]
    assert images.differences(digest) == {}
    assert [check.what.removeprefix("linux/arm64 ") for check in checks] == [
        "contents of layers",
        "layer 1 of 2, its bytes",
        "layer 1 of 2, unpacked",
        "layer 2 of 2, its bytes",
        "layer 2 of 2, unpacked",
        "binary /app/api",
    ]
    assert checks[-1].found == "for arm64, static, without debug sections"


def test_a_layer_is_read_to_its_last_byte(images: Images) -> None:
    """Row 8: the registry says that the layer is there, and it is not what was pushed."""
    digest = images.push()
    layer = gzip.compress(archive({API: elf(62, ".text")}), mtime=0)
    images.registry.blobs[digest_of(layer)] = changed = layer[:-1] + b"x"
    told = images.differences(digest)
    assert told["linux/amd64 layer 1 of 1, its bytes"] == digest_of(changed)
    assert told["linux/amd64 binary /app/api"] == "not there"
    assert not any(what.startswith("linux/arm64") for what in told)


def test_a_layer_that_is_not_there(images: Images) -> None:
    digest = images.push()
    del images.registry.blobs[digest_of(gzip.compress(archive({API: elf(62, ".text")}), mtime=0))]
    assert images.differences(digest)["linux/amd64 layer 1 of 1, its bytes"] == "not there"


def test_a_layer_without_end_is_not_read_for_ever(images: Images) -> None:
    digest = images.push()
    layer = digest_of(gzip.compress(archive({API: elf(62, ".text")}), mtime=0))
    images.registry.blobs[layer] += bytes(1 << 21)
    assert "is larger than" in images.differences(digest)["linux/amd64 layer 1 of 1, its bytes"]


def test_a_layer_that_breaks_off_is_read_again_from_its_start(images: Images) -> None:
    digest = images.push()
    layer = gzip.compress(archive({API: elf(62, ".text")}), mtime=0)
    path = f"/v2/{REPOSITORY}/blobs/{digest_of(layer)}"
    images.registry.faults[path] = Fault(200, 1, body=layer[:100], length=len(layer), method="GET")
    assert images.differences(digest) == {}
    images.registry.faults[path] = Fault(200, 9, body=layer[:100], length=len(layer), method="GET")
    with pytest.raises(Unreachable):
        images.checks(digest)


@pytest.mark.parametrize(
    ("binary", "found"),
    [
        (elf(62, ".text"), "for amd64, static, without debug sections"),
        (elf(183, ".text", loader=True), "for arm64, wants a loader, without debug sections"),
        (elf(183, ".text", ".debug_info"), "for arm64, static, with .debug_info"),
        (elf(183, ".zdebug_line", ".symtab"), "for arm64, static, with .symtab, .zdebug_line"),
        (elf(1234, ".text"), "for machine 1234, static, without debug sections"),
        (b"#!/bin/sh\n", "no ELF file"),
        (b"\x7fELF", "a broken ELF file (index out of range)"),
    ],
)
def test_what_a_binary_is(images: Images, binary: bytes, found: str) -> None:
    """Row 8: a config may claim a platform that the binary is not for."""
    good = elf(62, ".text")
    digest = images.push(binary={"linux/amd64": good, "linux/arm64": binary})
    assert images.differences(digest) == {"linux/arm64 binary /app/api": found}


@pytest.mark.parametrize(
    "upper",
    [
        *({"app/.wh.api": b""}, {".wh.app": b""}, {"app": None}),
        *({"app/.wh..wh..opq": b""}, {".wh..wh..opq": b""}, {"app/api/.wh..wh..opq": b""}),
    ],
)
def test_a_higher_layer_may_remove_a_binary(images: Images, upper: Mapping[str, bytes | None]) -> None:
    layers = {p: [archive({API: elf(m, ".text")}), archive(upper)] for p, m in MACHINES.items()}
    told = images.differences(images.push_layers(layers))
    assert told == {f"{platform} binary /app/api": "not there" for platform in PLATFORMS}


@pytest.mark.parametrize(
    "upper",
    [
        {"app/.wh.other": b""},
        {"app/.wh.X": b""},
        {"app/api/x/.wh.y": b""},
        {"lib/.wh..wh..opq": b""},
        {"ap": None},
    ],
)
def test_a_higher_layer_may_remove_something_else(images: Images, upper: Mapping[str, bytes | None]) -> None:
    layers = {p: [archive({API: elf(m, ".text")}), archive(upper)] for p, m in MACHINES.items()}
    assert images.differences(images.push_layers(layers)) == {}


def test_a_higher_layer_s_binary_counts(images: Images) -> None:
    assert images.differences(images.push({API: elf(3, ".debug_info")})) == {}
    layers = {p: [archive({API: elf(m, ".text")}), archive({API: None})] for p, m in MACHINES.items()}
    told = images.differences(images.push_layers(layers))
    assert set(told.values()) == {"not a regular file"}


def test_what_a_config_says_of_its_layers_holds(images: Images) -> None:
    layers = {p: [archive({API: elf(m, ".text")})] for p, m in MACHINES.items()}
    wrong = digest_of(b"other")
    told = images.differences(images.push_layers(layers, [wrong]))
    assert told == {f"{p} layer 1 of 1, unpacked": digest_of(layers[p][0]) for p in PLATFORMS}
    fewer = images.differences(images.push_layers(layers, []))
    assert fewer["linux/amd64 contents of layers"] == "0"


def test_other_compressions(images: Images) -> None:
    layers = {p: [archive({API: elf(m, ".text")})] for p, m in MACHINES.items()}
    assert images.differences(images.push_layers(layers, layer_type=PLAIN)) == {}
    told = images.differences(images.push_layers(layers, layer_type=ZSTD))
    assert told == {f"{p} binary /app/api": "not there; 1 layers were not unpacked" for p in PLATFORMS}


def test_a_layer_that_is_no_archive(images: Images) -> None:
    told = images.differences(images.push_layers({platform: [b"text"] for platform in PLATFORMS}))
    assert "cannot be unpacked" in told["linux/amd64 layer 1 of 1, unpacked"]


# ---- ELF files.


@pytest.mark.parametrize(
    ("architecture", "machine", "is_wide", "order"),
    [
        *(("386", 3, False, "<"), ("arm", 40, False, "<"), ("s390x", 22, True, ">"), ("ppc64le", 21, True, "<")),
        *(("loong64", 258, True, "<"), ("mips64le", 8, True, "<"), ("riscv64", 243, True, "<")),
    ],
)
def test_machines_with_words_and_orders_of_their_own(
    architecture: str,
    machine: int,
    is_wide: bool,  # noqa: FBT001 - a parameter of the test
    order: str,
) -> None:
    made = elf(machine, ".text", ".debug_line", is_wide=is_wide, order=order)
    assert read_elf(io.BytesIO(made)) == Elf(architecture, True, (".debug_line",))  # noqa: FBT003
    other = elf(machine, is_wide=not is_wide, order=order)
    assert read_elf(io.BytesIO(other)).architecture == f"machine {machine}"


@pytest.mark.parametrize("length", range(4, 290, 7))
def test_a_file_that_was_cut_off_is_no_traceback(length: int) -> None:
    with pytest.raises(NotElf, match="a broken ELF file"):
        read_elf(io.BytesIO(elf(62, ".text")[:length]))


def test_any_bytes_after_the_magic_are_an_answer() -> None:
    for seed in range(300):
        noise = b"".join(hashlib.sha256(f"{seed} {block}".encode()).digest() for block in range(8))
        try:
            read_elf(io.BytesIO(b"\x7fELF" + bytes([1 + seed % 2, 1 + seed // 2 % 2]) + noise))
        except NotElf:
            continue


# Where a wide file's header says how many program headers and sections there are.
PROGRAMS, SECTIONS = 56, 60


def changed(body: bytes, at: int, layout: str, number: int) -> bytes:
    made = bytearray(body)
    struct.pack_into(f"<{layout}", made, at, number)
    return bytes(made)


@pytest.mark.parametrize(("count", "told"), [(10_001, "10001 headers"), (10_000, "unpack_from requires")])
def test_a_count_of_headers_beyond_all_measure_is_not_believed(count: int, told: str) -> None:
    for place in (PROGRAMS, SECTIONS):
        with pytest.raises(NotElf, match=told):
            read_elf(io.BytesIO(changed(elf(62, ".text"), place, "H", count)))


def test_a_file_may_have_no_sections() -> None:
    made = changed(elf(62, ".debug_line"), SECTIONS, "H", 0)
    assert read_elf(io.BytesIO(made)) == Elf("amd64", True, ())  # noqa: FBT003


def test_a_section_may_have_any_name() -> None:
    made = elf(62, ".odd", ".symtab").replace(b".odd", b".\xff\xfe!")
    assert read_elf(io.BytesIO(made)).debug_sections == (".symtab",)


class Noted(io.BytesIO):
    """A file that knows how much was asked of it at once."""

    most = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size >= 0, "all of it, whatever its size"
        self.most = max(self.most, size)
        return super().read(size)


def test_a_binary_is_not_read_as_a_whole() -> None:
    body = elf(62, ".text")
    names = len(body) - 64 + 32  # the size of the last section, which has the names
    file = Noted(changed(body, names, "Q", 1 << 40))
    assert read_elf(file).architecture == "amd64"
    assert file.most == 1 << 20
