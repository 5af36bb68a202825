"""The report on recorded previews of the real engine, and on what no engine would say."""

import html
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from carbide_infra.cli.app import app
from carbide_infra.report import words
from carbide_infra.report.changes import Action, ImageChange, Report, Warned, report_of
from carbide_infra.report.data import as_data
from carbide_infra.report.files import FileChange, changed_files
from carbide_infra.report.markdown import LIMIT, markdown
from carbide_infra.report.page import page
from carbide_infra.report.preview import PreviewError, read_preview
from carbide_infra.report.reasons import Reason, Restart
from tests.support.expected_reports import RECORDED, RECORDINGS, REPORTS, SCENES, expected_report, recorded, reported

IPAM, DB, API = "carbide-rest-ipam", "carbide-rest-db", "carbide-rest-api"


def images(report: Report) -> dict[str, ImageChange]:
    return {image.name: image for image in report.images}


def test_there_are_recordings_and_each_has_its_report() -> None:
    assert len(RECORDED) >= 13
    assert sorted(file.stem for file in REPORTS.glob("*.md")) == SCENES


@pytest.mark.parametrize("scene", SCENES)
def test_the_comment_is_the_one_that_was_read_by_a_person(scene: str) -> None:
    """After a wanted change: make generate, and read the difference as a stranger would."""
    assert expected_report(scene) == (REPORTS / f"{scene}.md").read_text()


@pytest.mark.parametrize("scene", [scene for scene in RECORDED if scene != "failed"])
def test_without_unchanged_resources_the_report_is_the_same(scene: str) -> None:
    """Plain `pulumi preview --json` leaves them out; only what their labels say is then unknown."""
    data = recorded(scene)
    full = as_data(report_of(read_preview(data, "dev")))
    data["steps"] = [step for step in data["steps"] if step["op"] != "same" or "pulumi:pulumi:Stack" in step["urn"]]
    short = as_data(report_of(read_preview(data, "dev")))
    for report in (full, short):
        report["warnings"] = [one for one in report["warnings"] if one["kind"] not in {"stand-ins", "unpinned"}]
    assert short == full


@pytest.mark.parametrize(
    ("scene", "restarts"),
    [
        ("nothing", {}),
        ("new_commit", {}),
        ("builder", {}),
        ("service_removed", {}),
        ("new_stack", {}),
        ("one_file", {IPAM: Restart.EXPECTED}),
        ("dockerfile", {DB: Restart.EXPECTED}),
        ("health", {IPAM: Restart.CERTAIN}),
    ],
)
def test_who_restarts(scene: str, restarts: dict[str, Restart]) -> None:
    assert {image.name: image.restart for image in reported(scene).images if image.restart} == restarts


@pytest.mark.parametrize(
    ("scene", "answer"),
    [
        ("go_mod", Restart.IF_LINKED),
        ("go_version", Restart.CERTAIN),
        ("base_digest", Restart.CERTAIN),
        ("version", Restart.CERTAIN),
        ("platform", Restart.CERTAIN),
    ],
)
def test_what_reaches_all_restarts_all_alike(scene: str, answer: Restart) -> None:
    assert [image.restart for image in reported(scene).images] == [answer] * 7


@pytest.mark.parametrize(
    ("scene", "restarts"),
    [
        ("module_bump", {API: Restart.CERTAIN, IPAM: Restart.CERTAIN}),
        ("coarse", {API: Restart.CERTAIN, DB: Restart.IF_LINKED}),
        ("without_modules", {}),
        ("go_line", {API: Restart.EXPECTED}),
        ("kept_as_it_is", {DB: Restart.EXPECTED}),
        ("renamed", {API: Restart.EXPECTED, DB: Restart.EXPECTED}),
        ("unknown_base", dict.fromkeys([image.name for image in reported("nothing").images], Restart.UNKNOWN)),
    ],
)
def test_who_restarts_by_a_made_preview(scene: str, restarts: dict[str, Restart]) -> None:
    assert {image.name: image.restart for image in reported(scene).images if image.restart} == restarts


def test_a_base_whose_digest_moves_is_a_cause_of_its_own() -> None:
    assert {reason.kind for image in reported("base_moved").images for reason in image.reasons} == {"runtimeImage"}
    assert "`alpine:3.22` moved" in expected_report("base_moved")


def test_a_base_that_only_the_update_looks_up_moves_no_repository() -> None:
    assert {reason.kind for image in reported("unknown_base").images for reason in image.reasons} == {"runtimeImage"}


def test_the_same_files_under_another_name_are_a_renamed_image() -> None:
    (new,) = reported("renamed").having(Action.NEW)
    assert (new.name, new.renamed_from) == ("carbide-rest-addresses", IPAM)


def test_an_image_whose_tag_is_only_left_behind_is_as_it_was() -> None:
    assert {image.action for image in reported("dirty").images} == {Action.REBUILT, Action.UNCHANGED}
    assert {image.action for image in reported("one_file").images} == {Action.REBUILT, Action.RETAGGED}


def test_a_merge_is_told_by_the_commit_that_people_know() -> None:
    preview = read_preview(recorded("one_file"), "dev")
    merge = reported("one_file").revision_after
    assert merge
    named = report_of(preview, "f" * 40)
    assert (named.revision_after, named.merge) == ("f" * 40, merge)
    assert report_of(preview, merge).merge is None
    assert merge[:10] not in markdown(named)
    assert report_of(preview, "not a commit").revision_after == reported("one_file").revision_after
    assert report_of(read_preview(recorded("dirty"), "dev"), "f" * 40).revision_after is None


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://github.com/a/b.git/", "https://github.com/a/b"),
        ("http://github.com/a/b", ""),
        ("https://github.com/a/b?c", ""),
        ("https://github.com/a/b) [x](y", ""),
        ("git@github.com:a/b.git", ""),
    ],
)
def test_commits_are_links_where_the_sources_address_is_a_web_page(url: str, taken: str) -> None:
    data = recorded("one_file")
    data["config"]["carbide-infra:sourceUrl"] = url
    report = report_of(read_preview(data, "dev"))
    assert report.source_url == taken
    assert ("](" in markdown(report)) is bool(taken)


def with_records(data: dict[str, Any]) -> dict[str, Any]:
    """The same preview, with records beside the images, as the program has written them since."""
    tags = {
        (step["urn"].rpartition("::")[2], side): step[side]["inputs"]["tags"][0]
        for step in data["steps"]
        if "docker-build:index:Image" in step["urn"]
        for side in ("oldState", "newState")
        if side in step
    }
    stashes = []
    for step in data["steps"]:
        head, _, kind, name = step["urn"].split("::")
        if kind != "carbide:image:ServiceImage":
            continue
        stash = {**step, "urn": f"{head}::carbide-infra::{kind}$pulumi:index:Stash::{name}"}
        for side in {"oldState", "newState"} & step.keys():
            record = {
                **step[side]["inputs"],
                "key": tags[name, side].rpartition("-")[2],
                "dockerfileLocation": f"docker/production/Dockerfile.{name}",
                "dockerfileText": "",
            }
            stash[side] = {**step[side], "inputs": {"input": record}}
            step[side] = {**step[side], "inputs": {}}
        stashes.append(stash)
    data["steps"] += stashes
    return data


@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene not in {"failed", "health"}])
def test_a_record_beside_the_image_gives_the_same_report(scene: str) -> None:
    recorded_beside = report_of(read_preview(with_records(recorded(scene)), "dev"))
    assert as_data(recorded_beside) == as_data(reported(scene))


def test_a_record_of_another_build_than_the_state_s_image_is_not_compared() -> None:
    data = with_records(recorded("one_file"))
    for step in data["steps"]:
        if step["urn"].endswith(f"Stash::{IPAM}"):
            step["oldState"]["inputs"]["input"]["key"] = "0" * 12
    assert images(reported("one_file"))[IPAM].files
    change = images(report_of(read_preview(data, "dev")))[IPAM]
    assert (change.action, change.files) == (Action.REBUILT, ())
    assert [reason.kind for reason in change.reasons] == ["other"]


def test_an_image_that_is_built_from_another_folder_alone_restarts_nobody() -> None:
    """So it is once, when a stack of an earlier version is updated."""
    data = recorded("nothing")
    for step in data["steps"]:
        if step["urn"].endswith(f"Image::{IPAM}"):
            step["op"], step["diffReasons"] = "update", ["context.location", "dockerfile"]
    change = images(report_of(read_preview(data, "dev")))[IPAM]
    assert (change.action, change.restart) == (Action.REBUILT, Restart.NO)
    assert [reason.kind for reason in change.reasons] == ["moved"]


def test_an_image_built_by_an_update_that_failed_is_still_to_come() -> None:
    data = recorded("nothing")
    (stack,) = (step for step in data["steps"] if "pulumi:pulumi:Stack" in step["urn"])
    stack["oldState"]["outputs"]["images"][IPAM]["digest"] = f"sha256:{'0' * 64}"
    found = images(report_of(read_preview(data, "dev")))
    assert {name for name, image in found.items() if image.restart is Restart.CERTAIN} == {IPAM}
    assert found[IPAM].reasons[0].kind == "unfinished"


def test_files_are_told_apart_by_what_happened_to_them() -> None:
    one, other = "1" * 64, "2" * 64
    kept = f"0644 {one} 30 kept.go"
    before = f"0644 {one} 10 a b.go\n0644 {one} 20 gone.go\n{kept}\n0644 {one} 5 line\nfeed.go\n0644 {one} 1 x"
    after = f"0644 {other} 13 a b.go\n{kept}\n0644 {one} 40 new.go\n0644 {other} 5 line\nfeed.go\n0755 {one} 1 x"
    assert changed_files(before, after) == (
        FileChange("a b.go", "changed", 3),
        FileChange("gone.go", "removed", -20),
        FileChange("line\nfeed.go", "changed", 0),
        FileChange("new.go", "added", 40),
        FileChange("x", "mode changed", 0),
    )


@pytest.mark.parametrize("data", [[], {}, {"steps": 1}, {"steps": [{}]}, {"steps": [{"op": "same", "urn": "x"}]}, "x"])
def test_something_else_is_refused(data: object) -> None:
    with pytest.raises(PreviewError, match="pulumi preview --json"):
        read_preview(data, "dev")


# ---- Text that somebody else chose.

WEIRD = "a|b`c<img src=x>@octocat #12 [x](y) **z**\n# h\u202e.go"


def test_a_weird_name_is_code_in_one_line() -> None:
    image = ImageChange(
        WEIRD, Action.REBUILT, Restart.EXPECTED, files=(FileChange(WEIRD, "changed", 1),), size_change=1
    )
    text = markdown(Report("p", "s", (image,)))
    shown = r"``a|b`c<img src=x>@octocat #12 [x](y) **z**\n# h\u202e.go``"
    assert f"### 1 deployment may restart: {shown}.\n" in text
    assert f"\n- {shown} changed\n" in text


_TEXT = st.text(max_size=300) | st.sampled_from(
    [WEIRD * 9, "@" * 400, "`" * 500, "|" * 500, "\U0001d518" * 400, "\x00" * 300]
)
_FILES = st.lists(st.builds(FileChange, _TEXT, st.just("changed"), st.integers(-(10**12), 10**12)), max_size=6)
_REASONS = st.lists(
    st.builds(Reason, st.sampled_from(["label", "configuration"]), _TEXT, _TEXT, _TEXT, st.just(Restart.NO)), max_size=4
)
_IMAGES = st.builds(
    lambda name, action, files, reasons, times: ImageChange(
        name, action, Restart.EXPECTED, tuple(reasons * times), tuple(files * times), size_change=1
    ),
    _TEXT,
    st.sampled_from(Action),
    _FILES,
    _REASONS,
    st.integers(1, 300),
)
_WARNINGS = st.lists(st.builds(Warned, st.sampled_from(["program", "unpinned"]), st.tuples(_TEXT), _TEXT), max_size=5)


@settings(max_examples=20)
@given(st.lists(_IMAGES, min_size=1, max_size=5), _WARNINGS, st.integers(1, 40), _TEXT, st.lists(_TEXT, max_size=3))
def test_a_comment_is_never_too_long(
    some: list[ImageChange], warnings: list[Warned], times: int, name: str, errors: list[str]
) -> None:
    report = Report(name, name, tuple(some * times), warnings=tuple(warnings * times), errors=tuple(errors * times))
    text = markdown(report)
    assert len(text.encode()) <= LIMIT < 65_536
    assert text.startswith("<!-- carbide-infra: report of ")
    assert text.count("<details>") == text.count("</details>")


def test_what_a_failed_program_says_in_wide_letters_is_never_too_long() -> None:
    text = markdown(Report("project", "stack", (), errors=("\U0001d518" * 400,) * 100))
    assert len(text.encode()) <= LIMIT
    shown = sum(line.startswith("`\U0001d518") for line in text.splitlines())
    assert shown > 20
    assert f"\n{words.more(100 - shown)}\n" in text


# ---- The command.


def test_exit_codes_tell_whether_images_change() -> None:
    def code_of(scene: str, *options: str) -> int:
        file = str(RECORDINGS / f"{scene}.json")
        return CliRunner().invoke(app, ["report", "--stack", "dev", "--preview", file, *options]).exit_code

    assert code_of("one_file") == 0
    assert code_of("one_file", "--exit-code") == 1
    assert code_of("new_commit", "--exit-code") == 0
    assert code_of("service_removed", "--exit-code") == 1
    assert code_of("failed", "--exit-code") == 2


def test_a_workflow_names_the_pull_requests_own_commit() -> None:
    arguments = ["report", "--stack", "dev", "--preview", str(RECORDINGS / "one_file.json"), "--json"]
    done = CliRunner().invoke(app, arguments, env={"CARBIDE_HEAD": "f" * 40})
    assert json.loads(done.stdout)["revision"]["after"] == "f" * 40


def test_a_page_is_written_beside_the_comment(tmp_path: Path) -> None:
    arguments = ["report", "--stack", "dev", "--preview", str(RECORDINGS / "one_file.json"), "--format", "markdown"]
    done = CliRunner().invoke(app, [*arguments, "--page", str(tmp_path / "page.html")])
    assert done.stdout == expected_report("one_file")
    assert (tmp_path / "page.html").read_text() == page(reported("one_file"))
    done = CliRunner().invoke(app, [*arguments, "--page", str(tmp_path / "none" / "page.html")])
    assert (done.exit_code, done.stderr[:7]) == (2, "error: ")
    assert "--page" in done.stderr


@pytest.mark.parametrize("form", ["terminal", "markdown", "json", "html"])
def test_a_failed_preview_is_told_in_every_form(form: str, tmp_path: Path) -> None:
    file, output = str(RECORDINGS / "failed.json"), tmp_path / "report"
    arguments = ["report", "--stack", "dev", "--preview", file, "--format", form, "--output", str(output)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "source = '/nonexistent': is not a folder" in done.stderr
    assert "'/nonexistent': is not a folder" in html.unescape(output.read_text())
    assert "failed" in output.read_text()


def test_at_a_terminal_a_failure_is_said_once() -> None:
    done = CliRunner().invoke(app, ["report", "--stack", "dev", "--preview", str(RECORDINGS / "failed.json")])
    assert (done.exit_code, done.stderr) == (2, "")
    assert done.stdout.count("is not a folder") == 1


def test_json_is_for_programs() -> None:
    file = (RECORDINGS / "one_file.json").read_text()
    done = CliRunner().invoke(app, ["report", "--stack", "dev", "--preview", "-", "--json"], input=file)
    data = json.loads(done.stdout)
    assert data["images"][IPAM]["files"] == [{"path": "ipam/cmd/server/main.go", "change": "changed", "sizeChange": 11}]
    assert (data["images"][IPAM]["action"], data["images"][IPAM]["restart"]) == ("rebuilt", "expected")
    assert data["images"][API]["action"] == "re-tagged"


@pytest.mark.parametrize(
    ("content", "told"), [("", "is not JSON"), ("{}", "an object with `steps`"), (None, "cannot be read")]
)
def test_a_wrong_file_is_one_clear_error(content: str | None, told: str, tmp_path: Path) -> None:
    file = tmp_path / "preview.json"
    if content is not None:
        file.write_text(content)
    done = CliRunner().invoke(app, ["report", "--stack", "dev", "--preview", str(file)])
    assert done.exit_code == 2
    assert str(file) in done.stderr
    assert told in done.stderr
    assert done.stdout == ""
