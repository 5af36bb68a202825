"""The local runner: toy workflows against a bare repository, each rule of GitHub's that it keeps."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.support.workflow_runner import cli
from tests.support.workflow_runner.errors import WorkflowError
from tests.support.workflow_runner.events import on_main, pull_request, push, workflow_run
from tests.support.workflow_runner.repository import Remote
from tests.support.workflow_runner.runner import Machine, fresh

IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
CHECKOUT = {"uses": "actions/checkout@abc", "with": {"fetch-depth": "0"}}


class World:
    """A developer's clone, the bare repository, and a machine."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "clone"
        self.remote = Remote(folder / "remote.git")
        self.machine = Machine(
            self.remote, folder / "workspace", folder / "kept", {"COLOUR": "blue"}, {"KEY": "s3cr3t"}
        )
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", self.remote.path], check=True)
        subprocess.run(["git", "clone", "--quiet", self.remote.path, self.clone], check=True, capture_output=True)
        self.git("checkout", "--quiet", "-B", "main")

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.clone), *IDENTITY, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, name: str, text: str) -> str:
        file = self.clone / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", name)
        return self.git("rev-parse", "HEAD")

    def workflow(self, *steps: dict[str, Any], on: object = "push", **keys: Any) -> str:  # noqa: ANN401
        """Commit a workflow of one job to main and push it; gives the commit."""
        job = {"runs-on": "any", "steps": list(steps)}
        commit = self.commit(".github/workflows/w.yml", yaml.safe_dump({"on": on, "jobs": {"job": job}, **keys}))
        self.git("push", "--quiet", "origin", "HEAD")
        return commit

    def run(self, ref: str = "refs/heads/main") -> dict[str, str]:
        return self.machine.run("w.yml", push(self.remote, ref))

    def said(self) -> str:
        return (self.machine.workspace / "said").read_text()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def say(text: str, **keys: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"run": f"echo {text} >> said", **keys}


def test_a_branch_is_checked_out_as_a_branch_with_all_history(world: World) -> None:
    world.commit("first", "1")
    commit = world.workflow(CHECKOUT, {"run": "git symbolic-ref HEAD > said; git log --format=%H >> said"})
    assert world.run() == {"job": "success"}
    branch, head, *older = world.said().split()
    assert (branch, head, len(older)) == ("refs/heads/main", commit, 1)


def test_a_hash_is_of_all_files_that_a_pattern_names(world: World) -> None:
    hashed = say("${{ hashFiles('a/*', 'b/**/*.go') }}")

    def said_after(name: str, text: str) -> str:
        world.commit(name, text)
        world.workflow(CHECKOUT, {"run": "rm -f said"}, hashed, name=name)
        world.run()
        return world.said()

    first = said_after("a/go.sum", "1")
    assert said_after("c/go.sum", "1") == first
    second = said_after("b/cmd/main.go", "1")
    assert len({first, second, said_after("a/go.sum", "2")}) == 3


def test_a_tag_is_checked_out_detached_and_all_tags_are_known(world: World) -> None:
    commit = world.workflow(CHECKOUT, {"run": "git rev-parse HEAD --abbrev-ref HEAD > said; git tag >> said"})
    world.git("tag", "--annotate", "--message", "One", "v1")
    world.git("tag", "v2")
    world.git("push", "--quiet", "origin", "v1", "v2")
    assert world.run("refs/tags/v1") == {"job": "success"}
    assert world.said().split() == [commit, "HEAD", "v1", "v2"]


def test_a_checkout_is_shallow_unless_it_asks_for_history(world: World) -> None:
    world.commit("first", "1")
    count = {"run": "git rev-list --count HEAD >> ../counts"}
    world.workflow({"uses": "actions/checkout@abc"}, count, CHECKOUT, count)
    world.run()
    assert (world.machine.workspace.parent / "counts").read_text().split() == ["1", "2"]


def test_what_git_ignores_outlives_a_checkout_and_nothing_else_does(world: World) -> None:
    world.commit(".gitignore", "/kept\n")
    world.workflow(CHECKOUT, {"run": "ls > /dev/null; touch kept said; echo edited > .gitignore"})
    world.run()
    world.run()
    world.workflow(CHECKOUT, {"run": "ls -A; test -e kept; test ! -e said; grep kept .gitignore"})
    assert world.run() == {"job": "success"}


def test_a_pull_request_is_its_merge(world: World) -> None:
    on = {"pull_request": {"branches": ["main"]}}
    text = "git log -1 --format=%P > said; cat a b >> said; echo $REF $BASE >> said"
    env = {"REF": "${{ github.ref }}", "BASE": "${{ github.base_ref }} ${{ github.event.pull_request.number }}"}
    world.workflow(CHECKOUT, {"run": text, "env": env}, on=on)
    world.git("checkout", "--quiet", "-b", "feature")
    head = world.commit("a", "from the branch\n")
    world.git("push", "--quiet", "origin", "feature")
    world.git("checkout", "--quiet", "main")
    base = world.commit("b", "from main\n")
    world.git("push", "--quiet", "origin", "main")
    event = pull_request(world.remote, 7, "main", "feature")
    assert world.machine.run("w.yml", event) == {"job": "success"}
    assert world.said().splitlines() == [
        f"{base} {head}",
        "from the branch",
        "from main",
        "refs/pull/7/merge main 7",
    ]


def test_a_pull_request_that_does_not_merge_is_told(world: World) -> None:
    world.workflow(CHECKOUT)
    world.git("checkout", "--quiet", "-b", "feature")
    world.commit("a", "one")
    world.git("push", "--quiet", "origin", "feature")
    world.git("checkout", "--quiet", "main")
    world.commit("a", "two")
    world.git("push", "--quiet", "origin", "main")
    with pytest.raises(WorkflowError, match="CONFLICT"):
        pull_request(world.remote, 7, "main", "feature")


def test_the_run_after_a_pull_request_s_is_main_s(world: World) -> None:
    main = world.workflow(
        CHECKOUT,
        {"run": 'echo "$SHA" > said', "env": {"SHA": "${{ github.event.workflow_run.head_sha }}"}},
        on={"workflow_run": {}},
    )
    world.git("checkout", "--quiet", "-b", "feature")
    head = world.commit("a", "one")
    world.git("push", "--quiet", "origin", "feature")
    event = workflow_run(world.remote, "feature")
    assert event.commit == main
    world.machine.run("w.yml", event)
    assert world.said().strip() == head


def test_steps_after_a_failure_are_those_that_ask_for_it(world: World) -> None:
    world.workflow(
        CHECKOUT,
        {"run": "false | true", "shell": "bash"},
        say("never"),
        say("after-failure", **{"if": "failure()"}),
        say("always", **{"if": "${{ always() }}"}),
    )
    assert world.run() == {"job": "failure"}
    assert world.said().split() == ["after-failure", "always"], "and a pipe fails with any of its parts"


PIPE = "false | true; echo went-on >> said"
BASH = {"run": {"shell": "bash"}}


@pytest.mark.parametrize(
    ("step", "keys", "said"),
    [
        ({}, {}, "went-on"),
        ({"shell": "bash"}, {}, ""),
        ({}, {"defaults": BASH}, ""),
    ],
)
def test_a_pipe_fails_with_any_of_its_parts_where_bash_is_asked_for(
    world: World, step: dict[str, str], keys: dict[str, Any], said: str
) -> None:
    world.workflow(CHECKOUT, {"run": "> said"}, {"run": PIPE, **step}, **keys)
    assert world.run() == {"job": "success" if said else "failure"}
    assert world.said().strip() == said


def test_an_output_may_have_several_lines(world: World) -> None:
    write = "printf 'a=1=2\\nb<<END\\nc=3\\n\\nd<<E\\nEND\\ne=4\\n' >> \"$GITHUB_OUTPUT\""
    outputs = {name: f"${{{{ steps.one.outputs.{name} }}}}" for name in "abcde"}
    world.workflow(
        CHECKOUT, {"id": "one", "run": write}, {"run": 'printf "[$a][$b][$c][$d][$e]" > said', "env": outputs}
    )
    assert world.run() == {"job": "success"}
    assert world.said() == "[1=2][c=3\n\nd<<E][][][4]"


@pytest.mark.parametrize("line", ["neither", "open<<END"])
def test_an_output_that_github_cannot_read_is_an_error(world: World, line: str) -> None:
    world.workflow(CHECKOUT, {"id": "one", "run": f"echo '{line}' >> \"$GITHUB_OUTPUT\""})
    with pytest.raises(WorkflowError, match=f"GITHUB_OUTPUT: .*{line.split('<', maxsplit=1)[0]}"):
        world.run()


def test_jobs_and_steps_see_variables_secrets_and_each_other_s_outputs(world: World) -> None:
    world.workflow(
        CHECKOUT,
        {"id": "one", "run": 'echo "digit=7" >> "$GITHUB_OUTPUT"; echo noted >> "$GITHUB_STEP_SUMMARY"'},
        say('"$A $B $C $GITHUB_REF_NAME ${{ steps.one.outputs.digit }}"', env={"C": "${{ secrets.KEY }}"}),
        env={"A": "${{ vars.COLOUR }}", "B": "${{ vars.NONE || 'none' }}"},
    )
    assert world.run() == {"job": "success"}
    assert world.said() == "blue none s3cr3t main 7\n"
    assert (world.machine.kept / "summaries/job.md").read_text() == "noted\n"


class Action:
    """A composite action in a world's repository."""

    USES = "./.github/actions/greet"

    def __init__(self, world: World, *steps: dict[str, Any], **keys: Any) -> None:  # noqa: ANN401
        action = {"runs": {"using": "composite", "steps": list(steps)}, **keys}
        world.commit(".github/actions/greet/action.yml", yaml.safe_dump(action))


def greet(**keys: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"uses": Action.USES, **keys}


def bash(text: str, **keys: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"run": text, "shell": "bash", **keys}


def test_a_composite_action_takes_inputs_and_gives_outputs(world: World) -> None:
    text = bash('echo "word=$WHO-$TONE-$A" >> "$GITHUB_OUTPUT"', id="say", env={"WHO": "${{ inputs.who }}"})
    Action(
        world,
        text,
        bash("false", **{"if": "inputs.who != 'me'"}),
        inputs={"who": {"required": True}, "tone": {"default": "low"}},
        outputs={"said": {"value": "${{ steps.say.outputs.word }}-${{ inputs.tone }}"}},
    )
    world.workflow(
        CHECKOUT,
        greet(id="greeting", **{"with": {"who": "${{ vars.COLOUR == 'blue' && 'me' || 'you' }}"}}, env={"TONE": "t"}),
        say("${{ steps.greeting.outputs.said }}.${{ steps.say.outputs.word }}"),
        env={"A": "a"},
    )
    assert world.run() == {"job": "success"}
    assert world.said() == "me-t-a-low.\n"


def test_a_step_that_fails_in_a_composite_action_fails_the_step_that_uses_it(world: World) -> None:
    Action(world, bash("false"), bash("echo inner-never >> said"), bash("echo inner >> said", **{"if": "failure()"}))
    world.workflow(CHECKOUT, greet(), say("never"), say("outer", **{"if": "failure()"}))
    assert world.run() == {"job": "failure"}
    assert world.said().split() == ["inner", "outer"]


def test_a_composite_action_that_runs_after_a_failure_runs_whole(world: World) -> None:
    Action(world, bash("echo inner >> said"))
    world.workflow(CHECKOUT, {"run": "false"}, greet(**{"if": "always()"}))
    assert world.run() == {"job": "failure"}
    assert world.said().split() == ["inner"]


@pytest.mark.parametrize(
    ("step", "keys", "given", "named"),
    [
        (bash("echo ${{ secrets.KEY }}"), {}, {}, "secrets"),
        (bash("echo ${{ vars.COLOUR }}"), {}, {}, "vars"),
        ({"run": "true"}, {}, {}, r"steps\[1\]\.shell: is required"),
        (bash("true", timeout=1), {}, {}, r"runs\.steps\[1\]\.timeout"),
        (bash("true"), {}, {"who": "me"}, r"with\.who"),
        (bash("true"), {"inputs": {"who": {"required": True}}}, {}, r"with\.who: is required"),
        (bash("true"), {"runs": {"using": "node24", "main": "x"}}, {}, r"runs\.main"),
        (bash("true"), {"runs": {"using": "docker", "steps": []}}, {}, "only composite"),
        (bash("true"), {"branding": {}}, {}, "branding"),
    ],
)
def test_what_is_not_understood_of_a_composite_action_is_an_error(
    world: World, step: dict[str, Any], keys: dict[str, Any], given: dict[str, str], named: str
) -> None:
    Action(world, step, **keys)
    world.workflow(CHECKOUT, greet(**{"with": given}))
    with pytest.raises(WorkflowError, match=named):
        world.run()


def test_a_composite_action_is_there_after_the_checkout(world: World) -> None:
    Action(world, bash("true"))
    world.workflow(greet(), CHECKOUT)
    with pytest.raises(WorkflowError, match="is the repository checked out before"):
        world.run()


def test_the_machine_is_none_of_github_s(world: World) -> None:
    world.workflow(CHECKOUT, say("${{ runner.environment }}"))
    world.run()
    assert world.said() == "self-hosted\n"


def test_artifacts_and_caches_outlive_the_job(world: World) -> None:
    world.workflow(
        CHECKOUT,
        {"run": "mkdir -p out/deep; echo 1 > out/deep/a; echo 2 > out/b"},
        {"uses": "actions/upload-artifact@abc", "with": {"name": "both", "path": "out/deep/a\nout/b\n"}},
        {"uses": "actions/cache/save@abc", "with": {"path": "out", "key": "out-1"}},
        {"uses": "actions/download-artifact@abc", "with": {"name": "both", "path": "got"}},
        {
            "uses": "actions/cache/restore@abc",
            "with": {"path": "restored", "key": "out-2", "restore-keys": "none-\nout-"},
        },
        {"uses": "actions/cache/restore@abc", "with": {"path": "nowhere", "key": "other"}},
        {"run": "cat got/deep/a got/b restored/b > said; test ! -e nowhere"},
    )
    assert world.run() == {"job": "success"}
    assert world.said().split() == ["1", "2", "2"]


def test_an_artifact_of_nothing_fails(world: World) -> None:
    world.workflow(CHECKOUT, {"uses": "actions/upload-artifact@abc", "with": {"name": "none", "path": "none"}})
    assert world.run() == {"job": "failure"}


@pytest.mark.parametrize(
    ("on", "ref", "runs"),
    [
        ("push", "refs/heads/main", True),
        (["push", "schedule"], "refs/heads/main", True),
        ({"push": None}, "refs/heads/main", True),
        ({"push": {"branches": ["main"]}}, "refs/heads/main", True),
        ({"push": {"branches": ["release/*"], "tags": ["v*"]}}, "refs/heads/main", False),
        ({"push": {"branches": ["main"], "tags": ["v[0-9]*"]}}, "refs/tags/v1.4.0", True),
        ({"push": {"branches": ["main"]}}, "refs/tags/v1.4.0", False),
        ({"push": {"paths": [".github/workflows/*.yml"]}}, "refs/heads/main", True),
        ({"push": {"branches": ["main"], "paths": ["code/**", "**/w.yml"]}}, "refs/heads/main", True),
        ({"push": {"branches": ["main"], "paths": ["code/**", "*.yml"]}}, "refs/heads/main", False),
        ({"push": {"tags": ["v*"], "paths": ["code/**"]}}, "refs/tags/v1.4.0", True),
        ({"schedule": [{"cron": "17 4 * * *"}]}, "refs/heads/main", False),
    ],
)
def test_an_event_runs_the_workflows_that_wait_for_it(world: World, on: object, ref: str, runs: bool) -> None:  # noqa: FBT001
    world.workflow(CHECKOUT, on=on)
    world.git("tag", "v1.4.0")
    world.git("push", "--quiet", "origin", "v1.4.0")
    if runs:
        assert world.run(ref) == {"job": "success"}
    else:
        with pytest.raises(WorkflowError, match=f"does not run on push of {ref}"):
            world.run(ref)


def test_a_schedule_runs_main(world: World) -> None:
    commit = world.workflow(CHECKOUT, on={"schedule": []})
    event = on_main(world.remote, "schedule")
    assert event.commit == commit
    assert world.machine.run("w.yml", event) == {"job": "success"}


@pytest.mark.parametrize(
    ("step", "keys", "named"),
    [
        ({"uses": "someone/else@abc"}, {}, "someone/else"),
        ({"run": "true", "shell": "python"}, {}, r"steps\[1\]\.shell"),
        ({"run": "echo ${{ matrix.os }}"}, {}, "matrix"),
        ({"run": "true"}, {"defaults": {"run": {"shell": "sh"}}}, "only bash"),
        ({"run": "true"}, {"strategy": {}}, r"w\.yml\.strategy"),
        ({"run": "true"}, {"on": {"push": {"paths-ignore": ["x"]}}}, r"on\.push\.paths-ignore"),
        ({"run": "true"}, {"on": {"push": {"paths": ["!x"]}}}, "'!x'"),
    ],
)
def test_what_is_not_understood_is_an_error(
    world: World, step: dict[str, Any], keys: dict[str, Any], named: str
) -> None:
    world.workflow(step, **keys)
    with pytest.raises(WorkflowError, match=named):
        world.run()


def test_a_job_begins_without_its_shell_s_choices() -> None:
    shell = {
        "PATH": "/bin",
        "STACK": "dev",
        "PULUMI_BACKEND_URL": "file:///x",
        "CARBIDE_REF": "x",
        "CARBIDE_CACHE_DIR": "/c",
    }
    assert fresh(shell) == {"PATH": "/bin", "CARBIDE_CACHE_DIR": "/c"}


def test_the_command_tells_how_jobs_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "from the shell")
    places = ["--remote", world.remote.path, "--workspace", world.machine.workspace, "--kept", world.machine.kept]
    given = ["--variable", "COLOUR=blue=green", "--secret", "TOKEN"]

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.app, ["w.yml", *map(str, places), *given, *arguments])
        return done.exit_code, done.stdout

    step = say('"$A $B"', env={"A": "${{ vars.COLOUR }}", "B": "${{ secrets.TOKEN }}"})
    world.workflow(CHECKOUT, step)
    assert run() == (0, "job: success\n")
    assert world.said() == "blue=green from the shell\n"
    assert run("--event", "workflow_dispatch")[0] == 2, "the workflow does not wait for it"
    assert run("--event", "nonsense")[0] == 2
    world.workflow(CHECKOUT, {"run": "false"})
    assert run() == (1, "job: failure\n")


def test_what_a_step_exports_is_there_for_the_next_ones(world: World) -> None:
    world.workflow(
        CHECKOUT,
        {"run": 'echo "A=1" >> "$GITHUB_ENV"; mkdir bin; echo "$PWD/bin" >> "$GITHUB_PATH"; echo "A $A" > said'},
        {"run": "printf '#!/bin/sh\necho mine $A >> said' > bin/mine; chmod +x bin/mine; mine"},
        {"run": "mine; echo ${{ env.A }} >> said", "env": {"A": "3"}},
        env={"A": "0"},
    )
    assert world.run() == {"job": "success"}
    assert world.said().splitlines() == ["A 0", "mine 1", "mine 3", "1"]


def test_a_command_runs_in_the_folder_that_it_names(world: World) -> None:
    world.workflow(CHECKOUT, {"run": "mkdir -p a/b"}, {"run": "pwd > ../../said", "working-directory": "a/b"})
    assert world.run() == {"job": "success"}
    assert world.said().strip().endswith("/workspace/a/b")
    world.workflow(CHECKOUT, {"run": "true", "working-directory": "none"})
    assert world.run() == {"job": "failure"}


def test_a_step_that_may_fail_tells_how_it_ended(world: World) -> None:
    may_fail = {"id": "try", "run": "false", "continue-on-error": True}
    world.workflow(CHECKOUT, may_fail, say("${{ steps.try.outcome }}"))
    assert world.run() == {"job": "success"}
    assert world.said() == "failure\n"


def test_a_job_waits_for_the_ones_that_it_needs(world: World) -> None:
    failing = {"runs-on": "any", "needs": "first", "steps": [{"run": "false"}]}
    jobs = {
        "first": {
            "runs-on": "any",
            "outputs": {"word": "${{ steps.one.outputs.word }}"},
            "steps": [CHECKOUT, {"id": "one", "run": 'echo "word=hello" >> "$GITHUB_OUTPUT"'}],
        },
        "second": {"runs-on": "any", "needs": ["first"], "steps": [say("${{ needs.first.outputs.word }}")]},
        "failing": failing,
        "never": {"runs-on": "any", "needs": ["second", "failing"], "steps": [say("never")]},
        "after": {"runs-on": "any", "needs": "failing", "if": "failure()", "steps": [say("after")]},
    }
    world.workflow(jobs=jobs)
    ended = {"first": "success", "second": "success", "failing": "failure", "never": "skipped", "after": "success"}
    assert world.run() == ended
    assert world.said().split() == ["hello", "after"]
    world.workflow(jobs={"failing": failing})
    with pytest.raises(WorkflowError, match=r"jobs\.failing\.needs\.first"):
        world.run()


class Called:
    """A repository of its own with a workflow that lets itself be called."""

    NAME = "org/shared"

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.caller = world, world.clone
        self.theirs = World(folder)
        others = {self.NAME: self.theirs.remote, "org/second": self.theirs.remote}
        world.machine = replace(world.machine, others=others, tokens={"org/second": "opens"})
        self.sha = ""

    def workflow(self, *steps: dict[str, Any], call: dict[str, Any] | None = None, **keys: Any) -> None:  # noqa: ANN401
        self.sha = self.theirs.workflow(*steps, on={"workflow_call": call}, **keys)

    def run(self, **keys: Any) -> dict[str, str]:  # noqa: ANN401
        """Let the world's own workflow call it."""
        uses = f"{self.NAME}/.github/workflows/w.yml@{self.sha}"
        self.world.workflow(jobs={"theirs": {"uses": uses, **keys}}, env={"A": "the caller's"})
        return self.world.run()


@pytest.fixture
def called(world: World, tmp_path: Path) -> Called:
    return Called(world, tmp_path / "shared")


INPUTS = {
    "name": {"type": "string", "required": True},
    "deep": {"type": "boolean"},
    "many": {"type": "number", "default": 3},
    "where": {"type": "string", "default": "${{ github.ref_name }}"},
}


def test_a_workflow_of_another_repository_is_called_with_inputs_and_named_secrets(called: Called) -> None:
    """Run, checkout and variables are the caller's; env and secrets that it does not hand over are not there."""
    one = say(
        '"$I [$A] [$S] ${{ vars.COLOUR }} ${{ github.token }}"',
        env={
            "I": "${{ inputs.name }} ${{ inputs.deep == false }} ${{ inputs.many == '3' }} ${{ inputs.where }}",
            "S": "${{ secrets.MINE }} ${{ secrets.KEY }} ${{ secrets.GITHUB_TOKEN }}",
        },
    )
    secrets = {"MINE": {"required": True}, "OTHER": {"description": "not handed over"}}
    called.workflow(CHECKOUT, one, {"run": "ls .github/workflows/w.yml"}, call={"inputs": INPUTS, "secrets": secrets})
    called.world.machine = replace(called.world.machine, secrets={"KEY": "s3cr3t", "GITHUB_TOKEN": "t"})
    ended = called.run(**{"with": {"name": "${{ vars.COLOUR }}"}, "secrets": {"MINE": "${{ secrets.KEY }}"}})
    assert ended == {"theirs": "success"}
    assert called.world.said() == "blue true true main [] [s3cr3t  t] blue t\n"


def test_a_called_workflow_gives_its_caller_outputs(called: Called) -> None:
    step = {"id": "one", "run": 'echo "word=hello" >> "$GITHUB_OUTPUT"'}
    outputs = {"said": {"value": "${{ jobs.job.outputs.word }}"}}
    job = {"runs-on": "any", "outputs": {"word": "${{ steps.one.outputs.word }}"}, "steps": [step]}
    called.sha = called.theirs.workflow(on={"workflow_call": {"outputs": outputs}}, jobs={"job": job})
    uses = {"uses": f"{called.NAME}/.github/workflows/w.yml@{called.sha}"}
    after = {"runs-on": "any", "needs": "theirs", "steps": [CHECKOUT, say("${{ needs.theirs.outputs.said }}")]}
    called.world.workflow(jobs={"theirs": uses, "after": after})
    assert called.world.run() == {"theirs": "success", "after": "success"}
    assert called.world.said() == "hello\n"


def test_an_action_of_the_called_workflow_is_that_of_its_own_commit(called: Called) -> None:
    Action(called.theirs, bash('cat "$GITHUB_ACTION_PATH/text" "${{ github.action_path }}/text" > "$PWD/said"'))
    called.theirs.commit(".github/actions/greet/text", "theirs\n")
    Action(called.world, bash("echo own > said"))
    called.workflow({"uses": "$/.github/actions/greet"}, {"run": "cat said >> kept"}, CHECKOUT, greet())
    called.theirs.commit(".github/actions/greet/text", "a later one\n")
    called.theirs.git("push", "--quiet", "origin", "HEAD")
    called.world.commit(".gitignore", "/kept\n")
    assert called.run() == {"theirs": "success"}
    assert (called.world.machine.workspace / "kept").read_text() == "theirs\ntheirs\n"
    assert called.world.said() == "own\n"


def test_a_called_job_that_fails_or_is_skipped_is_its_caller_s(called: Called) -> None:
    called.workflow({"run": "false"})
    assert called.run() == {"theirs": "failure"}
    assert called.run(**{"if": "github.event_name == 'schedule'"}) == {"theirs": "skipped"}


def test_a_workflow_of_the_same_commit_is_called(world: World) -> None:
    other = {"on": {"workflow_call": {}}, "jobs": {"job": {"runs-on": "any", "steps": [CHECKOUT, say("other")]}}}
    world.commit(".github/workflows/other.yml", yaml.safe_dump(other))
    world.workflow(
        jobs={"a": {"uses": "$/.github/workflows/other.yml"}, "b": {"uses": "./.github/workflows/other.yml"}}
    )
    assert world.run() == {"a": "success", "b": "success"}


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"with": {"deep": True}}, r"with\.name: is required"),
        ({"with": {"name": "n", "nobody": "x"}}, r"with\.nobody"),
        ({"with": {"name": "n", "deep": "yes"}}, r"with\.deep: 'yes' is not of the type boolean"),
        ({"with": {"name": "n", "many": "few"}}, r"with\.many: 'few' is not of the type number"),
        ({"with": {"name": "n"}, "secrets": "inherit"}, "hands over every secret"),
        ({"with": {"name": "n"}, "secrets": {"ELSE": "x"}}, r"secrets\.ELSE"),
        ({"with": {"name": "n"}, "secrets": {"MINE": "${{ secrets.NONE }}"}}, r"secrets\.MINE: is required"),
        ({"steps": []}, r"jobs\.theirs\.steps"),
        ({"permissions": {"contents": "read"}}, "asks for issues: write, and its caller has none"),
        ({"uses": "org/nobody/.github/workflows/w.yml@abc"}, "org/nobody is not known"),
        ({"uses": "org/shared/.github/workflows/w.yml@main"}, "not a full SHA"),
        ({"uses": "$/.github/workflows/w.yml"}, "does not run on workflow_call"),
    ],
)
def test_a_call_that_github_would_refuse_is_an_error(called: Called, keys: dict[str, Any], named: str) -> None:
    call = {"inputs": INPUTS, "secrets": {"MINE": {"required": True}}}
    called.workflow({"run": "true"}, call=call, permissions={"contents": "read", "issues": "write"})
    whole = {"with": {"name": "n"}, "secrets": {"MINE": "mine"}}
    with pytest.raises(WorkflowError, match=named):
        called.run(**whole | keys)


def test_another_repository_is_checked_out_beside_with_what_opens_it(called: Called) -> None:
    called.theirs.commit("theirs", "1")
    called.theirs.git("push", "--quiet", "origin", "HEAD")
    second = {"repository": "org/second", "path": "beside"}

    def run(opens: dict[str, str]) -> dict[str, str]:
        own = {"uses": "actions/checkout@abc", "with": {"path": "own"}}
        theirs = {"uses": "actions/checkout@abc", "with": {**second, **opens}}
        called.world.workflow(own, theirs, {"run": "ls own/.github beside/theirs"})
        return called.world.run()

    assert run({"token": "opens"}) == {"job": "success"}
    assert run({"ssh-key": "opens"}) == {"job": "success"}
    assert run({"token": "another"}) == {"job": "failure"}
    assert run({}) == {"job": "failure"}
