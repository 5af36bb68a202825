"""Commands that change a stack: what they ask the CLI, print, and end with; the CLI is a script."""

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from carbide_infra.cli.app import app
from tests.support.catalogue import FOLDER

PROJECT = "name: carbide-infra\nruntime: python\n"
CONFIG = """config:
  carbide-infra:registryServer: registry.invalid
  carbide-infra:registryRepository: team
  carbide-infra:source: source
"""
# Answers by the file that its first two words name; notes what it was asked.
PULUMI = """#!/bin/sh
echo "$@" >> {folder}/asked
case "$1" in
up) shift; while [ $# -gt 0 ]; do [ "$1" = --event-log ] && cp {folder}/events "$2"; shift; done
    exit $(cat {folder}/code) ;;
preview|refresh) exit $(cat {folder}/code) ;;
stack) cat {folder}/$2 2>/dev/null ;;
esac
true
"""
IMAGE = "carbide-rest-ipam"
URN = f"urn:pulumi:dev::carbide-infra::carbide:image:ServiceImage$docker-build:index:Image::{IMAGE}"


class Project:
    """A project whose CLI does as it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "Pulumi.yaml").write_text(PROJECT)
        (folder / "Pulumi.dev.yaml").write_text(CONFIG)
        (folder / "source").mkdir()
        (folder / "docker").symlink_to(FOLDER.parent)
        (folder / "pulumi").write_text(PULUMI.format(folder=folder))
        (folder / "pulumi").chmod(0o755)
        self.ends_with(0)
        (folder / "events").write_text(json.dumps({"summaryEvent": {"resourceChanges": {"same": 3}}}) + "\n")

    def ends_with(self, code: int) -> None:
        (self.folder / "code").write_text(str(code))

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments], env={"STACK": "dev", "SUMMARY": None})

    def asked(self) -> list[str]:
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    return Project(tmp_path)


def test_an_update_without_changes_says_so(project: Project) -> None:
    done = project.run("up")
    assert done.exit_code == 0, done.output
    assert "No changes: every image is as this source tree and stack want it." in done.stderr
    select, update, _ = project.asked()
    assert select == "stack select --create dev --non-interactive"
    assert update.startswith("up --continue-on-error --suppress-outputs --event-log ")
    assert update.endswith(" --yes --skip-preview --stack dev --non-interactive")


def test_a_failed_update_ends_with_pulumis_code_and_what_the_build_said(project: Project, tmp_path: Path) -> None:
    project.ends_with(3)
    events = [
        {"diagnosticEvent": {"urn": URN, "message": "#13 0.659 main.go:87:24: undefined: x"}},
        {"resOpFailedEvent": {"metadata": {"urn": URN}}},
    ]
    (tmp_path / "events").write_text("".join(json.dumps(event) + "\n" for event in events))
    done = project.run("up", "--stack", "dev")
    assert done.exit_code == 3
    assert f"{IMAGE} failed:\n    main.go:87:24: undefined: x\n" in done.stderr
    assert "`make up STACK=dev` does the rest." in done.stderr


def test_the_summary_is_added_to_a_file(project: Project, tmp_path: Path) -> None:
    image = {
        "repository": f"registry.invalid/team/{IMAGE}",
        "tags": ["1"],
        "digest": f"sha256:{'a' * 64}",
        "platforms": ["linux/amd64"],
    }
    (tmp_path / "output").write_text(json.dumps({"images": {IMAGE: image}}))
    (tmp_path / "summary.md").write_text("before\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("carbide_infra.cli.up.image_sizes", lambda *_: {})
        done = project.run("up", "--summary", str(tmp_path / "summary.md"))
    assert done.exit_code == 0, done.output
    assert IMAGE in done.stdout
    assert (
        (tmp_path / "summary.md")
        .read_text()
        .startswith("before\nNo image was built: nothing restarts.\n\n| Image | Digest is |")
    )


@pytest.mark.parametrize("command", ["preview", "refresh"])
def test_pulumis_exit_code_is_the_commands(project: Project, command: str) -> None:
    assert project.run(command).exit_code == 0
    project.ends_with(4)
    assert project.run(command).exit_code == 4


@pytest.mark.parametrize("command", ["up", "preview", "refresh"])
def test_a_source_that_is_not_there_is_one_message_and_nothing_is_asked(project: Project, command: str) -> None:
    shutil.rmtree(project.folder / "source")
    done = project.run(command)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: source = 'source': is not a folder")
    assert project.asked() == []


def test_an_interrupt_says_how_to_resume(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("carbide_infra.cli.preview.prepared", interrupted)
    done = project.run("preview")
    assert (done.exit_code, done.stderr) == (130, "Interrupted; the same command resumes from here.\n")


def test_without_images_the_command_that_makes_them_is_named(project: Project) -> None:
    done = project.run("images", "--stack", "dev", "--format", "images")
    assert done.exit_code == 2
    assert "stack dev: has no outputs yet" in done.stderr
