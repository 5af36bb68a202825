"""What the subcommands ask Pulumi, and what a user sees where it gives no answer."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from carbide_infra.cli.app import app
from carbide_infra.errors import CommandError, MissingPrerequisite, SetupError
from carbide_infra.stack.deployed import Deployed
from carbide_infra.stack.pulumi_stack import PulumiStack, open_stack
from tests.support.fake_programs import FakeProgram
from tests.support.outputs import exported

FLAGS = "--stack prod --non-interactive"
NO_STACK = "error: no stack named 'prod' found"
LOCKED = "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete"
NO_PASSPHRASE = "error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"  # noqa: S105


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProgram:
    """The Pulumi CLI on PATH, in a folder that is not a checkout."""
    program = FakeProgram(tmp_path / "bin", "pulumi")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    return program


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code, done.output
    return done


# ---- What is asked.


def test_each_question_is_one_call(pulumi: FakeProgram) -> None:
    stack = open_stack("prod")
    pulumi.answer("stack output", {"images": {}})
    pulumi.answer("stack export", {"deployment": {"resources": [{"urn": "a"}]}})
    pulumi.answer("config", {"carbide-infra:goVersion": {"value": "1.25"}, "aws:region": {"value": "x"}})
    assert stack.outputs() == {"images": {}}
    assert stack.resources() == [{"urn": "a"}]
    assert stack.values() == {"goVersion": "1.25"}
    assert pulumi.calls == [
        f"stack output --json {FLAGS}",
        f"stack export {FLAGS}",
        f"config --json --show-secrets {FLAGS}",
    ]


def test_outside_a_checkout_pulumi_runs_where_the_user_is_with_the_users_variables(
    pulumi: FakeProgram, tmp_path: Path
) -> None:
    assert open_stack("prod") == PulumiStack("prod", pulumi.path, tmp_path, dict(os.environ))


@pytest.mark.parametrize(
    "ask", [PulumiStack.outputs, PulumiStack.resources, PulumiStack.values, PulumiStack.preview, PulumiStack.select]
)
def test_pulumi_gets_the_stacks_folder_and_variables_and_no_others(
    pulumi: FakeProgram, tmp_path: Path, ask: Callable[[PulumiStack], object]
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    pulumi.answer("", {})
    ask(PulumiStack("prod", pulumi.path, folder, {"PULUMI_HOME": "/p", "PATH": "/usr/bin:/bin"}))
    assert pulumi.folder == folder
    own = {"SSH_AUTH_SOCK", "PULUMI_DEBUG_COMMANDS"} if ask == PulumiStack.preview else set()
    assert pulumi.environment.keys() - {"PWD", "_", "SHLVL", "OLDPWD"} == {"PULUMI_HOME", "PATH"} | own


def test_no_preview_has_the_users_ssh_agent(pulumi: FakeProgram, tmp_path: Path) -> None:
    pulumi.answer("", {})
    stack = PulumiStack("prod", pulumi.path, tmp_path, {"PATH": "/usr/bin:/bin", "SSH_AUTH_SOCK": "/home/me/agent"})
    for preview in (stack.preview, stack.show_preview):
        preview()
        assert pulumi.environment["SSH_AUTH_SOCK"] == str(tmp_path / ".local/no-agent")
    stack.update(tmp_path / "log")
    assert pulumi.environment["SSH_AUTH_SOCK"] == "/home/me/agent"


def test_a_stack_does_not_show_its_secrets_when_it_is_printed(pulumi: FakeProgram, tmp_path: Path) -> None:
    assert pulumi.path.is_file()
    assert "s3cr3t" not in repr(PulumiStack("prod", Path("pulumi"), tmp_path, {"PULUMI_CONFIG_PASSPHRASE": "s3cr3t"}))


@pytest.mark.parametrize("answer", [{}, {"deployment": None}, {"deployment": {}}, {"deployment": {"resources": None}}])
def test_a_stack_before_its_first_update_has_nothing(pulumi: FakeProgram, answer: dict[str, Any]) -> None:
    pulumi.answer("stack export", answer)
    assert open_stack("prod").resources() == []
    pulumi.answer("stack output", "\n")
    assert open_stack("prod").outputs() == {}


def test_in_a_project_pulumi_runs_in_its_folder(pulumi: FakeProgram, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "below").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "below")
        assert open_stack("prod") == PulumiStack("prod", pulumi.path, tmp_path, dict(os.environ))


def test_without_pulumi_a_sentence_says_where_to_get_it(pulumi: FakeProgram) -> None:
    pulumi.path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(pulumi.path.parent))
        with pytest.raises(MissingPrerequisite, match=r"pulumi: is not on PATH; install it from https://"):
            open_stack("prod")


# ---- What a user sees.


def test_a_stack_may_be_named_by_a_variable(pulumi: FakeProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK", "prod")
    pulumi.answer("preview", {"steps": []})
    run("report")
    assert pulumi.calls == [f"preview --json --show-sames {FLAGS}"]


def test_an_error_begins_with_what_was_asked(pulumi: FakeProgram) -> None:
    pulumi.answer("", error="error: no\n", code=255)
    with pytest.raises(SetupError, match=r"^`pulumi stack output --json --stack prod` failed:\n(.|\n)*error: no$"):
        open_stack("prod").outputs()


ASKING = [
    ("images",),
    ("release", "--tag", "v1.4.0"),
    ("report",),
    ("verify",),
    ("baseline", "save", "--file", "none.json"),
]


@pytest.mark.parametrize("words", [NO_STACK, LOCKED, NO_PASSPHRASE])
@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_what_pulumi_refuses_is_told_in_its_words_and_stdout_stays_empty(
    pulumi: FakeProgram, command: tuple[str, ...], words: str
) -> None:
    pulumi.answer("", error=f"{words}\n", code=255)
    done = run(*command, "--stack", "prod", code=2)
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_preview_that_does_not_come_far_is_told_by_the_end_of_its_output(pulumi: FakeProgram) -> None:
    pulumi.answer("preview", "Previewing update (prod):\n", error="debug\n" * 30 + LOCKED + "\n", code=255)
    shown = run("report", "--stack", "prod", code=2).stderr
    assert "`pulumi preview --stack prod` failed:" in shown
    assert LOCKED in shown
    assert "Previewing update (prod):" in shown
    assert shown.count("debug") == 13


def test_a_preview_is_reported_even_where_it_fails(pulumi: FakeProgram) -> None:
    preview = {
        "config": {"carbide-infra:registryServer": "nvcr.io"},
        "steps": [],
        "diagnostics": [{"severity": "error", "message": "error: source = '/x': is not a folder\n"}],
    }
    pulumi.answer("preview", preview, code=255)
    done = run("report", "--stack", "prod", code=2)
    assert "carbide-infra/prod: The preview failed" in done.stdout
    assert "source = '/x': is not a folder" in done.stdout
    assert "Previewing stack prod…" in done.stderr


def test_a_report_needs_resources_that_stay_too(pulumi: FakeProgram) -> None:
    recording = Path(__file__).parents[1] / "recordings" / "one_file.json"
    pulumi.answer("preview", does=f"cat '{recording}'")
    saved = run("report", "--stack", "prod", "--preview", str(recording)).stdout
    assert run("report", "--stack", "prod").stdout == saved
    assert pulumi.calls == [f"preview --json --show-sames {FLAGS}"]


@pytest.mark.parametrize("output", [[], {"steps": 1}])
def test_an_answer_of_another_form_is_refused(pulumi: FakeProgram, output: object) -> None:
    pulumi.answer("preview", output)
    assert "pulumi preview" in run("report", "--stack", "prod", code=2).stderr


def test_verify_asks_for_secrets_only_where_the_stack_has_a_login(pulumi: FakeProgram) -> None:
    outputs = exported()
    images: list[tuple[str, dict[str, list[str]]]] = [("carbide-rest-api", {"registries": []})]
    resources = [{"urn": "s::stack", "type": "pulumi:pulumi:Stack", "outputs": outputs}]
    resources += [{"urn": f"i::{name}", "type": "docker-build:index:Image", "inputs": given} for name, given in images]
    pulumi.answer("stack export", {"deployment": {"resources": resources}})
    run("verify", "--stack", "prod", "--image", "none", code=2)
    assert pulumi.calls == [f"stack export {FLAGS}"]
    resources[1]["inputs"] = {"registries": [{"address": "nvcr.io"}]}
    pulumi.answer("stack export", {"deployment": {"resources": resources}})
    pulumi.answer("config", {"carbide-infra:registryUsername": {"value": "me"}})
    run("verify", "--stack", "prod", "--image", "none", code=2)
    assert pulumi.calls[1:] == [f"stack export {FLAGS}", f"config --json --show-secrets {FLAGS}"]


def test_one_image_with_a_login_is_enough_to_want_it() -> None:
    assert Deployed({}, inputs={"a": {"registries": []}, "b": {"registries": [{"address": "x"}]}}).wants_login


# ---- Baselines.

SIGNATURE = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def test_a_baseline_is_saved_without_secrets(pulumi: FakeProgram, tmp_path: Path) -> None:
    secret = {**SIGNATURE, "plaintext": json.dumps("s3cr3t")}
    pulumi.answer("stack export", {"version": 3, "deployment": {"resources": [{"inputs": {"password": secret}}]}})
    file = tmp_path / "new folder" / "baseline.json"
    assert f"Wrote {file}" in run("baseline", "save", "--stack", "prod", "--file", str(file)).stderr
    assert pulumi.calls == [f"stack export --show-secrets {FLAGS}"]
    assert json.loads(file.read_text()) == {"version": 3, "deployment": {"resources": [{"inputs": {"password": ""}}]}}


ENCRYPTED = "config:\n  carbide-infra:a: b\n  carbide-infra:c:\n    secure: v1:x\nencryptionsalt: v1:y\n"


def test_a_baseline_is_loaded_into_a_stack_of_its_own(pulumi: FakeProgram, tmp_path: Path) -> None:
    config, file = tmp_path / "Pulumi.prod.yaml", tmp_path / "baseline.json"
    config.write_text(ENCRYPTED)
    file.write_text("{}")
    done = run("baseline", "load", "--stack", "prod", "--file", "baseline.json")
    assert pulumi.calls == [f"stack init --no-select {FLAGS}", f"stack import --file {file} {FLAGS}"]
    assert config.read_text() == "config:\n  carbide-infra:a: b\n"
    assert pulumi.folder == tmp_path
    assert "Stack prod is as baseline.json has it" in done.stderr


def test_without_a_baseline_every_image_is_new(pulumi: FakeProgram, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text(ENCRYPTED)
    done = run("baseline", "load", "--stack", "prod", "--file", "none.json")
    assert pulumi.calls == [f"stack init --no-select {FLAGS}"]
    assert "to this preview, every image is new" in done.stderr


def test_a_stack_that_is_there_keeps_its_file(pulumi: FakeProgram, tmp_path: Path) -> None:
    config = tmp_path / "Pulumi.prod.yaml"
    config.write_text(ENCRYPTED)
    pulumi.answer("stack init", error="error: stack 'prod' already exists\n", code=255)
    done = run("baseline", "load", "--stack", "prod", "--file", "none.json", code=2)
    assert "stack 'prod' already exists" in done.stderr
    assert config.read_text() == ENCRYPTED


def test_a_stack_without_a_file_has_no_baseline(pulumi: FakeProgram, tmp_path: Path) -> None:
    done = run("baseline", "load", "--stack", "prod", "--file", "none.json", code=2)
    assert f"--stack prod: there is no {tmp_path / 'Pulumi.prod.yaml'}" in done.stderr
    assert pulumi.calls == []


# ---- Two updates at once.


@pytest.mark.parametrize("watched", [True, False])
def test_an_update_that_another_one_comes_before_names_it(
    pulumi: FakeProgram, tmp_path: Path, *, watched: bool
) -> None:
    """The other one takes the lock between our look and Pulumi's own."""
    lock = tmp_path / ".pulumi/locks/organization/carbide-infra/prod/x.json"
    content = json.dumps({"pid": 17, "hostname": "build-3", "username": "ci", "timestamp": "2026-11-26T09:30:01Z"})
    pulumi.answer("up ", error=LOCKED, code=255, does=f"mkdir -p {lock.parent}; echo '{content}' > {lock}")
    environment = {"PATH": os.defpath, "PULUMI_BACKEND_URL": f"file://{tmp_path}"}
    stack = PulumiStack("prod", pulumi.path, tmp_path, environment)
    with pytest.raises(CommandError, match=r"another update runs since .* \(process 17 of ci on build-3\)"):
        stack.update(tmp_path / "log", (lambda _: None) if watched else None)
