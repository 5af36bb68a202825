"""Images for the machine's Docker that need no registry: programs of this machine, and what they load."""

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from devenv.prerequisites import ensure_debian_packages
from devenv.toolchain import Tools
from tests.docker.machine import Machine

BUILDKIT = "moby/buildkit:buildx-stable-1"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def import_buildkit(machine: Machine, tools: Tools) -> None:
    """Make what buildx's docker-container driver tries to pull, before it takes the one that is there."""
    assert tools.buildkitd is not None
    assert tools.buildctl is not None
    runc = ensure_debian_packages({"runc": "runc"})["runc"]
    import_programs(machine, BUILDKIT, [tools.buildkitd, tools.buildctl, runc], "buildkitd", [_CERTIFICATES])


def import_programs(
    machine: Machine, name: str, programs: Iterable[Path], entrypoint: str, files: Iterable[Path] = ()
) -> None:
    """Make an image of programs and further files."""
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        with tarfile.open(fileobj=archive, mode="w") as content:
            for program in programs:
                content.add(program.resolve(), f"usr/bin/{program.name}")
                for library in _libraries(program):
                    content.add(library.resolve(), str(library))
            for file in files:
                content.add(file.resolve(), str(file))
            temporary = tarfile.TarInfo("tmp")
            temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
            content.addfile(temporary, io.BytesIO())
        archive.flush()
        machine.docker("import", "--change", f'ENTRYPOINT ["{entrypoint}"]', archive.name, name)


def _libraries(program: Path) -> Iterator[Path]:
    """The shared libraries of a program, and its loader, under the names that it looks for."""
    listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    for line in listing.splitlines():
        yield from (Path(word) for word in line.split() if word.startswith("/"))
