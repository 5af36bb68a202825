"""The engine's pins: they agree, move together, and stay as they were where one of them cannot move."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from carbide_infra.paths import project_root
from tools import upgrade as tool
from tools.make_environment import lines_of
from tools.upgrade import ACTION, PARTS, UpgradeError, upgrade

DIGEST = "sha256:" + "a" * 64


def versions(project: Path, name: str) -> set[str]:
    """Every version that is pinned of one part."""
    part = PARTS[name]
    patterns = [(file, pattern) for file, pattern in part.texts]
    for folder, modules in part.modules.items():
        patterns += [(Path("tools") / folder / "go.mod", rf"\t{re.escape(module)} v(\S+)") for module in modules]
    return {found for file, pattern in patterns for found in re.findall(pattern, (project / file).read_text())}


class Machine:
    """A copy of the pins, and commands that do as go and uv would, or fail."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.failing = ""
        for name in tool.PINS:
            source = project_root() / name
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, root / name) if source.is_dir() else shutil.copy(source, root / name)

    def run(self, command: Sequence[str], folder: Path) -> str:
        if self.failing and self.failing in command[:3]:
            message = "403 Forbidden"
            raise UpgradeError(message)
        if command[:2] == ("go", "list"):
            return "v9.9.9\n"
        if command[:2] == ("go", "get"):
            file = folder / "go.mod"
            text = file.read_text()
            for module, _, version in (wanted.partition("@") for wanted in command[2:]):
                text = re.sub(rf"(\t{re.escape(module)}) v\S+", rf"\1 {version}", text)
            file.write_text(text)
        return ""

    def files(self) -> dict[Path, bytes]:
        return {file: file.read_bytes() for file in self.root.rglob("*") if file.is_file()}

    def upgrade(self, **wanted: str) -> list[str]:
        return upgrade(self.root, wanted, self.run, lambda image: DIGEST if image.endswith(":v9.9.9") else "")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("name", PARTS)
def test_the_pins_of_a_part_agree(name: str) -> None:
    assert len(versions(project_root(), name)) == 1


@pytest.mark.parametrize(("name", "package"), [("pulumi", "pulumi"), ("provider", "pulumi-docker-build")])
def test_the_locked_sdk_is_of_the_program_that_runs_it(name: str, package: str) -> None:
    (version,) = versions(project_root(), name)
    locked = (project_root() / "requirements.txt").read_text(encoding="utf-8")
    assert lines_of(package, locked).startswith(f"{package}=={version} ")


def test_all_pins_move_to_the_newest(machine: Machine) -> None:
    told = machine.upgrade()
    assert [line.rpartition(" ")[2] for line in told] == ["9.9.9"] * len(PARTS)
    assert [versions(machine.root, name) for name in PARTS] == [{"9.9.9"}] * len(PARTS)
    assert f"image=moby/buildkit:v9.9.9@{DIGEST}\n" in (machine.root / ACTION).read_text()


def test_the_language_host_stays(machine: Machine) -> None:
    before = (machine.root / "tools/language-python/go.mod").read_text()
    machine.upgrade()
    assert (machine.root / "tools/language-python/go.mod").read_text() == before


def test_what_is_asked_for_already_stays_as_it_is(machine: Machine) -> None:
    now = {name: versions(machine.root, name).pop() for name in PARTS}
    before = machine.files()
    machine.failing = "get"
    assert machine.upgrade(**now) == [f"{name} {version}: stays" for name, version in now.items()]
    assert machine.files() == before


@pytest.mark.parametrize("failing", ["list", "get", "compile"])
def test_a_refusal_leaves_all_pins_as_they_were(failing: str, machine: Machine) -> None:
    before = machine.files()
    machine.failing = failing
    with pytest.raises(UpgradeError, match="403 Forbidden"):
        machine.upgrade()
    assert machine.files() == before


def test_where_the_newest_is_not_known_a_version_can_be_named(machine: Machine) -> None:
    machine.failing = "list"
    with pytest.raises(UpgradeError, match=r"say which: make upgrade PULUMI=1\.2\.3"):
        machine.upgrade()
    assert machine.upgrade(**dict.fromkeys(PARTS, "9.9.9"))[0].endswith("9.9.9")


def test_a_pin_that_is_not_found_leaves_all_as_they_were(machine: Machine) -> None:
    file = machine.root / ACTION
    file.write_text(file.read_text().replace("pulumi-version", "pulumi_version"))
    before = machine.files()
    with pytest.raises(UpgradeError, match=r"action\.yml has 0 places like pulumi-version"):
        machine.upgrade()
    assert machine.files() == before


@pytest.mark.parametrize("argument", ["pulumi", "pulumi=", "pulumi=v3.1.0", "pulumi=3.1", "node=3.1.0"])
def test_a_wrong_wish_is_answered_with_a_good_one(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main([argument]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: '{argument}': write part=version, such as pulumi=3.260.0")
    assert said.endswith("\nAll pins are as they were.\n")
