"""What follows from other files: written where it should be, and a difference named."""

import json
from pathlib import Path

import pytest
import yaml

from carbide_infra.paths import project_root
from carbide_infra.settings import Settings
from tools.generate import __main__ as command
from tools.generate import configuration, images, reports
from tools.generate.regions import MarkersError, between_markers, prose, table

PAGE = "Before\n<!-- generated: images -->\nold\n<!-- end of generated -->\nAfter\n"


def test_what_is_committed_is_what_is_generated() -> None:
    assert [str(file) for file in command.different(command.generated(project_root()))] == []


def given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A project with a file to write anew, and one that goes."""
    changed, gone = folder / "deep/changed", folder / "gone"
    gone.touch()
    monkeypatch.setattr(command, "GENERATORS", [lambda _: {changed: "new\n"}, lambda _: {gone: None}])
    return changed, gone


def test_check_names_the_file_and_the_command_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed, gone = given(tmp_path, monkeypatch)
    assert command.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err == (
        "deep/changed: is not what `make generate` writes; run it and commit the result\n"
        "gone: is not what `make generate` writes; run it and commit the result\n"
    )
    assert gone.exists()
    assert not changed.exists()


def test_files_are_written_once_and_left_over_ones_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed, gone = given(tmp_path, monkeypatch)
    assert command.main([], tmp_path) == 0
    assert capsys.readouterr().out == "deep/changed: written\ngone: removed\n"
    assert (changed.read_text(), gone.exists()) == ("new\n", False)
    assert command.main(["--check"], tmp_path) == 0
    assert command.main([], tmp_path) == 0
    assert capsys.readouterr().out == ""


def test_a_page_without_its_place_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "GENERATORS", [images.tables])
    (tmp_path / "docker").symlink_to(project_root() / "docker")
    monkeypatch.setattr(images, "between_markers", lambda *_: between_markers("", "images", ""))
    assert command.main([], tmp_path) == 1
    assert capsys.readouterr().err.startswith(
        "error: the lines <!-- generated: images --> and <!-- end of generated -->"
    )


def test_the_text_between_the_markers_is_exchanged() -> None:
    assert between_markers(PAGE, "images", "new\n") == PAGE.replace("old", "new")


@pytest.mark.parametrize("page", ["", PAGE.replace("end of", ""), PAGE + PAGE, PAGE.replace("images", "image")])
def test_markers_are_there_once_each(page: str) -> None:
    with pytest.raises(MarkersError, match="generated: images"):
        between_markers(page, "images", "")


def test_a_table_is_markdown() -> None:
    assert table(("A", "B"), [("1", prose("<x> | *"))]) == "| A | B |\n|---|---|\n| 1 | \\<x> \\| \\* |\n"


def test_the_rest_of_pulumi_yaml_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.yaml"
    file.write_text(
        "name: x\n# Kept.\nconfig:\n  old:\n    type: string\n\n  # Gone.\n  more: {}\noptions: {} # kept\n"
    )
    text = configuration.pulumi_yaml(tmp_path)[file]
    assert text.startswith("name: x\n# Kept.\nconfig:\n")
    assert text.endswith("\noptions: {} # kept\n")
    config = yaml.safe_load(text)["config"]
    assert list(config) == [field.alias for field in Settings.model_fields.values()]


def test_pulumi_is_told_types_and_defaults_that_settings_take() -> None:
    file = project_root() / "Pulumi.yaml"
    config = yaml.safe_load(configuration.pulumi_yaml(project_root())[file])["config"]
    assert config["registryServer"].keys() == {"type", "description"}
    assert (config["tagLatest"]["type"], config["tagLatest"]["default"]) == ("boolean", False)
    assert (config["builder"]["type"], config["builder"]["default"]) == ("string", "")
    assert (config["cacheTo"]["type"], config["cacheTo"]["default"]) == ("array", [])
    assert config["platforms"]["items"] == {"type": "string"}
    assert (config["serviceOverrides"]["type"], config["serviceOverrides"]["default"]) == ("object", {})


def test_a_pulumi_yaml_without_config_is_named(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\n")
    with pytest.raises(MarkersError, match=r"Pulumi\.yaml: has no line `config:`"):
        configuration.pulumi_yaml(tmp_path)


def test_a_report_without_a_recording_goes(tmp_path: Path) -> None:
    folder = tmp_path / "tests/unit"
    for name in ("recordings", "reports"):
        (folder / name).mkdir(parents=True)
    recording = project_root() / "tests/unit/recordings/nothing.json"
    (folder / "recordings/nothing.json").write_text(json.dumps(json.loads(recording.read_text())))
    (folder / "reports/left_over.md").touch()
    found = reports.expected(tmp_path)
    assert found[folder / "reports/left_over.md"] is None
    assert found[folder / "reports/nothing.md"] == (project_root() / "tests/unit/reports/nothing.md").read_text()
