"""Prerequisites: what is missing is named in one sentence, and Debian packages are installed where that is possible."""

import os
from pathlib import Path

import pytest

from carbide_infra.errors import MissingPrerequisite, SetupError
from devenv import prerequisites


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the only folder that programs are found in."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(prerequisites, "GO_FOLDERS", ())
    monkeypatch.setattr(prerequisites, "SYSTEM_FOLDERS", ())
    return folder


def program(folder: Path, name: str, script: str = "") -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def is_one_sentence(text: str) -> bool:
    return "\n" not in text and text.endswith(".") and ". " not in text


def test_missing_go_is_one_sentence() -> None:
    with pytest.raises(MissingPrerequisite) as raised:
        prerequisites.require_go()
    assert is_one_sentence(str(raised.value))
    assert "https://go.dev/dl" in str(raised.value)


def test_go_before_1_21_cannot_fetch_a_newer_one(programs: Path) -> None:
    program(programs, "go", "echo go version go1.19.8 linux/amd64")
    with pytest.raises(MissingPrerequisite, match=r"is 1\.19, too old") as raised:
        prerequisites.require_go()
    assert is_one_sentence(str(raised.value))


@pytest.mark.parametrize("version", ["go1.21.0", "go1.26.8", "go2.0", "devel +abc"])
def test_go_that_can_build_is_accepted(programs: Path, version: str) -> None:
    go = program(programs, "go", f"echo go version {version} linux/amd64")
    assert prerequisites.require_go() == go


def test_go_is_found_where_its_installer_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "usr-local-go"
    folder.mkdir()
    go = program(folder, "go", "echo go version go1.26.8 linux/amd64")
    monkeypatch.setattr(prerequisites, "GO_FOLDERS", (folder,))
    assert prerequisites.require_go() == go


@pytest.mark.parametrize("missing", ["git", "tar"])
def test_each_missing_program_is_named(programs: Path, missing: str) -> None:
    for name in {"git", "tar"} - {missing}:
        program(programs, name)
    program(programs, "go", "echo go version go1.26.8 linux/amd64")
    with pytest.raises(MissingPrerequisite, match=f"^{missing} is missing") as raised:
        prerequisites.check_prerequisites()
    assert is_one_sentence(str(raised.value))


def test_present_packages_are_left_alone(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "can_install", lambda: pytest.fail("nothing to install"))
    runc = program(programs, "runc")
    assert prerequisites.ensure_debian_packages({"runc": "runc"}, print) == {"runc": runc}


def test_administrators_programs_are_found_outside_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "sbin"
    folder.mkdir()
    runc = program(folder, "runc")
    monkeypatch.setattr(prerequisites, "SYSTEM_FOLDERS", (folder,))
    assert prerequisites.ensure_debian_packages({"runc": "runc"}, print) == {"runc": runc}


@pytest.mark.parametrize("debian", [True, False])
def test_packages_that_cannot_be_installed_are_named(monkeypatch: pytest.MonkeyPatch, debian: bool) -> None:  # noqa: FBT001
    monkeypatch.setattr(prerequisites, "can_install", lambda: False)
    monkeypatch.setattr(prerequisites, "is_debian", lambda: debian)
    with pytest.raises(MissingPrerequisite, match=r"^mkfs and runc are missing.*e2fsprogs runc") as raised:
        prerequisites.ensure_debian_packages({"runc": "runc", "mkfs": "e2fsprogs"}, print)
    assert is_one_sentence(str(raised.value))


def test_missing_packages_are_installed(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "can_install", lambda: True)
    log = programs / "log"
    program(
        programs,
        "apt-get",
        f"""echo "$DEBIAN_FRONTEND $*" >> {log}
        case "$*" in *install*) printf '#!/bin/sh' > {programs}/runc; /bin/chmod +x {programs}/runc;; esac""",
    )
    lines: list[str] = []
    found = prerequisites.ensure_debian_packages({"runc": "runc"}, lines.append)
    assert found == {"runc": programs / "runc"}
    update, install = log.read_text().splitlines()
    assert update.startswith("noninteractive ")
    assert update.endswith(" update")
    assert install.endswith(" install --yes --no-install-recommends runc")
    assert lines == ["Installing Debian packages: runc…"]


def test_failed_installation_shows_what_apt_said(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "can_install", lambda: True)
    program(programs, "apt-get", "echo 'E: Unable to locate package runc' >&2; exit 100")
    with pytest.raises(SetupError, match="E: Unable to locate package runc"):
        prerequisites.ensure_debian_packages({"runc": "runc"}, lambda _line: None)


def test_only_root_installs(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(programs, "apt-get")
    monkeypatch.setattr(prerequisites, "is_debian", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not prerequisites.can_install()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert prerequisites.can_install()
