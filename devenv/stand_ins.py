"""Stand-ins for Docker Hub's golang and alpine, made from the Go module proxy and Debian's archive."""

import fcntl
import hashlib
import io
import json
import platform
import re
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from carbide_infra.errors import SetupError
from carbide_infra.paths import cache_dir
from carbide_infra.processes import run
from carbide_infra.progress import Report
from carbide_infra.state_files import make_private
from devenv.debian import EPOCH, fetch_program, make_root, this_debian
from devenv.go_environment import contained_go
from devenv.prerequisites import require_go
from devenv.registration import Builder
from devenv.registry import Registry

# Raise it when the content of an archive changes in a way that its name does not show.
CONTENT_VERSION = "2"
DOCKERFILES = Path(__file__).parent / "docker"
TOOLCHAIN = "golang.org/toolchain"
_PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}
# "1.25", "1.25.4", "1.26rc1", each perhaps with the name of a distribution behind it; "latest", "alpine".
_GO_TAG = re.compile(r"(?P<version>\d+\.\d+(?:\.\d+)?(?:(?:rc|beta)\d+)?)(?:-[a-z].*)?")
_RELEASE = re.compile(r"\d+\.\d+(\.\d+)?")
_PROGRAM = 0o755
_FOLDERS = {
    **dict.fromkeys(
        ("bin", "dev", "etc", "etc/ssl", "etc/ssl/certs", "home", "lib", "mnt", "opt", "proc", "run"), 0o755
    ),
    **dict.fromkeys(("sbin", "srv", "sys", "usr", "usr/bin", "usr/lib", "usr/local", "usr/local/bin"), 0o755),
    **dict.fromkeys(("usr/sbin", "usr/share", "var", "var/log"), 0o755),
    **dict.fromkeys(("tmp", "var/tmp"), 0o1777),
    "root": 0o700,
}
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    "etc/group": "root:x:0:root\nnobody:x:65534:\n",
    "etc/shells": "/bin/sh\n",
    "etc/os-release": (
        'NAME="Carbide stand-in for alpine"\n'
        "ID=carbide-stand-in\n"
        'PRETTY_NAME="Carbide stand-in for alpine (BusyBox of Debian); not for production"\n'
    ),
}


@dataclass(frozen=True)
class StandInMaker:
    """What stand-ins are made with.

    Attributes:
        root: the checkout, which remembers the stand-ins that it has.
        builder: builds them.
        registry: holds them, where BuildKit looks for Docker Hub's images.
        report: where progress is told.
    """

    root: Path
    builder: Builder
    registry: Registry
    report: Report


def content_key(repository: str) -> str:
    """Hash what decides a stand-in's content, as far as this checkout knows it."""
    name = repository.rpartition("/")[2]
    dockerfile = (DOCKERFILES / f"Dockerfile.{name}").read_text(encoding="utf-8")
    return hashlib.sha256(f"{CONTENT_VERSION}\0{dockerfile}".encode()).hexdigest()[:12]


def is_go_tag(tag: str) -> bool:
    """Whether a tag of golang is one whose Go version can be told."""
    return bool(_GO_TAG.fullmatch(tag)) or not re.match(r"\d", tag)


def make_golang(maker: StandInMaker, tag: str) -> None:
    """Build and push golang:<tag> for this machine's own platform; raise SetupError for an unknown Go."""
    own = own_platform()
    version = find_go(tag, published_go(own), own)
    debian, name, cache = this_debian(), own.replace("/", "-"), _archive_dir()
    with ThreadPoolExecutor() as pool:
        root = pool.submit(
            _archive,
            cache / f"debian-{debian.codename}-{name}.tar",
            lambda file: make_root(debian, file, maker.report),
        )
        go = _archive(cache / f"golang-{version}-{name}.tar", lambda file: _write_go(version, own, file))
        arguments = {"DEBIAN_ARCHIVE": root.result().stem, "GO_ARCHIVE": go.stem, "GO_VERSION": version}
    difference = f"Go {version} on Debian {debian.codename} instead of golang"
    # It never leaves this machine: compressing it would take longer than all the rest.
    _build(maker, f"golang:{tag}", [own], arguments, difference, compression="uncompressed")


def make_alpine(maker: StandInMaker, tag: str, platforms: Sequence[str]) -> None:
    """Build and push alpine:<tag> for some platforms."""
    missing = [name for name in platforms if not _alpine_archive(name).exists()]
    if missing:
        _fetch_alpine(missing)
    _build(maker, f"alpine:{tag}", platforms, {}, "BusyBox of Debian instead of alpine", compression="gzip")


def own_platform() -> str:
    """Name the platform that build steps run on; inside Docker it is Linux on any machine."""
    machine = platform.machine()
    return f"linux/{_PROCESSORS.get(machine, machine)}"


def published_go(own: str) -> list[str]:
    """Ask the module proxy which versions of Go there are for a platform."""
    with TemporaryDirectory(prefix="carbide-go-") as folder:
        command = [str(require_go()), "list", "-m", "-versions", TOOLCHAIN]
        answer = run(
            command,
            contained_go(Path(folder)) | {"GOTOOLCHAIN": "local"},
            "Asking the Go module proxy (GOPROXY) for versions of Go",
            Path(folder),
        )
    ending = f".{own.replace('/', '-')}"
    modules = (word.removeprefix("v0.0.1-go") for word in answer.split()[1:])
    return [word.removesuffix(ending) for word in modules if word.endswith(ending)]


def find_go(tag: str, published: Sequence[str], own: str) -> str:
    """Find the version that a tag of the official image stands for; raise SetupError when there is none."""
    releases = sorted((version for version in published if _RELEASE.fullmatch(version)), key=_numbers)
    wanted = _GO_TAG.fullmatch(tag)
    if wanted is None:
        return releases[-1]
    version = wanted["version"]
    if version in published and (version.count(".") > 1 or not _RELEASE.fullmatch(version)):
        return version
    patches = [release for release in releases if release.startswith(f"{version}.")]
    if not patches:
        message = f"goVersion = {version!r}: no such Go is published for {own}; there are {_near(version, releases)}."
        raise SetupError(message)
    return patches[-1]


def _near(version: str, releases: Sequence[str]) -> str:
    minor = _numbers(version)[:2]
    siblings = [release for release in releases if _numbers(release)[:2] == minor][-3:]
    return ", ".join(siblings or releases[-3:])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _write_go(version: str, own: str, archive: Path) -> None:
    module = f"{TOOLCHAIN}@v0.0.1-go{version}.{own.replace('/', '-')}"
    with TemporaryDirectory(dir=archive.parent, prefix=".unfinished-") as folder:
        command = [str(require_go()), "mod", "download", "-json", module]
        answer = run(
            command, contained_go(Path(folder)) | {"GOTOOLCHAIN": "local"}, f"Downloading Go {version}", Path(folder)
        )
        with zipfile.ZipFile(json.loads(answer)["Zip"]) as modules, tarfile.open(archive, "w") as tar:
            for name in ("go", "go/bin", "go/src"):
                _add_folder(tar, name, 0o1777)
            _add_tree(tar, {name.removeprefix(f"{module}/"): modules.read(name) for name in modules.namelist()})


def _add_tree(tar: tarfile.TarFile, files: Mapping[str, bytes]) -> None:
    """Put Go where the official image has it; a folder that is not named would get the time of the build."""
    folders = {str(parent) for path in files for parent in PurePosixPath("usr/local/go", path).parents} - {"."}
    for folder in sorted(folders):
        _add_folder(tar, folder, 0o755)
    for path, content in sorted(files.items()):
        _add_file(tar, f"usr/local/go/{path}", content, _go_mode(path))


def _go_mode(path: str) -> int:
    # A module's archive knows no file modes.
    is_program = path.startswith(("bin/", "pkg/tool/")) or path.endswith((".bash", ".sh", ".pl"))
    return _PROGRAM if is_program else 0o644


def _fetch_alpine(platforms: Sequence[str]) -> None:
    debian = this_debian()
    own = own_platform()
    with TemporaryDirectory(dir=_archive_dir(), prefix=".unfinished-") as folder:
        unpacked = fetch_program(debian, "busybox-static", sorted({own, *platforms}), Path(folder))
        command = [str(unpacked[own] / "bin/busybox"), "--list-full"]
        applets = sorted(run(command, {}, "Asking BusyBox for its applets").split())
        for name in platforms:
            busybox = (unpacked[name] / "bin/busybox").read_bytes()
            _archive(_alpine_archive(name), partial(_write_alpine, busybox, applets))


def _alpine_archive(name: str) -> Path:
    return _archive_dir() / f"alpine-{name.removeprefix('linux/').replace('/', '')}.tar"


def _write_alpine(busybox: bytes, applets: Sequence[str], archive: Path) -> None:
    with tarfile.open(archive, "w") as tar:
        for name, mode in sorted(_FOLDERS.items()):
            _add_folder(tar, name, mode)
        for name, text in _FILES.items():
            _add_file(tar, name, text.encode(), 0o644)
        _add_file(tar, "bin/busybox", busybox, _PROGRAM)
        for applet in applets:
            if applet != "bin/busybox":
                link = _member(applet, 0o777)
                link.type, link.linkname = tarfile.SYMTYPE, "/bin/busybox"
                tar.addfile(link)


def _add_folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    folder = _member(name, mode)
    folder.type = tarfile.DIRTYPE
    tar.addfile(folder)


def _add_file(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    file = _member(name, mode)
    file.size = len(content)
    tar.addfile(file, io.BytesIO(content))


def _member(name: str, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.mtime = mode, EPOCH
    return member


def _archive(path: Path, write: Callable[[Path], None]) -> Path:
    """Make an archive that is not there yet, once for all who ask; a broken-off one never has its name."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            with TemporaryDirectory(dir=path.parent, prefix=".unfinished-") as folder:
                unfinished = Path(folder) / path.name
                write(unfinished)
                unfinished.replace(path)
    return path


def _archive_dir() -> Path:
    """Give the folder of archives, which all checkouts share."""
    return make_private(cache_dir() / "bases")


def _build(
    maker: StandInMaker,
    image: str,
    platforms: Sequence[str],
    arguments: dict[str, str],
    difference: str,
    *,
    compression: str,
) -> None:
    name = image.partition(":")[0]
    values = arguments | {"DIFFERENCE": difference, "SOURCE_DATE_EPOCH": str(EPOCH)}
    maker.builder.run(
        f"Building the stand-in for {image}",
        *("build", "--builder", maker.builder.name, "--progress", "plain"),
        *("--platform", ",".join(platforms), "--provenance=false", "--sbom=false"),
        *("--output", f"type=image,push=true,oci-mediatypes=true,compression={compression}"),
        *("--tag", f"{maker.registry.server}/library/{image}"),
        *(part for key, value in values.items() for part in ("--build-arg", f"{key}={value}")),
        *("--file", DOCKERFILES / f"Dockerfile.{name}", _archive_dir()),
    )
