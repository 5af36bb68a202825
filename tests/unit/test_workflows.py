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
PREVIEW, COMMENT, UP, RELEASE, DRIFT = CALLABLE = [
    FOLDER / f"{name}.yml" for name in ("preview", "comment", "up", "release", "drift")
]
WITH_CREDENTIALS = [UP, RELEASE, DRIFT]
BUILD, TEST = FOLDER / "build-push-docker.yml", FOLDER / "test.yml"
WITH_STEPS = [*CALLABLE, TEST]
ACTION = project_root() / ".github/actions/setup"
SETUP = ACTION / "action.yml"
USES_SETUP = "$/.github/actions/setup"

_FILE = r'(?:\.local/[\w./-]+|"\$GITHUB_STEP_SUMMARY")'
_WORD = r'(?:[\w./@=-]+|"\$[A-Z_]+")'
_CALL = rf"(?:make|carbide-infra)(?: {_WORD})+(?: \| tee -a {_FILE}| > {_FILE})?"
_NOTE = rf'(?:cat {_FILE}|echo "\$[A-Z_]+") >>? {_FILE}'
_OWN = r'python3 "\$GITHUB_ACTION_PATH/[a-z]+\.py"|\.venv/bin/python -m devenv env --github >> "\$GITHUB_ENV"'
COMMAND = re.compile(
    rf"{_CALL}|{_NOTE}|{_OWN}|pulumi plugin install resource [a-z-]+ [\d.]+|git config remote\.origin\.tagOpt --tags"
)
PIN = re.compile(r"(?:actions|docker|pulumi)/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
OF_THIS_COMMIT = re.compile(r"\$/\.github/(?:actions/setup|workflows/[a-z-]+\.yml)")
# Those that read another repository reach the step that checks it out, and no other.
OF_THE_OTHER_REPOSITORY = {"REPOSITORY_TOKEN", "REPOSITORY_SSH_KEY"}


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
        yield from job.get("steps", [])


def every_file(test: Any) -> Any:  # noqa: ANN401 - a decorator of pytest's
    return pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)(test)


def every_step_s_file(test: Any) -> Any:  # noqa: ANN401
    return pytest.mark.parametrize("file", [*WITH_STEPS, SETUP], ids=lambda file: file.name)(test)


def every_callable(test: Any) -> Any:  # noqa: ANN401
    return pytest.mark.parametrize("file", CALLABLE, ids=lambda file: file.name)(test)


def secrets_of(text: str) -> set[str]:
    return set(re.findall(r"secrets\.(\w+)", text))


def test_there_are_the_seven() -> None:
    assert sorted([*CALLABLE, BUILD, TEST]) == FILES


@pytest.mark.parametrize("file", [*FILES, SETUP], ids=lambda file: file.name)
def test_actions_are_their_makers_own_and_pinned_by_commit_with_a_version(file: Path) -> None:
    lines = re.findall(r"^ *(?:- )?uses: (.*)$", file.read_text(), re.MULTILINE)
    calls = 0 if file == SETUP else sum("uses" in job for _, job in jobs(file))
    assert len(lines) == sum("uses" in step for step in steps(file)) + calls > 0
    assert [line for line in lines if not OF_THIS_COMMIT.fullmatch(line) and not PIN.fullmatch(line)] == []


def test_an_action_has_one_pin_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for file in [*FILES, SETUP]:
        for action, pin in re.findall(r"uses: ([\w-]+/[\w-]+)\S*@(\S+ # \S+)", file.read_text()):
            pins.setdefault(action, set()).add(pin)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize("file", WITH_STEPS, ids=lambda file: file.name)
def test_a_job_begins_with_the_one_action_that_checks_and_sets_up(file: Path) -> None:
    for name, job in jobs(file):
        first, *others = (step.get("uses", "") for step in job["steps"])
        assert first == USES_SETUP, name
        assert not any("checkout" in action or "/setup" in action for action in others), name


def test_only_what_runs_the_engine_is_given_one() -> None:
    given = {(file.stem, name): job["steps"][0].get("with", {}) for file in WITH_STEPS for name, job in jobs(file)}
    assert {name for name, said in given.items() if said.get("engine") == "false"} == {
        ("comment", "comment"),
        ("test", "lint"),
    }
    assert {name for name, said in given.items() if said.get("builds") == "true"} == {("up", "up")}
    conditions = {step.get("uses", step.get("run", "")).partition("@")[0]: step.get("if") for step in steps(SETUP)}
    engine, there = "inputs.engine == 'true'", "runner.environment == 'github-hosted'"
    assert conditions == {
        'python3 "$GITHUB_ACTION_PATH/inputs.py"': None,
        # Of the two checkouts, the other repository's.
        "actions/checkout": "steps.inputs.outputs.repository",
        'python3 "$GITHUB_ACTION_PATH/folders.py"': None,
        "actions/setup-python": None,
        "actions/setup-go": engine,
        "pulumi/actions": f"{engine} && {there}",
        "docker/setup-buildx-action": f"{engine} && {there}",
        "pulumi plugin install resource docker-build 0.0.22": f"{engine} && {there}",
        "git config remote.origin.tagOpt --tags": engine,
        'python3 "$GITHUB_ACTION_PATH/packages.py"': None,
        '.venv/bin/python -m devenv env --github >> "$GITHUB_ENV"': (
            f"{engine} && {there.replace('==', '!=')} && steps.packages.outputs.kit"
        ),
    }


def test_what_runs_the_engine_has_the_whole_history_and_every_tag() -> None:
    """The set-up says so to git, which cannot tell a copy without tags from a project without releases."""
    checkouts = [step["with"] for step in steps(SETUP) if step.get("uses", "").startswith("actions/checkout@")]
    assert [given["fetch-depth"] for given in checkouts] == ["${{ inputs.engine == 'true' && '0' || '1' }}"] * 2
    (tags,) = (step for step in steps(SETUP) if "tagOpt" in step.get("run", ""))
    assert tags["working-directory"] == "${{ steps.inputs.outputs.source }}", "the source's versions are what counts"


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
    for file in WITH_CREDENTIALS:
        setup, *others = steps(file)
        assert setup["id"] == "setup", file
        with_credentials = [step for step in others if "secrets." in str(step)]
        builders = {step["env"]["BUILDX_BUILDER"] for step in with_credentials}
        assert builders == {"${{ steps.setup.outputs.builder }}"}, file
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


@every_step_s_file
def test_a_command_s_folder_is_the_one_that_was_checked(file: Path) -> None:
    checked = ["${{ steps.setup.outputs.project }}"]
    if file == SETUP:
        checked = [f"${{{{ steps.inputs.outputs.{name} }}}}" for name in ("project", "source")]
    folders = {step["working-directory"] for step in steps(file) if "working-directory" in step}
    assert folders <= set(checked)


@every_file
def test_permissions_are_those_that_are_needed(file: Path) -> None:
    granted = {"": read(file)["permissions"]}
    granted |= {name: job["permissions"] for name, job in jobs(file) if "permissions" in job}
    if file == COMMENT:
        assert granted == {"": {}, "comment": {"actions": "read", "contents": "read", "pull-requests": "write"}}
    else:
        assert granted == {"": {"contents": "read"}}


def test_a_checkout_leaves_no_token_behind() -> None:
    checkouts = [step["with"] for step in steps(SETUP) if step.get("uses", "").startswith("actions/checkout@")]
    assert [given["persist-credentials"] for given in checkouts] == ["false", "false"]


@every_file
def test_every_job_ends(file: Path) -> None:
    assert all(int(job["timeout-minutes"]) <= 120 for _, job in jobs(file) if "steps" in job)


@pytest.mark.parametrize(
    ("file", "events"), [(PREVIEW, ["pull_request", "workflow_call"]), (TEST, ["pull_request", "push"])]
)
def test_a_pull_request_s_code_meets_no_secret(file: Path, events: list[str]) -> None:
    assert list(read(file)["on"]) == events
    assert "secrets." not in str([step for step in steps(file) if step.get("uses") != USES_SETUP])
    assert secrets_of(file.read_text()) <= OF_THE_OTHER_REPOSITORY
    assert "github.token" not in file.read_text()
    assert all("environment" not in job for _, job in jobs(file))


def test_nothing_runs_a_pull_request_s_code_with_main_s_rights() -> None:
    assert not any("pull_request_target" in read(file)["on"] for file in FILES)


def test_whoever_may_comment_runs_main_s_code_on_a_file() -> None:
    assert list(read(COMMENT)["on"]) == ["workflow_run", "workflow_call"]
    assert secrets_of(COMMENT.read_text()) == OF_THE_OTHER_REPOSITORY
    ((_, job),) = jobs(COMMENT)
    assert job["steps"][0]["with"]["ref"] == "${{ github.event.repository.default_branch }}"
    (download,) = (step["with"] for step in job["steps"] if "download-artifact" in step.get("uses", ""))
    assert download["path"] == "${{ steps.setup.outputs.project }}/.local/untrusted"
    (written,) = (step["run"] for step in job["steps"] if " comment " in step.get("run", ""))
    assert '--commit "$COMMIT"' in written, "a stranger's number is checked against the run's own commit"


def test_previews_replace_each_other_and_updates_never() -> None:
    ((_, preview),) = jobs(PREVIEW)
    assert preview["concurrency"]["cancel-in-progress"] == "true"
    assert read(TEST)["concurrency"]["cancel-in-progress"] == "true"
    building = {name: job for file in WITH_CREDENTIALS for name, job in jobs(file)}
    assert all(job["concurrency"]["cancel-in-progress"] == "false" for job in building.values())
    # One group has one waiting job: a nightly check must not take the place of an update that waits.
    updating = {name for name, job in building.items() if "carbide-infra up" in str(job["steps"])}
    assert updating == {"up"}
    assert len({job["concurrency"]["group"] for job in building.values()}) == len(building)


def test_what_runs_at_a_time_is_counted_for_each_project_and_stack() -> None:
    for file in (PREVIEW, *WITH_CREDENTIALS):
        for name, job in jobs(file):
            start = f"{name}-${{{{ inputs.project }}}}-${{{{ inputs.stack }}}}"
            assert job["concurrency"]["group"].startswith(start)


def test_credentials_reach_no_action_and_no_setup() -> None:
    for file in WITH_CREDENTIALS:
        setup, *others = steps(file)
        assert secrets_of(str(setup)) == OF_THE_OTHER_REPOSITORY
        with_secrets = [step for step in others if "secrets." in str(step)]
        assert with_secrets
        assert all("run" in step for step in with_secrets)
        assert not any(OF_THE_OTHER_REPOSITORY & secrets_of(str(step)) for step in others)
        assert "secrets." not in str(read(file)["env"])
        assert all("secrets." not in str(job.get("env", "")) for _, job in jobs(file))
    assert not re.search(r"secrets\.|github\.event", SETUP.read_text())
    (other,) = (step for step in steps(SETUP) if "github.token" in str(step))
    assert other["uses"].startswith("actions/checkout@"), "and it keeps none"


def test_exactly_one_job_answers_each_event() -> None:
    assert sorted(read(BUILD)["on"]) == ["push", "schedule", "workflow_dispatch"]
    assert [list(read(file)["on"]) for file in WITH_CREDENTIALS] == [["workflow_call"]] * 3
    conditions = {name: job["if"] for name, job in jobs(BUILD)}
    assert conditions == {
        "up": "github.ref == 'refs/heads/main' && "
        "(github.event_name == 'push' || github.event_name == 'workflow_dispatch')",
        "release": "github.event_name == 'push' && github.ref_type == 'tag'",
        "drift": "github.event_name == 'schedule'",
    }
    assert {name: job["uses"] for name, job in jobs(BUILD)} == {
        name: f"$/.github/workflows/{name}.yml" for name in conditions
    }


def test_jobs_with_rights_install_no_package_that_only_tests() -> None:
    assert all(read(file)["env"]["CARBIDE_RUNTIME_ONLY"] == "1" for file in CALLABLE)
    assert "env" not in read(TEST)


def test_a_release_has_an_environment_of_its_own() -> None:
    """Row 12: a tag runs its commit's own workflow, and gets what the environment for tags holds, and no more."""
    environments = {file.stem: read(file)["on"]["workflow_call"]["inputs"]["environment"] for file in WITH_CREDENTIALS}
    assert {name: said["default"] for name, said in environments.items()} == {
        "up": "production",
        "release": "release",
        "drift": "production",
    }
    for file in WITH_CREDENTIALS:
        assert all(job["environment"] == "${{ inputs.environment }}" for _, job in jobs(file))
    (release,) = (step["run"] for step in steps(RELEASE) if "release" in step.get("run", ""))
    assert "carbide-infra release" in release, "the command refuses what is not on main"


@every_callable
def test_what_can_be_called_says_what_each_input_is(file: Path) -> None:
    call = read(file)["on"]["workflow_call"]
    assert {"project", "runner", "project-repository", "source-repository"} <= call["inputs"].keys()
    for name, said in call["inputs"].items():
        assert said.keys() == {"description", "type", "default"}, name
        assert f"inputs.{name}" in file.read_text(), name
    for name, said in call["secrets"].items():
        assert said["required"] == "false", "a fork's pull request has none"
        assert f"secrets.{name}" in file.read_text(), name
    assert secrets_of(file.read_text()) == call["secrets"].keys()


def test_nobody_is_given_every_secret() -> None:
    for name, job in jobs(BUILD):
        assert isinstance(job["secrets"], dict), name
        assert all(value == f"${{{{ secrets.{key} }}}}" for key, value in job["secrets"].items()), name


def test_what_the_set_up_is_given_it_takes() -> None:
    """Actionlint does not look behind `$/`."""
    taken, given_out = read(SETUP)["inputs"].keys(), read(SETUP)["outputs"].keys()
    for file in WITH_STEPS:
        for step in steps(file):
            if step.get("uses") == USES_SETUP:
                assert step.get("with", {}).keys() <= taken, file
        assert set(re.findall(r"steps\.setup\.outputs\.([\w-]+)", file.read_text())) <= given_out, file


def test_this_repository_runs_what_its_own_ci_runs() -> None:
    commands = [step["run"] for step in steps(TEST) if "run" in step]
    assert commands == re.findall(r"^make .*$", (project_root() / ".ci/run").read_text(), re.MULTILINE)
