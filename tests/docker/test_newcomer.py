"""docs/newcomer.md word for word: as root without Docker, and as a user who is not root and has it."""

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from carbide_infra.paths import project_root
from devenv.toolchain import ensure_tools
from tests.docker.hub import docker_hub
from tests.docker.images import import_buildkit
from tests.docker.machine import Machine
from tests.docker.people import Person, newcomer, root
from tests.engine.conftest import copy_project

pytestmark = pytest.mark.slow
PAGE = project_root() / "docs/newcomer.md"
HEADING, REPOSITORY = "\n## With Docker, and not root\n", "<this repository>"


@dataclass(frozen=True)
class Way:
    """What somebody has seen who typed each line of the page."""

    person: Person
    seconds: dict[str, float] = field(default_factory=dict)
    digests: list[dict[str, str]] = field(default_factory=list)
    printed: dict[str, str] = field(default_factory=dict)


def lines_of_the_page() -> list[str]:
    """What the page tells to type to who has Docker and is not root."""
    section = PAGE.read_text(encoding="utf-8").partition(HEADING)[2]
    return section.partition("```bash\n")[2].partition("```")[0].splitlines()


def walk(person: Person, repository: Path) -> Way:
    way = Way(person)
    for number, line in enumerate(lines_of_the_page(), 1):
        begin = time.monotonic()
        done = person.types(line.replace(REPOSITORY, str(repository)))
        way.seconds[f"{number}. {line}"] = time.monotonic() - begin
        way.printed[f"{number}. {line}"] = done.stdout + done.stderr
        if line == "make up":
            images = json.loads(person.types("make -s images").stdout)
            way.digests.append({name: image["digest"] for name, image in images.items()})
    return way


@pytest.fixture(scope="module")
def hub(machine_with_docker: Machine) -> str:
    tools = ensure_tools(print, embedded=True)
    import_buildkit(machine_with_docker, tools)
    return docker_hub(machine_with_docker)


@pytest.fixture(scope="module")
def repository(machine_with_docker: Machine) -> Path:
    """A repository that everybody may clone."""
    folder = machine_with_docker.folder / "repository"
    folder.mkdir()
    copy_project(folder)
    bare = folder.with_suffix(".git")
    subprocess.run(["git", "clone", "--quiet", "--bare", folder, bare], check=True)
    # git refuses what somebody else owns, but for a bundle.
    bundle = folder.with_suffix(".bundle")
    subprocess.run(["git", "-C", bare, "bundle", "create", "--quiet", bundle, "HEAD", "main"], check=True)
    bundle.chmod(0o644)
    return bundle


@pytest.fixture(scope="module")
def ways(machine_with_docker: Machine, hub: str, repository: Path) -> tuple[Way, Way]:
    """Of root on the bare machine, and of the user who has Docker; one after the other."""
    bare = walk(root(machine_with_docker, "bare", {"CARBIDE_DOCKERHUB_MIRROR": hub}), repository)
    usual = walk(newcomer(machine_with_docker, hub), repository)
    for line, seconds in usual.seconds.items():
        beside = bare.seconds[line]
        print(f"\n{line}: {seconds:.1f} s, {seconds / beside:.2f} of {beside:.1f} s without Docker", end="")  # noqa: T201
    return bare, usual


def test_both_builders_give_the_same_digests(ways: tuple[Way, Way]) -> None:
    bare, usual = ways
    assert len(bare.digests[0]) == 7
    assert usual.digests == bare.digests
    moved = {name for name, digest in bare.digests[0].items() if bare.digests[1][name] != digest}
    assert moved == {"carbide-rest-api", "carbide-rest-ipam"}


def test_the_images_were_built_in_docker_for_one_and_without_it_for_the_other(ways: tuple[Way, Way]) -> None:
    bare, usual = (way.printed["2. make up"] for way in ways)
    assert "BuildKit runs" in bare
    assert "BuildKit runs" not in usual


def test_everybody_can_verify(ways: tuple[Way, Way]) -> None:
    for way in ways:
        assert "all agree" in way.printed["7. make verify"]


def test_make_down_leaves_neither_a_container_nor_a_registry(
    ways: tuple[Way, Way], machine_with_docker: Machine
) -> None:
    usual = ways[1].person
    assert machine_with_docker.docker("ps", "--all", "--quiet") == ""
    processes = usual.types("ps -u $USER -o comm=").stdout.split()
    assert set(processes) <= {"bash", "ps"}
