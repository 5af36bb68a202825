"""States that a folder backend has lost the meaning of, and the way back."""

import gzip
import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from carbide_infra.errors import CommandError
from carbide_infra.stack.damaged_state import DamagedState, damaged_state
from carbide_infra.stack.pulumi_stack import PulumiStack
from tests.support.fake_programs import FakeProgram

WHOLE = json.dumps({"version": 3, "checkpoint": {"stack": "organization/carbide-infra/dev", "latest": {}}}).encode()
DAMAGES = (WHOLE[: len(WHOLE) // 2], b"", b"\xff\xfe\x00", b"[]", b"null", b'{"a": 1}', b'{"checkpoint": 7}')


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A state's file, whole, with the whole copy that Pulumi keeps."""
    found = tmp_path / "a state/.pulumi/stacks/carbide-infra/dev.json"
    found.parent.mkdir(parents=True)
    found.write_bytes(WHOLE)
    found.with_name("dev.json.bak").write_bytes(WHOLE)
    return found


def backend(file: Path) -> str:
    return f"file://{file.parents[3]}"


def damage_of(file: Path, url: str = "", stack: str = "dev", project: str = "carbide-infra") -> DamagedState | None:
    return damaged_state(url or backend(file), file.parents[3], project, stack)


def test_a_whole_state_has_no_damage(file: Path) -> None:
    assert damage_of(file) is None


@pytest.mark.parametrize("content", DAMAGES)
def test_what_is_no_state_is_named_with_the_command_that_brings_it_back(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    found = damage_of(file)
    assert found
    assert str(file) in found.told
    assert f"{file}.bak" in found.told
    assert "is whole" in found.told
    command = next(line.strip() for line in found.fix("make up").splitlines() if line.strip().startswith("cp "))
    subprocess.run(["sh", "-c", command], check=True)
    assert file.read_bytes() == WHOLE
    assert damage_of(file) is None


@pytest.mark.parametrize("content", [*DAMAGES, None], ids=str)
def test_a_copy_that_is_damaged_too_is_not_recommended(file: Path, content: bytes | None) -> None:
    file.write_bytes(b"")
    copy = file.with_name("dev.json.bak")
    copy.unlink()
    if content is not None:
        copy.write_bytes(content)
    found = damage_of(file)
    assert found
    assert f"{copy}, {'is damaged, too' if content is not None else 'is missing'}" in found.told
    assert "cp " not in found.fix("make up")
    assert "pulumi stack import" in found.fix("make up")


def test_the_newest_whole_state_of_the_history_comes_in_the_place_of_a_copy(file: Path) -> None:
    file.write_bytes(b"")
    file.with_name("dev.json.bak").write_bytes(b"{")
    history = file.parents[2] / "history/carbide-infra/dev"
    history.mkdir(parents=True)
    for number, content in enumerate((b"old", WHOLE, b"")):
        (history / f"dev-{number}.checkpoint.json").write_bytes(content)
    found = damage_of(file)
    assert found
    assert shlex.join(["cp", str(history / "dev-1.checkpoint.json"), str(file)]) in found.fix("make up")


def test_a_state_that_is_not_there_is_not_damaged(file: Path) -> None:
    file.unlink()
    assert damage_of(file) is None


def test_a_state_is_that_of_its_project_and_stack(file: Path) -> None:
    file.write_bytes(b"")
    assert damage_of(file, stack="organization/carbide-infra/dev", project="theirs")
    assert damage_of(file, project="theirs") is None
    assert damage_of(file, stack="prod") is None
    assert damage_of(file, stack="carbide-infra/../dev") is None
    assert damage_of(file, stack="") is None


def test_a_state_of_an_old_backend_lies_above_the_projects(file: Path) -> None:
    old = file.parents[1] / "dev.json"
    file.rename(old)
    old.write_bytes(b"{")
    found = damage_of(file)
    assert found
    assert found.file == old


def test_a_compressed_state_is_read(file: Path) -> None:
    packed = file.with_name("dev.json.gz")
    file.unlink()
    packed.write_bytes(gzip.compress(WHOLE))
    assert damage_of(file) is None
    packed.write_bytes(gzip.compress(WHOLE)[:-12])
    found = damage_of(file)
    assert found
    assert found.file == packed


def test_the_folder_comes_from_the_backends_address(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(b"")
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_dir=str(file.parents[4])))
    for url in (f"{backend(file)}?no_tmp_dir=true", "file://~/a state", "file://.", "file://~/a%20state"):
        found = damage_of(file, url)
        assert found, url
        assert found.file == file
    for url in ("", "s3://bucket", "https://api.pulumi.com", str(file.parents[3])):
        assert damaged_state(url, file.parents[3], "carbide-infra", "dev") is None


@pytest.mark.parametrize(
    "asks",
    [
        PulumiStack.outputs,
        PulumiStack.exported,
        PulumiStack.preview,
        PulumiStack.show_preview,
        PulumiStack.refresh,
        lambda stack: stack.update(Path("log")),
        lambda stack: stack.forget("urn"),
    ],
)
def test_nothing_is_asked_of_a_damaged_state(file: Path, tmp_path: Path, asks: Callable[[PulumiStack], object]) -> None:
    """Of one that is JSON and no state, Pulumi would make an empty one, over the copy too."""
    file.write_bytes(b"null")
    pulumi = FakeProgram(tmp_path / "programs", "pulumi")
    environment = {"PATH": os.defpath, "PULUMI_BACKEND_URL": backend(file)}
    with pytest.raises(CommandError, match=r"dev\.json\.bak"):
        asks(PulumiStack("dev", pulumi.path, tmp_path, environment))
    assert pulumi.calls == []


def test_a_damaged_state_can_be_replaced_by_an_export(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"null")
    pulumi = FakeProgram(tmp_path / "programs", "pulumi")
    environment = {"PATH": os.defpath, "PULUMI_BACKEND_URL": backend(file)}
    stack = PulumiStack("dev", pulumi.path, tmp_path, environment)
    stack.select()
    stack.restore(tmp_path / "export.json")
    assert len(pulumi.calls) == 2
