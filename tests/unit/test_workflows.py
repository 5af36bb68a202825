"""GitHub's workflows as text: what they may do, and that everything they do can be done by hand."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from carbide_infra.paths import project_root

FOLDER = project_root() / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
PREVIEW, COMMENT, BUILD = FOLDER / "preview.yml", FOLDER / "comment.yml", FOLDER / "build-push-docker.yml"

_FILE = r'(?:\.local/[\w./-]+|"\$GITHUB_STEP_SUMMARY")'
_WORD = r'(?:[\w./@=-]+|"\$[A-Z_]+"|[A-Z]+="\$[A-Z_]+")'
_COMMAND = r"(?:\.venv/bin/|\.venv/bin/python -m devenv run -- )carbide-infra"
_CALL = rf"(?:make|{_COMMAND})(?: {_WORD})+(?: \| tee -a {_FILE}| > {_FILE})?"
_NOTE = rf'(?:cat {_FILE}|echo "\$[A-Z_]+") >>? {_FILE}'
COMMAND = re.compile(rf"{_CALL}|{_NOTE}")


def read(file: Path) -> dict[str, Any]:
    # BaseLoader: to YAML 1.1, the key "on" is the boolean true.
    return dict(yaml.load(file.read_text(), yaml.BaseLoader))  # noqa: S506


def jobs(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from read(file)["jobs"].items()


def steps(file: Path) -> Iterator[dict[str, Any]]:
    for _, job in jobs(file):
        yield from job["steps"]


def every_file(test: Any) -> Any:  # noqa: ANN401 - a decorator of pytest's
    return pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)(test)


def test_there_are_the_three() -> None:
    assert sorted([PREVIEW, COMMENT, BUILD]) == FILES


@every_file
def test_actions_are_github_s_own_and_pinned_by_commit_with_a_version(file: Path) -> None:
    lines = re.findall(r"^ *(?:- )?uses: (.*)$", file.read_text(), re.MULTILINE)
    assert len(lines) == sum("uses" in step for step in steps(file)) > 0
    assert [line for line in lines if not re.fullmatch(r"actions/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_an_action_has_one_pin_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for file in FILES:
        for action, pin in re.findall(r"uses: actions/([\w-]+)\S*@(\S+ # \S+)", file.read_text()):
            pins.setdefault(action, set()).add(pin)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@every_file
def test_a_step_only_calls_make_or_the_command(file: Path) -> None:
    commands = [line for step in steps(file) if "run" in step for line in step["run"].splitlines()]
    assert [command for command in commands if not COMMAND.fullmatch(command)] == []


@every_file
def test_no_expression_is_pasted_into_a_command(file: Path) -> None:
    """A branch's name is a stranger's text: it goes through a variable, which no shell reads as code."""
    assert [step["run"] for step in steps(file) if "${{" in step.get("run", "")] == []


@every_file
def test_permissions_are_those_that_are_needed(file: Path) -> None:
    granted = {"": read(file)["permissions"]}
    granted |= {name: job["permissions"] for name, job in jobs(file) if "permissions" in job}
    if file == COMMENT:
        assert granted == {"": {}, "comment": {"actions": "read", "contents": "read", "pull-requests": "write"}}
    else:
        assert granted == {"": {"contents": "read"}}


@every_file
def test_a_checkout_leaves_no_token_behind(file: Path) -> None:
    checkouts = [step["with"] for step in steps(file) if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == len(read(file)["jobs"])
    assert all(given["persist-credentials"] == "false" for given in checkouts)
    # Versions, revisions and epochs come from history.
    assert all(given.get("fetch-depth") == "0" for given in checkouts) == (file != COMMENT)


@every_file
def test_every_job_ends(file: Path) -> None:
    assert all(int(job["timeout-minutes"]) <= 120 for _, job in jobs(file))


def test_a_pull_request_s_code_meets_no_secret() -> None:
    assert list(read(PREVIEW)["on"]) == ["pull_request"]
    assert "secrets." not in PREVIEW.read_text()
    assert "github.token" not in PREVIEW.read_text()
    assert all("environment" not in job for _, job in jobs(PREVIEW))
    assert not any("pull_request_target" in read(file)["on"] for file in FILES)


def test_whoever_may_comment_runs_main_s_code_on_a_file() -> None:
    assert list(read(COMMENT)["on"]) == ["workflow_run"]
    assert "secrets." not in COMMENT.read_text()
    ((_, job),) = jobs(COMMENT)
    (checkout,) = (step["with"] for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@"))
    assert checkout["ref"] == "${{ github.event.repository.default_branch }}"
    (download,) = (step["with"] for step in job["steps"] if "download-artifact" in step.get("uses", ""))
    assert download["path"] == ".local/untrusted"
    (written,) = (step["run"] for step in job["steps"] if " comment " in step.get("run", ""))
    assert '--commit "$COMMIT"' in written, "a stranger's number is checked against the run's own commit"


def test_previews_replace_each_other_and_updates_never() -> None:
    assert read(PREVIEW)["concurrency"]["cancel-in-progress"] == "true"
    building = dict(jobs(BUILD))
    assert all(job["concurrency"]["cancel-in-progress"] == "false" for job in building.values())
    # One group has one waiting job: a nightly check must not take the place of an update that waits.
    updating = {name for name, job in building.items() if "make up" in str(job["steps"])}
    assert updating == {"up"}
    assert len({job["concurrency"]["group"] for job in building.values()}) == len(building)


def test_credentials_reach_no_action_and_no_setup() -> None:
    for name, job in jobs(BUILD):
        assert "secrets." not in str(job.get("env", "")), name
        with_secrets = [step for step in job["steps"] if "secrets." in str(step)]
        assert with_secrets
        assert all("run" in step and step["name"] != "Set up the engine" for step in with_secrets)
    assert "secrets." not in str(read(BUILD)["env"])


def test_exactly_one_job_answers_each_event() -> None:
    assert sorted(read(BUILD)["on"]) == ["push", "schedule", "workflow_dispatch"]
    conditions = {name: job["if"] for name, job in jobs(BUILD)}
    assert conditions == {
        "up": "github.ref == 'refs/heads/main' && "
        "(github.event_name == 'push' || github.event_name == 'workflow_dispatch')",
        "release": "github.event_name == 'push' && github.ref_type == 'tag'",
        "drift": "github.event_name == 'schedule'",
    }
