"""The two distributions as they are installed: the one alone that consumers have, and with it the program's own."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from carbide_infra.cli.app import COMMANDS
from carbide_infra.paths import project_root
from tests.support.outputs import exported

OUTPUTS, BUILD = "carbide-infra", "carbide-infra-build"
NOT_FOR_CONSUMERS = ("pulumi_docker_build", "pulumi_docker", "cryptography", "certifi", "typer", "rich", "urllib3")


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
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    out = tmp_path_factory.mktemp("wheels")
    folders = (project_root() / "consumer", project_root())
    pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", out, *folders)
    return {canonicalize_name(file.name.partition("-")[0]): file for file in out.glob("*.whl")}


def installed(folder: Path, *wheels: Path) -> Path:
    """The `bin` of an environment as pip would make it, with what the wheels require from this one."""
    venv.create(folder, symlinks=True)
    pip("--python", folder / "bin/python", "install", "--no-index", "--no-deps", *wheels)
    (packages,) = folder.glob("lib/python*/site-packages")
    own = {distribution.name: distribution for distribution in metadata.distributions(path=[str(packages)])}
    requirements = [line for distribution in own.values() for line in distribution.requires or ()]
    for entry in set().union(*map(top_level, needed(requirements, set(own)) - set(own))):
        (packages / entry.name).symlink_to(entry)
    return folder / "bin"


@pytest.fixture(scope="module")
def consumer(wheels: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As after `pip install carbide-infra`."""
    return installed(tmp_path_factory.mktemp("consumer"), wheels[OUTPUTS])


@pytest.fixture(scope="module")
def program(wheels: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As after `pip install 'carbide-infra[build]'`."""
    return installed(tmp_path_factory.mktemp("program"), wheels[OUTPUTS], wheels[BUILD])


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


def files_of(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def test_every_file_of_the_package_is_in_one_of_the_two(wheels: Mapping[str, Path]) -> None:
    root = project_root()
    there = {str(file.relative_to(root)) for file in (root / "carbide_infra").rglob("*") if file.is_file()}
    outputs, build = files_of(wheels[OUTPUTS]), files_of(wheels[BUILD])
    assert not outputs & build
    assert outputs | build == {name for name in there if "__pycache__" not in name}


def test_consumers_get_outputs_names_and_errors(wheels: Mapping[str, Path]) -> None:
    names = {name.removeprefix("carbide_infra/") for name in files_of(wheels[OUTPUTS])}
    assert {name for name in names if "/" not in name} == {"__init__.py", "errors.py", "names.py", "py.typed"}
    assert {name.partition("/")[0] for name in names if "/" in name} == {"outputs"}
    assert "outputs/schema.json" in names


def test_both_have_one_version_and_ask_for_it(wheels: Mapping[str, Path]) -> None:
    versions = {name: file.name.split("-")[1] for name, file in wheels.items()}
    assert versions[OUTPUTS] == versions[BUILD]
    for folder, wanted in ((".", OUTPUTS), ("consumer", BUILD)):
        text = (project_root() / folder / "pyproject.toml").read_text(encoding="utf-8")
        assert f'"{wanted}=={versions[wanted]}"' in text


def test_a_consumer_gets_neither_builder_nor_command(consumer: Path, tmp_path: Path) -> None:
    script = f"from importlib.util import find_spec; print([name for name in {NOT_FOR_CONSUMERS!r} if find_spec(name)])"
    assert run(consumer, "python", "-c", script, folder=tmp_path).stdout.strip() == "[]"
    assert not (consumer / "carbide-infra").exists()


def test_a_consumer_reads_outputs(consumer: Path, tmp_path: Path) -> None:
    script = (
        "import json, sys\nfrom carbide_infra.outputs import StackOutputs\n"
        "print(json.dumps(StackOutputs.of(json.load(sys.stdin)).exported()))"
    )
    assert json.loads(run(consumer, "python", "-c", script, folder=tmp_path, given=json.dumps(exported())).stdout) == (
        exported()
    )


def test_a_consumers_program_can_import_the_image_set(consumer: Path, tmp_path: Path) -> None:
    script = "from carbide_infra.outputs import ImageSet; print(ImageSet.from_stack.__name__)"
    assert run(consumer, "python", "-c", script, folder=tmp_path).stdout.strip() == "from_stack"


def test_images_are_printed_from_saved_outputs(program: Path, tmp_path: Path) -> None:
    arguments = ("images", "--from", "-", "--json")
    done = run(program, "carbide-infra", *arguments, folder=tmp_path, given=json.dumps(exported()))
    assert json.loads(done.stdout) == exported()


# In one process: they load much of the same.
_HELP = """
from carbide_infra.cli.app import COMMANDS, app
for command in COMMANDS:
    try:
        app([command, "--help"], prog_name="carbide-infra")
    except SystemExit as end:
        assert not end.code, command
"""


def test_every_command_can_be_asked_for_help(program: Path, tmp_path: Path) -> None:
    overview = run(program, "carbide-infra", "--help", folder=tmp_path).stdout
    told = run(program, "python", "-c", _HELP, folder=tmp_path).stdout
    for command in COMMANDS:
        assert command in overview
        assert f"Usage: carbide-infra {command} " in told


def test_a_stack_needs_the_pulumi_cli_and_says_so(program: Path, tmp_path: Path) -> None:
    done = run(program, "carbide-infra", "images", "--stack", "org/carbide-infra/prod", folder=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: pulumi: is not on PATH; install it from https://www.pulumi.com/docs/install\n"


def test_what_needs_a_checkout_says_so_in_one_sentence(program: Path, tmp_path: Path) -> None:
    script = (
        "from carbide_infra.cli.outcome import ends\nfrom carbide_infra.paths import project_root\nends(project_root)()"
    )
    done = run(program, "python", "-c", script, folder=tmp_path, check=False)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: No Pulumi.yaml in ")
    assert line.endswith("from a checkout of the project.")


# The language host's part: it sets what the program finds, and runs `__main__`.
_HOST = """
import json, runpy, sys
import pulumi
from pulumi.runtime import mocks, set_config
from pulumi.runtime.proto import engine_pb2
class Engine(mocks.Mocks):
    def new_resource(self, args):
        made.append([args.typ, args.name, args.inputs.get("context", {}).get("location")])
        return args.name + "_id", dict(args.inputs)
    def call(self, args):
        return {}
made = []
# The SDK's mock engine has no version to ask for.
mocks.MockEngine.RequirePulumiVersion = lambda self, request: engine_pb2.RequirePulumiVersionResponse()
mocks.set_mocks(Engine(), project="their-images", stack="dev", preview=True)
for key, value in json.load(sys.stdin).items():
    set_config("their-images:" + key, value)
@pulumi.runtime.test
def program():
    runpy.run_path("__main__.py", run_name="__main__")
program()
print(json.dumps(made))
"""


def test_a_project_anywhere_is_a_folder_of_its_own_with_two_lines_of_program(program: Path, tmp_path: Path) -> None:
    source = tmp_path / "service"
    (source / "cmd/hello").mkdir(parents=True)
    (source / "cmd/hello/main.go").write_text("package main\n\nfunc main() {}\n")
    (source / "go.mod").write_text("module example.com/service\n\ngo 1.24\n")
    project = source / "images"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: their-images\nruntime: python\n")
    (project / "Pulumi.dev.yaml").write_text("config: {}\n")
    (project / "__main__.py").write_text("from carbide_infra.program import deploy\n\ndeploy()\n")
    (project / "services.yaml").write_text("schemaVersion: 1\nimages:\n  hello:\n    package: ./cmd/hello\n")
    config = {
        "source": "..",
        "catalogue": "services.yaml",
        "registryServer": "registry.example",
        "registryRepository": "team",
        "trackBaseImages": "false",
    }
    done = run(program, "python", "-c", _HOST, folder=project, given=json.dumps(config))
    made = {(kind, name): location for kind, name, location in json.loads(done.stdout.splitlines()[-1])}
    location = made["docker-build:index:Image", "hello"]
    assert (project / location / "cmd/hello/main.go").is_file()
    assert (project / location).parent == project / ".local/contexts/hello"
