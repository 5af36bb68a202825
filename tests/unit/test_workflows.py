"""GitHub's workflows as text: what they may do, and that everything they do can be done by hand."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from carbide_infra.paths import project_root
from devenv.toolchain import BUILDKITD, BUILDX, DOCKER_BUILD, PULUMI, locked_version

FOLDER = project_root() / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
PREVIEW, COMMENT, BUILD = FOLDER / "preview.yml", FOLDER / "comment.yml", FOLDER / "build-push-docker.yml"
TEST = FOLDER / "test.yml"
SETUP = project_root() / ".github/actions/setup/action.yml"
USES_SETUP = "./.github/actions/setup"

_FILE = r'(?:\.local/[\w./-]+|"\$GITHUB_STEP_SUMMARY")'
_WORD = r'(?:[\w./@=-]+|"\$[A-Z_]+"|[A-Z]+="\$[A-Z_]+")'
_COMMAND = r"(?:\.venv/bin/|\.venv/bin/python -m devenv run -- )carbide-infra"
_CALL = rf"(?:make|{_COMMAND})(?: {_WORD})+(?: \| tee -a {_FILE}| > {_FILE})?"
_NOTE = rf'(?:cat {_FILE}|echo "\$[A-Z_]+") >>? {_FILE}'
COMMAND = re.compile(
    rf"{_CALL}|{_NOTE}|pulumi plugin install resource [a-z-]+ [\d.]+|git config remote\.origin\.tagOpt --tags"
)
PIN = re.compile(r"(?:actions|docker|pulumi)/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def read(file: Path) -> dict[str, Any]:
    # BaseLoader: to YAML 1.1, the key "on" is the boolean true.
    return dict(yaml.load(file.read_text(), yaml.BaseLoader))  # noqa: S506


def jobs(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from read(file)["jobs"].items()


def steps(file: Path) -> Iterator[dict[str, Any]]:
    if file == SETUP:
        yield from read(file)["runs"]["steps"]
        return
    for _, job in jobs(file):
        yield from job["steps"]


def every_file(test: Any) -> Any:  # noqa: ANN401 - a decorator of pytest's
    return pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)(test)


def every_step_s_file(test: Any) -> Any:  # noqa: ANN401
    return pytest.mark.parametrize("file", [*FILES, SETUP], ids=lambda file: file.name)(test)


def test_there_are_the_four() -> None:
    assert sorted([PREVIEW, COMMENT, BUILD, TEST]) == FILES


@every_step_s_file
def test_actions_are_their_makers_own_and_pinned_by_commit_with_a_version(file: Path) -> None:
    lines = re.findall(r"^ *(?:- )?uses: (.*)$", file.read_text(), re.MULTILINE)
    assert len(lines) == sum("uses" in step for step in steps(file)) > 0
    assert [line for line in lines if line != USES_SETUP and not PIN.fullmatch(line)] == []


def test_an_action_has_one_pin_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for file in [*FILES, SETUP]:
        for action, pin in re.findall(r"uses: ([\w-]+/[\w-]+)\S*@(\S+ # \S+)", file.read_text()):
            pins.setdefault(action, set()).add(pin)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@every_file
def test_a_job_is_set_up_by_the_one_action_after_its_checkout(file: Path) -> None:
    for name, job in jobs(file):
        first, second, *others = (step.get("uses", "") for step in job["steps"])
        assert first.startswith("actions/checkout@"), name
        assert second == USES_SETUP, name
        assert not any("/setup" in action for action in others), name


def test_only_what_runs_the_engine_is_given_one() -> None:
    without = {
        name for file in FILES for name, job in jobs(file) if job["steps"][1].get("with", {}).get("engine") == "false"
    }
    assert without == {"comment", "lint"}
    conditions = {step.get("uses", step.get("run", "")).partition("@")[0]: step.get("if") for step in steps(SETUP)}
    engine, there = "inputs.engine == 'true'", "runner.environment == 'github-hosted'"
    assert conditions == {
        "actions/setup-python": None,
        "actions/setup-go": engine,
        "pulumi/actions": f"{engine} && {there}",
        "docker/setup-buildx-action": f"{engine} && {there}",
        "pulumi plugin install resource docker-build 0.0.22": f"{engine} && {there}",
        "git config remote.origin.tagOpt --tags": engine,
        "make venv": None,
        "make tools": f"{engine} && {there.replace('==', '!=')}",
    }


@every_file
def test_what_runs_the_engine_has_the_whole_history_and_every_tag(file: Path) -> None:
    """The set-up says so to git, which cannot tell a copy without tags from a project without releases."""
    for name, job in jobs(file):
        checkout, setup = job["steps"][:2]
        if setup.get("with", {}).get("engine") != "false":
            assert checkout["with"]["fetch-depth"] == "0", name


def test_the_engine_has_the_locked_versions() -> None:
    locks = project_root() / "tools"
    pulumi, provider, buildx, buildkit = (
        locked_version(binary, locks) for binary in (PULUMI, DOCKER_BUILD, BUILDX, BUILDKITD)
    )
    given = {step["uses"].partition("@")[0]: step["with"] for step in steps(SETUP) if "uses" in step}
    assert given["pulumi/actions"] == {"pulumi-version": pulumi}
    assert given["docker/setup-buildx-action"]["version"] == f"v{buildx}"
    image = re.escape(f"image=moby/buildkit:v{buildkit}@sha256:") + "[0-9a-f]{64}"
    assert re.fullmatch(image, given["docker/setup-buildx-action"]["driver-opts"])
    assert f"pulumi plugin install resource docker-build {provider}" in {step.get("run") for step in steps(SETUP)}


def test_whatever_builds_does_so_with_the_builder_that_was_set_up() -> None:
    for name, job in jobs(BUILD):
        assert job["steps"][1]["id"] == "setup", name
        with_credentials = [step for step in job["steps"] if "secrets." in str(step)]
        builders = {step["env"]["BUILDX_BUILDER"] for step in with_credentials}
        assert builders == {"${{ steps.setup.outputs.builder }}"}, name
    assert read(SETUP)["outputs"]["builder"]["value"] == "${{ steps.buildx.outputs.name }}"
    (buildx,) = (step for step in steps(SETUP) if step.get("id") == "buildx")
    assert buildx["uses"].startswith("docker/setup-buildx-action@")


def test_a_cache_s_key_names_files_that_are_there() -> None:
    patterns = {
        pattern
        for file in FILES
        for called in re.findall(r"hashFiles\((.*?)\)", file.read_text())
        for pattern in re.findall(r"'([^']+)'", called)
    }
    assert patterns
    assert [pattern for pattern in patterns if not list(project_root().glob(pattern))] == []


@every_step_s_file
def test_a_step_only_calls_make_or_the_command(file: Path) -> None:
    commands = [line for step in steps(file) if "run" in step for line in step["run"].splitlines()]
    assert [command for command in commands if not COMMAND.fullmatch(command)] == []


@every_step_s_file
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


@pytest.mark.parametrize(("file", "events"), [(PREVIEW, ["pull_request"]), (TEST, ["pull_request", "push"])])
def test_a_pull_request_s_code_meets_no_secret(file: Path, events: list[str]) -> None:
    assert list(read(file)["on"]) == events
    assert "secrets." not in file.read_text()
    assert "github.token" not in file.read_text()
    assert all("environment" not in job for _, job in jobs(file))


def test_nothing_runs_a_pull_request_s_code_with_main_s_rights() -> None:
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
    assert read(TEST)["concurrency"]["cancel-in-progress"] == "true"
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
        assert all("run" in step for step in with_secrets)
    assert "secrets." not in str(read(BUILD)["env"])
    assert not re.search(r"secrets\.|github\.token|github\.event", SETUP.read_text())


def test_exactly_one_job_answers_each_event() -> None:
    assert sorted(read(BUILD)["on"]) == ["push", "schedule", "workflow_dispatch"]
    conditions = {name: job["if"] for name, job in jobs(BUILD)}
    assert conditions == {
        "up": "github.ref == 'refs/heads/main' && "
        "(github.event_name == 'push' || github.event_name == 'workflow_dispatch')",
        "release": "github.event_name == 'push' && github.ref_type == 'tag'",
        "drift": "github.event_name == 'schedule'",
    }


def test_a_release_has_an_environment_of_its_own() -> None:
    """Row 12: a tag runs its commit's own workflow, and gets what the environment for tags holds, and no more."""
    environments = {name: job["environment"] for name, job in jobs(BUILD)}
    assert environments == {"up": "production", "release": "release", "drift": "production"}
    (release,) = (step["run"] for step in dict(jobs(BUILD))["release"]["steps"] if "release" in step.get("run", ""))
    assert "carbide-infra release" in release, "the command refuses what is not on main"


def test_this_repository_runs_what_its_own_ci_runs() -> None:
    commands = [step["run"] for step in steps(TEST) if "run" in step]
    assert commands == re.findall(r"^make .*$", (project_root() / ".ci/run").read_text(), re.MULTILINE)
