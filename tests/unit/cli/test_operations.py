"""Commands that change a stack: what they ask the CLI, print, and end with; the CLI is a script."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from carbide_infra.cli import up
from carbide_infra.cli.app import app
from carbide_infra.cli.outcome import stdout_kept_for_data
from carbide_infra.registry.client import RegistryClient
from carbide_infra.stack.pulumi_stack import PulumiStack
from tests.support.catalogue import FOLDER
from tests.support.outputs import exported

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
    code=$(cat {folder}/code); [ "$code" = 0 ] || exit "$code" ;;
preview) if [ "$2" = --json ]; then
        while [ $# -gt 0 ]; do [ "$1" = --event-log ] && cp "{folder}/events of previews" "$2"; shift; done
        cat {folder}/previewed; exit 0
    fi
    code=$(cat {folder}/code); [ "$code" = 0 ] || exit "$code" ;;
refresh) code=$(cat {folder}/code); [ "$code" = 0 ] || exit "$code" ;;
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
        (folder / "devenv").mkdir()
        (folder / "Pulumi.dev.yaml").write_text(CONFIG)
        (folder / "source").mkdir()
        (folder / "docker").symlink_to(FOLDER.parent)
        (folder / "pulumi").write_text(PULUMI.format(folder=folder))
        (folder / "pulumi").chmod(0o755)
        self.ends_with(0)
        (folder / "events of previews").touch()
        (folder / "previewed").write_text('{"steps": []}')
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


# ---- Rules.


@pytest.fixture
def ruled(project: Project) -> Project:
    """A project that the rules hold for."""
    (project.folder / "policy").mkdir()
    return project


def violated(rule: str, sentence: str, level: str) -> str:
    """The engine's event of a violation."""
    event = {"message": f"What holds.\n{sentence}\n", "policyName": rule, "enforcementLevel": level}
    return json.dumps({"policyEvent": event}) + "\n"


def test_what_a_rule_refuses_is_not_begun(ruled: Project, tmp_path: Path) -> None:
    said = violated("listed-registry", "x goes to y; push to z.", "mandatory") + violated(
        "b", "some advice.", "advisory"
    )
    (tmp_path / "events of previews").write_text(said)
    done = ruled.run("up")
    assert done.exit_code == 1
    assert "stack dev is not what its rules ask for:\n    x goes to y; push to z.\n" in done.stderr
    assert "some advice" not in done.stderr
    assert not any(line.startswith("up ") for line in ruled.asked())


def test_advice_ends_no_update(ruled: Project, tmp_path: Path) -> None:
    (tmp_path / "events of previews").write_text(violated("b", "some advice.", "advisory"))
    assert ruled.run("up").exit_code == 0


def test_a_development_stack_is_not_previewed_before_its_update(ruled: Project, tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(CONFIG.replace("registry.invalid", "local"))
    (tmp_path / "events of previews").write_text(violated("b", "x goes to y.", "mandatory"))
    ruled.run("up")
    assert [line.split()[0] for line in ruled.asked()][:2] == ["stack", "up"]


def test_rules_are_asked_with_what_the_project_says_of_them(ruled: Project, tmp_path: Path) -> None:
    (tmp_path / "policy/config.json").write_text("{}")
    assert ruled.run("up").exit_code == ruled.run("preview").exit_code == 0
    pack = f" --policy-pack {Path(sys.executable).with_name('carbide-infra-policy')} "
    config = f"--policy-pack-config {tmp_path}/policy/config.json "
    asked = [line for line in ruled.asked() if line.split()[0] in {"up", "preview"}]
    assert [line.split()[0] for line in asked] == ["preview", "up", "preview"]
    assert all(pack + config in line for line in asked)


def test_without_the_packs_program_nothing_counts_as_allowed(ruled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carbide_infra.stack.policy_pack.PROGRAM", "no-such-program")
    done = ruled.run("up")
    assert done.exit_code == 1
    assert "no-such-program is missing: make venv" in done.stderr
    assert not any(line.startswith("up ") for line in ruled.asked())


def test_what_a_rule_refuses_while_the_update_runs_is_told(ruled: Project, tmp_path: Path) -> None:
    ruled.ends_with(1)
    (tmp_path / "events").write_text(violated("size-budget", "x has no size budget; set it.", "mandatory"))
    done = ruled.run("up")
    assert done.exit_code == 1
    assert "x has no size budget; set it.\n" in done.stderr


def test_a_report_tells_what_the_rules_say(ruled: Project, tmp_path: Path) -> None:
    (tmp_path / "previewed").write_text(json.dumps({"steps": [], "diagnostics": [FAILED]}))
    said = violated("listed-registry", "x goes to y; push to z.", "mandatory") + violated(
        "b", "some advice.", "advisory"
    )
    (tmp_path / "events of previews").write_text(said)
    done = ruled.run("report", "--format", "json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["errors"] == ["x goes to y; push to z."]


FAILED = {"severity": "error", "message": "error: preview failed\n"}


def test_a_failed_update_ends_with_pulumis_code_and_what_the_build_said(project: Project, tmp_path: Path) -> None:
    project.ends_with(3)
    events = [
        {"diagnosticEvent": {"urn": URN, "message": "#13 0.659 main.go:87:24: undefined: x"}},
        {"diagnosticEvent": {"urn": URN, "severity": "error", "message": 'process "x" did not complete successfully'}},
        {"resOpFailedEvent": {"metadata": {"urn": URN}}},
    ]
    (tmp_path / "events").write_text("".join(json.dumps(event) + "\n" for event in events))
    done = project.run("up", "--stack", "dev")
    assert done.exit_code == 3
    assert f"{IMAGE} failed:\n    main.go:87:24: undefined: x\n" in done.stderr
    assert "`make up STACK=dev` does the rest." in done.stderr


@pytest.mark.parametrize("code", [0, 3])
def test_an_update_for_a_program_prints_json_and_nothing_else(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(up, "image_sizes", lambda images, _: {name: {"linux/amd64": 4_900_000} for name in images})
    project.ends_with(code)
    script = (tmp_path / "pulumi").read_text()
    (tmp_path / "pulumi").write_text(script.replace("up) ", "up) echo Updating; "))
    (tmp_path / "events").write_text(
        "".join(
            f"{json.dumps(event)}\n"
            for event in (
                {"resOpFailedEvent": {"metadata": {"urn": URN}}} if code else {},
                {"diagnosticEvent": {"urn": URN, "severity": "error", "message": "denied"}} if code else {},
                {"summaryEvent": {"resourceChanges": {"same": 3}}},
            )
            if event
        )
    )
    (tmp_path / "output").write_text(json.dumps(exported()))
    done = project.run("up", "--json")
    assert done.exit_code == code
    said = json.loads(done.stdout)
    assert "Updating\n" in done.stderr
    assert set(said) == {"sentence", "failures", "images"}
    assert set(said["images"]) == set(exported()["images"])
    assert said["images"]["carbide-rest-api"] == {
        "became": "unchanged",
        "seconds": None,
        "reference": "nvcr.io/nvidia/carbide/carbide-rest-api:1.4.0-8b1c6d050d4a",
        "digest": exported()["images"]["carbide-rest-api"]["digest"],
        "bytes": {"linux/amd64": 4_900_000},
    }
    assert said["images"][IMAGE]["became"] == ("failed" if code else "unchanged")
    assert bool(said["failures"]) == bool(code)
    assert said["sentence"] == ("" if code else "No changes: every image is as this source tree and stack want it.")


def test_stdout_is_kept_from_programs_that_are_started(capfd: pytest.CaptureFixture[str]) -> None:
    with stdout_kept_for_data():
        subprocess.run(["echo", "of a program"], check=True)
        sys.stdout.write("of ours\n")
    sys.stdout.write("data\n")
    assert capfd.readouterr().out == "data\n"


# ---- What an update was killed at.

STACK_URN = "urn:pulumi:dev::carbide-infra::pulumi:pulumi:Stack::carbide-infra-dev"
WARNING = f"Attempting to deploy or update resources with 1 pending operations from previous deployment.\n  * {URN}, "
CLEARED = f"refresh --clear-pending-creates --target {STACK_URN} --yes --stack dev --non-interactive"


def pending(project: Project, *operations: str) -> None:
    """An update that finds what one before was killed at."""
    told = {"severity": "warning", "message": WARNING + "interrupted while creating\n"}
    with (project.folder / "events").open("a") as events:
        events.write(json.dumps({"diagnosticEvent": told}) + "\n")
    resources = [{"type": "pulumi:pulumi:Stack", "urn": STACK_URN}, {"type": "docker-build:index:Image", "urn": URN}]
    entries = [{"type": operation, "resource": {"urn": URN}} for operation in operations]
    state = {"deployment": {"resources": resources, "pending_operations": entries}}
    (project.folder / "export").write_text(json.dumps(state))


def test_what_pulumi_was_killed_at_is_pending_no_more_when_it_is_made(project: Project) -> None:
    """Pulumi keeps a note of what it had begun to create until somebody at a terminal says that it may go."""
    pending(project, "creating")
    done = project.run("up")
    assert done.exit_code == 0, done.output
    assert [line for line in project.asked() if line.startswith("refresh")] == [CLEARED]
    assert f"What an update before was killed at is pending no more: {IMAGE}" in done.stderr


@pytest.mark.parametrize(("code", "operations"), [(1, ["creating"]), (0, ["updating"]), (0, [])])
def test_what_is_not_made_stays_pending(project: Project, code: int, operations: list[str]) -> None:
    """Another operation's note goes with any update; of one that fails, nobody knows."""
    pending(project, *operations)
    project.ends_with(code)
    done = project.run("up")
    assert done.exit_code == code
    assert "pending no more" not in done.stderr
    assert [line for line in project.asked() if line.startswith("refresh")] == []


def test_a_stack_of_which_nothing_is_pending_is_not_asked_for_its_state(project: Project) -> None:
    assert project.run("up").exit_code == 0
    assert [line for line in project.asked() if line.startswith(("stack export", "refresh"))] == []


def test_a_refresh_clears_what_pulumi_was_killed_at(project: Project) -> None:
    assert project.run("refresh").exit_code == 0
    refresh = next(line for line in project.asked() if line.startswith("refresh"))
    assert "--clear-pending-creates" in refresh.split()


# ---- Failures that no compiler caused.

TAG_URN = URN.replace(":Image::", ":Index::") + "-version"
ANSWER = "unexpected status from PUT request to https://registry.invalid/v2/team/x/manifests/1.4.0: "


def failing(folder: Path, *problems: tuple[str, str]) -> list[dict[str, Any]]:
    """The log of an update in which these resources failed, for these reasons."""
    entries: list[dict[str, Any]] = []
    for urn, problem in problems:
        inputs = {"tag": "registry.invalid/team/x:1.4.0"}
        entries += [
            {"diagnosticEvent": {"urn": urn, "severity": "error", "message": problem}},
            {"resOpFailedEvent": {"metadata": {"urn": urn, "new": {"inputs": inputs}}}},
        ]
    (folder / "events").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return entries


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the command would have waited."""
    waited: list[float] = []
    # Its own name for it: subprocess sleeps too, while a program takes its time to end.
    monkeypatch.setattr("carbide_infra.cli.failing.sleep", waited.append)
    return waited


def updates(project: Project) -> int:
    return sum(line.startswith("up ") for line in project.asked())


def test_a_reason_that_all_images_have_is_told_once(project: Project, tmp_path: Path, waits: list[float]) -> None:
    project.ends_with(1)
    failing(tmp_path, (URN, "no space left on device"), (URN.replace("ipam", "api"), "no space left on device"))
    done = project.run("up")
    assert done.exit_code == 1
    assert "carbide-rest-api, carbide-rest-ipam failed:\n    no space left on device; a disk is full" in done.stderr
    assert (updates(project), waits) == (1, [])


@pytest.mark.parametrize(("free", "is_told"), [(10**8, True), (10**11, False)])
@pytest.mark.usefixtures("waits")
def test_free_space_is_looked_at_after_any_failure(
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    is_told: bool,  # noqa: FBT001
) -> None:
    """Row 21: a full disk often has no words of its own."""
    monkeypatch.setattr("carbide_infra.cli.failing.shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    project.ends_with(1)
    failing(tmp_path, (URN, "something odd"))
    done = project.run("up")
    assert ("only 0.1 GB free in" in done.stderr) == is_told
    assert ("which may be why; free some space" in done.stderr) == is_told


def test_what_fails_for_a_passing_reason_is_repeated_once(project: Project, tmp_path: Path, waits: list[float]) -> None:
    project.ends_with(1)
    failing(tmp_path, (TAG_URN, f"{ANSWER}500 Internal Server Error"))
    done = project.run("up")
    assert done.exit_code == 1
    reason = "registry.invalid answers 500 Internal Server Error to PUT /v2/team/x/manifests/1.4.0"
    assert f"{IMAGE}: the tag 1.4.0 failed:\n    {reason}\n" in done.stderr
    assert "That may pass: repeating the update, once, in 5 s." in done.stderr
    assert (updates(project), waits) == (2, [5.0])


@pytest.mark.parametrize(("answers", "times"), [(True, 2), (False, 1)])
def test_without_a_builder_nothing_is_repeated(
    project: Project,
    tmp_path: Path,
    waits: list[float],
    answers: bool,  # noqa: FBT001
    times: int,
) -> None:
    """It is there when the update begins, and gone, or back, in the end."""
    project.ends_with(1)
    failing(tmp_path, (URN, "failed to receive status: rpc error: code = Unavailable desc = error reading: EOF"))
    then = "running" if answers else "error"
    (tmp_path / "buildx").write_text(
        f"#!/bin/sh\ngrep -q '^up ' {tmp_path}/asked 2>/dev/null && now={then} || now=running\n"
        'printf "Name: local\\nStatus: %s\\n" "$now"\n'
    )
    (tmp_path / "buildx").chmod(0o755)
    done = project.run("up")
    assert done.exit_code == 1
    assert "the builder ended, or was ended, while it was at work" in done.stderr
    assert (updates(project), len(waits)) == (times, times - 1)


def test_a_repetition_that_succeeds_is_a_success(project: Project, tmp_path: Path, waits: list[float]) -> None:
    failing(tmp_path, (TAG_URN, "connection reset by peer"))
    program = (tmp_path / "pulumi").read_text()
    (tmp_path / "pulumi").write_text(
        program.replace("code=$(", f"[ -f {tmp_path}/again ] || {{ touch {tmp_path}/again; exit 1; }}; code=$(", 1)
    )
    done = project.run("up")
    assert done.exit_code == 0, done.output
    assert (updates(project), waits) == (2, [5.0])
    assert "Not all is well" not in done.stderr


@pytest.mark.parametrize(
    ("answer", "waited", "told"),
    [
        (("429 Such", 30.0), 30.0, "The registry asks us to wait for 30 s: repeating the update, once, in 30 s."),
        (
            ("429 Such", 600.0),
            120.0,
            "asks us to wait for 600 s, which is too long: repeating the update, once, in 120 s.",
        ),
        (("429 Such", None), 30.0, "The registry has had too many requests: repeating the update, once, in 30 s."),
        (("503 Such", 30.0), 30.0, "The registry asks us to wait for 30 s: repeating the update, once, in 30 s."),
        (("503 Such", None), 5.0, "That may pass: repeating the update, once, in 5 s."),
    ],
)
def test_a_registry_that_asks_to_wait_is_waited_for(
    answer: tuple[str, float | None],
    waited: float,
    told: str,
    project: Project,
    tmp_path: Path,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (said, wish), asked = answer, []

    def wished_pause(client: RegistryClient, *of: str) -> float | None:
        asked.append((client.server, *of))
        return wish

    monkeypatch.setattr(RegistryClient, "wished_pause", wished_pause)
    config = {"registryServer": "registry.invalid", "registryRepository": "team"}
    monkeypatch.setattr(PulumiStack, "values", lambda _: config)
    project.ends_with(1)
    failing(tmp_path, (TAG_URN, f"{ANSWER}{said}"))
    done = project.run("up")
    assert told in done.stderr
    assert waits == [waited]
    assert asked == [("registry.invalid", "team/x", "1.4.0")]


def test_a_tag_that_cannot_move_is_not_promised_to_the_next_update(
    project: Project, tmp_path: Path, waits: list[float]
) -> None:
    project.ends_with(1)
    failing(tmp_path, (TAG_URN, f"{ANSWER}409 Conflict"))
    done = project.run("up")
    assert "pulumi config set tagVersion false" in done.stderr
    assert done.stderr.endswith("Not all is well: see above. What is finished stays; that tag stays where it is.\n")
    assert (updates(project), waits) == (1, [])


def test_a_module_that_could_not_be_had_is_told_with_its_cause(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"registryServer": "registry.invalid", "registryRepository": "team"}
    monkeypatch.setattr(PulumiStack, "values", lambda _: config)
    project.ends_with(1)
    entries = failing(tmp_path, (URN, "process x did not complete successfully"))
    said = "#9 0.5 go: corp.test/a/b@v1.0.0: no secure protocol found for repository"
    entries.insert(0, {"diagnosticEvent": {"urn": URN, "message": said}})
    (tmp_path / "events").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    done = project.run("up")
    assert "    → corp.test/a/b@v1.0.0: corp.test wants a login, and gitcreds is not set; " in done.stderr


def test_an_image_over_its_budget_is_told(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = {
        "repository": f"registry.invalid/team/{IMAGE}",
        "tags": ["1"],
        "digest": f"sha256:{'a' * 64}",
        "platforms": ["linux/amd64", "linux/arm64"],
        "sizeBudget": 30_000_000,
    }
    (tmp_path / "output").write_text(json.dumps({"images": {IMAGE: image}}))
    sizes = {IMAGE: {"linux/amd64": 31_000_000, "linux/arm64": 30_000_000}}
    monkeypatch.setattr("carbide_infra.cli.up.image_sizes", lambda *_: sizes)
    done = project.run("up")
    assert f"WARNING: {IMAGE}: linux/amd64 has 31.0 MB compressed, and its sizeBudget is 30.0 MB; " in done.stderr
    assert "linux/arm64 has" not in done.stderr


@pytest.mark.parametrize("command", ["up", "preview", "refresh"])
def test_a_broken_credential_store_is_told_and_left_out(
    command: str, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logins").mkdir()
    (tmp_path / "logins/config.json").write_text(json.dumps({"credsStore": "gone", "auths": {"a.test": {"auth": "x"}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "logins"))
    (tmp_path / "pulumi").write_text(PULUMI.format(folder=tmp_path) + f"env > {tmp_path}/environment\n")
    done = project.run(command)
    assert done.exit_code == 0, done.output
    assert f"docker-credential-gone, the credsStore of {tmp_path}/logins/config.json, is not on PATH" in done.stderr
    copy = tmp_path / ".local/docker"
    assert f"\nDOCKER_CONFIG={copy}\n" in (tmp_path / "environment").read_text()
    assert json.loads((copy / "config.json").read_text()) == {"auths": {"a.test": {"auth": "x"}}}


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
