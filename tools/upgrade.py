"""Move the engine's pins together: `python -m tools.upgrade [pulumi=3.260.0] [provider=…] [buildx=…] [buildkit=…]`.

A part without a version moves to its newest. Everything is tried in a copy of the pins: either all files are renewed
or none is. Pulumi's language host stays as it is, see docs/maintaining.md.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from carbide_infra.errors import UserError
from carbide_infra.paths import project_root
from carbide_infra.registry.errors import RegistryError
from carbide_infra.registry.reference import DOCKER_HUB
from carbide_infra.registry.registries import Registries
from devenv.toolchain import BUILDCTL, BUILDKITD, BUILDX, DOCKER_BUILD, PULUMI, Binary, locked_version
from tools import lock

ACTION = Path(".github/actions/setup/action.yml")
PINS = ("tools", "pyproject.toml", "consumer", lock.ALL, lock.RUNTIME, str(ACTION))
"""What is copied, and copied back."""

Run = Callable[[Sequence[str], Path], str]


class UpgradeError(UserError):
    """The pins stay as they are; the message says why."""


@dataclass(frozen=True)
class Part:
    """One program of the engine, and where its version is repeated.

    Attributes:
        binaries: what is built from its Go module.
        modules: what moves in its go.mod, by folder in tools/.
        texts: places outside of go.mod: file, and a pattern whose group is the version.
    """

    binaries: tuple[Binary, ...]
    modules: Mapping[str, tuple[str, ...]]
    texts: tuple[tuple[Path, str], ...]


_PULUMI = "github.com/pulumi/pulumi"
_SDK = (f"{_PULUMI}/pkg/v3", f"{_PULUMI}/sdk/v3")
PARTS: Mapping[str, Part] = {
    "pulumi": Part(
        (PULUMI,),
        {"pulumi": _SDK, "builder": _SDK},
        ((Path("pyproject.toml"), r'"pulumi==([\d.]+)"'), (ACTION, r"pulumi-version: ([\d.]+)")),
    ),
    "provider": Part(
        (DOCKER_BUILD,),
        {"builder": (DOCKER_BUILD.module,)},
        (
            (Path("pyproject.toml"), r'"pulumi-docker-build==([\d.]+)"'),
            (ACTION, r"pulumi plugin install resource docker-build ([\d.]+)"),
        ),
    ),
    "buildx": Part((BUILDX,), {"builder": (BUILDX.module,)}, ((ACTION, r"\bversion: v([\d.]+)"),)),
    "buildkit": Part(
        (BUILDKITD, BUILDCTL), {"builder": (BUILDKITD.module,)}, ((ACTION, r"image=moby/buildkit:v([\d.]+)@"),)
    ),
}
_BUILDKIT_DIGEST = re.compile(r"(?<=image=moby/buildkit:)(v[\d.]+)@sha256:[0-9a-f]{64}")


def upgrade(project: Path, wanted: Mapping[str, str], run: Run, digest_of: Callable[[str], str]) -> list[str]:
    """Move all pins, and tell of each part what was done.

    Args:
        project: the checkout.
        wanted: versions by part; the newest where it has none.
        run: runs a command in a folder and gives what it prints; raises UpgradeError.
        digest_of: gives the digest of an image's tag; raises UpgradeError.

    Raises:
        UpgradeError: a version is not to be had; no file was changed.
    """
    before = {name: locked_version(part.binaries[0], project / "tools") for name, part in PARTS.items()}
    after = {name: wanted.get(name) or _newest(name, project, run) for name in PARTS}
    if after != before:
        with TemporaryDirectory() as folder:
            copy = Path(folder)
            _copied(project, copy)
            _move(copy, before, after, run)
            if after["buildkit"] != before["buildkit"]:
                _pin_image(copy / ACTION, digest_of)
            _copied(copy, project)
    return [_told(name, before[name], after[name]) for name in PARTS]


def _newest(name: str, project: Path, run: Run) -> str:
    binary = PARTS[name].binaries[0]
    command = ("go", "list", "-m", "-f", "{{.Version}}", f"{binary.module}@latest")
    try:
        return run(command, project / "tools" / binary.folder).strip().removeprefix("v")
    except UpgradeError as error:
        message = f"{error}\nWhich {name} is the newest is not known here; say which: make upgrade {name.upper()}=1.2.3"
        raise UpgradeError(message) from None


def _copied(source: Path, target: Path) -> None:
    for name in PINS:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, dirs_exist_ok=True)
        else:
            shutil.copy2(source / name, target / name)


def _move(copy: Path, before: Mapping[str, str], after: Mapping[str, str], run: Run) -> None:
    moved = [name for name in PARTS if after[name] != before[name]]
    for folder in sorted({folder for name in moved for folder in PARTS[name].modules}):
        run(("go", "get", *_wanted_of_go(folder, after)), copy / "tools" / folder)
    for name in moved:
        for file, pattern in PARTS[name].texts:
            _replace(copy / file, pattern, after[name])
    for command in lock.commands():
        run(command, copy)


def _wanted_of_go(folder: str, versions: Mapping[str, str]) -> Iterator[str]:
    """Modules, and the packages that are built, whose checksums go needs; what does not move is held where it is."""
    for name, part in PARTS.items():
        packages = [binary.package for binary in part.binaries if binary.folder == folder]
        yield from (f"{path}@v{versions[name]}" for path in (*part.modules.get(folder, ()), *packages))


def _replace(file: Path, pattern: str, version: str) -> None:
    text = file.read_text(encoding="utf-8")
    found = list(re.finditer(pattern, text))
    if len(found) != 1:
        message = f"{file.name} has {len(found)} places like {pattern}, where one was expected"
        raise UpgradeError(message)
    start, end = found[0].span(1)
    file.write_text(text[:start] + version + text[end:], encoding="utf-8")


def _pin_image(file: Path, digest_of: Callable[[str], str]) -> None:
    text = file.read_text(encoding="utf-8")

    def pinned(match: re.Match[str]) -> str:
        return f"{match[1]}@{digest_of(f'moby/buildkit:{match[1]}')}"

    file.write_text(_BUILDKIT_DIGEST.sub(pinned, text), encoding="utf-8")


def _told(name: str, before: str, after: str) -> str:
    return f"{name} {before}: stays" if before == after else f"{name} {before} → {after}"


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}"
        raise UpgradeError(message)
    return done.stdout


def _digest_of(image: str) -> str:
    repository, _, tag = image.partition(":")
    try:
        with Registries(os.environ) as registries:
            digest = registries.client(DOCKER_HUB).digest_of(repository, tag)
    except RegistryError as error:
        message = f"the digest of {image} cannot be looked up: {error}"
        raise UpgradeError(message) from error
    if digest is None:
        message = f"{image} is not on Docker Hub"
        raise UpgradeError(message)
    return digest


def _wanted(arguments: Sequence[str]) -> dict[str, str]:
    wanted = {}
    for argument in arguments:
        name, _, version = argument.partition("=")
        if name not in PARTS or not re.fullmatch(r"\d+\.\d+\.\d+", version):
            message = f"{argument!r}: write part=version, such as pulumi=3.260.0; parts are {', '.join(PARTS)}"
            raise UpgradeError(message)
        wanted[name] = version
    return wanted


def main(arguments: Sequence[str]) -> int:
    """Give the exit code."""
    try:
        told = upgrade(project_root(), _wanted(arguments), _run, _digest_of)
    except UserError as error:
        sys.stderr.write(f"error: {error}\nAll pins are as they were.\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in told)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
