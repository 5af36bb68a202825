"""The wheel that a consumer installs: with its base dependencies alone, in an environment that has no builder."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from carbide_infra.cli.app import COMMANDS
from carbide_infra.paths import project_root
from tests.support.outputs import exported

BUILDER_MODULES = ("pulumi_docker_build", "pulumi_docker", "cryptography", "certifi")


def needed(requirements: Iterable[str], seen: set[str]) -> set[str]:
    """What pip would install for these requirements, without the extras that nobody asked for."""
    for requirement in map(Requirement, requirements):
        name = canonicalize_name(requirement.name)
        if name not in seen and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            seen.add(name)
            needed(metadata.requires(name) or (), seen)
    return seen


def top_level(distribution: str) -> set[Path]:
    """What the distribution has in site-packages: its packages, modules and metadata."""
    found = metadata.distribution(distribution)
    names = {file.parts[0] for file in found.files or () if file.parts[0] not in {"..", "__pycache__"}}
    return {Path(str(found.locate_file(name))) for name in names}


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Built from a copy: setuptools leaves its work beside the source.
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copy(project_root() / "pyproject.toml", source)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(project_root() / "carbide_infra", source / "carbide_infra", ignore=ignored)
    pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", out, source)
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment as after `pip install carbide-infra`."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    pip("--python", folder / "bin/python", "install", "--no-index", "--no-deps", wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    (own,) = metadata.distributions(path=[str(packages)])
    for entry in set().union(*map(top_level, needed(own.requires or (), set()))):
        (packages / entry.name).symlink_to(entry)
    return folder / "bin"


def run(
    environment: Path, *command: str, folder: Path, given: str = "", check: bool = True
) -> subprocess.CompletedProcess[str]:
    """A command of that environment, and nothing else on PATH."""
    program = environment / command[0]
    variables = {"PATH": str(environment), "HOME": os.environ["HOME"], "LANG": "C.UTF-8"}
    arguments = [str(program), *command[1:]]
    done = subprocess.run(
        arguments, cwd=folder, env=variables, input=given, capture_output=True, text=True, check=False
    )
    assert not (check and done.returncode), done.stderr
    return done


def test_the_wheel_has_what_consumers_read(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"carbide_infra/py.typed", "carbide_infra/outputs/schema.json"} <= set(names)


def test_the_environment_has_no_builder(environment: Path, tmp_path: Path) -> None:
    script = f"from importlib.util import find_spec; print([name for name in {BUILDER_MODULES!r} if find_spec(name)])"
    assert run(environment, "python", "-c", script, folder=tmp_path).stdout.strip() == "[]"


def test_images_are_printed_from_saved_outputs(environment: Path, tmp_path: Path) -> None:
    arguments = ("images", "--from", "-", "--json")
    done = run(environment, "carbide-infra", *arguments, folder=tmp_path, given=json.dumps(exported()))
    assert json.loads(done.stdout) == exported()


def test_a_program_can_import_the_image_set(environment: Path, tmp_path: Path) -> None:
    script = "from carbide_infra.outputs import ImageSet; print(ImageSet.from_stack.__name__)"
    assert run(environment, "python", "-c", script, folder=tmp_path).stdout.strip() == "from_stack"


def test_every_command_can_be_asked_for_help(environment: Path, tmp_path: Path) -> None:
    overview = run(environment, "carbide-infra", "--help", folder=tmp_path).stdout
    for command in COMMANDS:
        assert command in overview
        assert "Usage" in run(environment, "carbide-infra", command, "--help", folder=tmp_path).stdout


def test_a_stack_needs_the_pulumi_cli_and_says_so(environment: Path, tmp_path: Path) -> None:
    done = run(
        environment, "carbide-infra", "images", "--stack", "org/carbide-infra/prod", folder=tmp_path, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "error: pulumi: is not on PATH; install it from https://www.pulumi.com/docs/install\n"


def test_what_needs_a_checkout_says_so_in_one_sentence(environment: Path, tmp_path: Path) -> None:
    script = (
        "from carbide_infra.cli.outcome import ends\nfrom carbide_infra.paths import project_root\nends(project_root)()"
    )
    done = run(environment, "python", "-c", script, folder=tmp_path, check=False)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: No Pulumi.yaml in ")
    assert line.endswith("from a checkout of the project.")
