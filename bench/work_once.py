"""Cold builds of all images for both platforms, with and without the lock on the build cache, side by side.

Usage: make local-up && .venv/bin/python bench/work_once.py [source tree]

Prints wall and CPU seconds of the whole machine for each way, and their ratio to the lower limit:
one `go build` of everything for each platform, on the machine itself with an empty cache.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from carbide_infra.catalogue.model import Image
from carbide_infra.catalogue.template import render
from carbide_infra.images.build_secrets import build_secrets
from carbide_infra.paths import project_root
from carbide_infra.programs import find_buildx
from carbide_infra.settings import Settings, load_settings, selected_images
from devenv import ensure

ROOT = project_root()
PLATFORMS = ("linux/amd64", "linux/arm64")
# As the Dockerfiles compile.
NO_DEBUG = "-gcflags=all=-dwarf=false"


def main() -> None:
    """Measure each way once, in one run."""
    source = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "examples/carbide-rest-api").resolve()
    environment = ensure(report=print)
    settings = load_settings({"registryServer": "local", "registryRepository": "bench"}, os.environ)
    images = selected_images(settings, ROOT).images
    packages = [binary.package for image in images for binary in image.binaries]
    limit = _measured(lambda: _native(source, packages))
    print(f"{'way':10} {'wall s':>8} {'CPU s':>8} {'wall ratio':>11} {'CPU ratio':>10}")
    ways = {
        "limit": limit,
        "locked": _measured(lambda: _images(source, environment, settings, images, locked=True)),
        "unlocked": _measured(lambda: _images(source, environment, settings, images, locked=False)),
    }
    for way, (wall, cpu) in ways.items():
        print(f"{way:10} {wall:8.1f} {cpu:8.1f} {wall / limit[0]:11.2f} {cpu / limit[1]:10.2f}")


def _measured(work: Callable[[], None]) -> tuple[float, float]:
    wall, cpu = time.monotonic(), _busy_seconds()
    work()
    return time.monotonic() - wall, _busy_seconds() - cpu


def _busy_seconds() -> float:
    """CPU seconds of all processes on the machine since it was started."""
    user, nice, system = map(int, Path("/proc/stat").read_text().split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def _native(source: Path, packages: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for platform in PLATFORMS:
            target = dict(zip(("GOOS", "GOARCH"), platform.split("/"), strict=True))
            own = {"CGO_ENABLED": "0", "GOCACHE": f"{folder}/cache", "GOMODCACHE": f"{folder}/mod"}
            command = ["go", "build", "-modcacherw", "-trimpath", "-buildvcs=false", NO_DEBUG, "-ldflags", "-w -s"]
            out = Path(folder, target["GOARCH"])
            out.mkdir()
            subprocess.run([*command, "-o", out, *packages], cwd=source, env=os.environ | target | own, check=True)


def _images(
    source: Path, environment: Mapping[str, str], settings: Settings, images: Sequence[Image], *, locked: bool
) -> None:
    """Build as the program does: fourteen builds at once, no result and no package in any cache."""
    fresh = uuid.uuid4().hex[:8]
    buildx = find_buildx(environment)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        secrets = []
        for secret, text in build_secrets(settings, os.environ).items():
            (folder / secret).write_text(text)
            secrets += ["--secret", f"id={secret},src={folder / secret}"]
        builds = [
            subprocess.Popen(
                [buildx, "build", "--quiet", "--no-cache", "--platform", ",".join(PLATFORMS), *secrets,
                 "--file", _dockerfile(folder, image, fresh, locked=locked),
                 "--output", "type=cacheonly", source],
                env=environment,
                stdout=subprocess.DEVNULL,
            )
            for image in images
        ]  # fmt: skip
        failed = [build for build in builds if build.wait()]
        if failed:
            sys.exit("a build failed; see above")


def _dockerfile(folder: Path, image: Image, fresh: str, *, locked: bool) -> Path:
    text = render(image).replace("id=carbide-go-", f"id=bench-{fresh}-")
    file = folder / f"Dockerfile.{image.name}"
    file.write_text(text if locked else re.sub(r"^flock .*$", "", text, flags=re.MULTILINE))
    return file


if __name__ == "__main__":
    main()
