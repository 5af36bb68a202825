"""What `carbide-infra doctor` cannot know: whether this machine has, or can build, what the kit consists of."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

from carbide_infra.errors import SetupError
from devenv.builder import docker_answers, require_builder
from devenv.prerequisites import find_program, require_go
from devenv.toolchain import DOCKER_BUILD, plugin_folder


class Finding(TypedDict):
    """One line of the doctor's, as `carbide-infra doctor --findings` reads it."""

    level: str
    subject: str
    told: str
    fix: str


def findings(missing: Sequence[str], pulumi_home: Path) -> Iterator[Finding]:
    """Look at the kit, building and starting nothing.

    Args:
        missing: the binaries that are not built yet.
        pulumi_home: where Pulumi has its plugin cache.
    """
    yield _go()
    yield _tar()
    yield _builder_possible()
    yield tools_finding(missing)
    yield plugin_finding(pulumi_home)


def tools_finding(missing: Sequence[str]) -> Finding:
    """Judge the tools, by the names of those that are missing."""
    if missing:
        told = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not built yet"
        return _fail("tools", told, "make tools; about ten minutes, once for all checkouts")
    return _ok("tools", "pulumi, its language host and provider, buildx and registry are there")


def plugin_finding(pulumi_home: Path) -> Finding:
    """Look for the provider in Pulumi's plugin cache."""
    folder = plugin_folder(pulumi_home)
    if (folder / DOCKER_BUILD.name).exists():
        return _ok("plugin", folder.name)
    told = f"{folder.name} is not in {folder.parent} yet"
    return {"level": "warn", "subject": "plugin", "told": told, "fix": "none needed: the next make target links it"}


def _go() -> Finding:
    try:
        return _ok("go", str(require_go()))
    except SetupError as error:
        return _fail("go", "builds the tools and reads the import graph", str(error))


def _tar() -> Finding:
    found = find_program("tar")
    return _ok("tar", str(found)) if found else _fail("tar", "is missing", "install it with your package manager")


def _builder_possible() -> Finding:
    try:
        require_builder()
    except SetupError as error:
        return _fail("builds", "nothing here can build images", str(error))
    return _ok("builds", "Docker answers" if docker_answers() else "root on Linux: an embedded BuildKit")


def _ok(subject: str, told: str) -> Finding:
    return {"level": "ok", "subject": subject, "told": told, "fix": ""}


def _fail(subject: str, told: str, fix: str) -> Finding:
    return {"level": "fail", "subject": subject, "told": told, "fix": fix}
