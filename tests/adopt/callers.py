"""Repositories that call this one's workflows, as their developers and GitHub see them."""

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from carbide_infra.workflows import Workflows
from tests.engine.conftest import IDENTITY
from tests.support.workflow_runner.events import Event, pull_request, push, workflow_run
from tests.support.workflow_runner.repository import Remote
from tests.support.workflow_runner.runner import Machine

NAME = "maker/carbide-infra"
"""This repository, as those that call it name it."""


@dataclass(frozen=True)
class Package:
    """What others have of this repository.

    Attributes:
        repository: a bare one, with its workflows.
        wheels: a folder with both distributions.
        lock: what the program runs with, by hash.
    """

    repository: Path
    wheels: Path
    lock: Path

    @property
    def workflows(self) -> Workflows:
        """As their files name them: at a commit."""
        return Workflows(NAME, Remote(self.repository).commit("HEAD"))

    @property
    def requirements(self) -> str:
        """A project's requirements file, every file by its hash."""
        own = [
            f"{file.name.split('-')[0].replace('_', '-')}=={file.name.split('-')[1]} "
            f"--hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"
            for file in sorted(self.wheels.glob("*.whl"))
        ]
        return f"--find-links {self.wheels}\n{self.lock.read_text()}{''.join(own)}"


@dataclass
class Caller:
    """A repository: a bare one, a developer's clone, and what GitHub keeps of it.

    Attributes:
        folder: where all of it is.
        package: whose workflows it calls.
        environment: of the machine that its jobs run on.
        secrets: of the repository.
        others: further repositories that its jobs check out, by name.
        tokens: of those that are private, what opens them.
    """

    folder: Path
    package: Package
    environment: Mapping[str, str] = field(repr=False)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    others: dict[str, Remote] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", self.remote.path], check=True)
        subprocess.run(["git", "clone", "--quiet", self.remote.path, self.clone], check=True, capture_output=True)
        self.git("checkout", "--quiet", "-B", "main")

    @property
    def remote(self) -> Remote:
        return Remote(self.folder / "remote.git")

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    @property
    def kept(self) -> Path:
        """Artifacts, caches and summaries."""
        return self.folder / "kept"

    def git(self, *arguments: str) -> str:
        command = ["git", *IDENTITY, "-C", str(self.clone), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def merge(self, branch: str) -> None:
        """Merge a branch into main, as GitHub does, and push it."""
        self.git("merge", "--quiet", "--no-ff", "-m", "Merge", branch)
        self.git("push", "--quiet", "origin", "main")

    def tag(self, name: str) -> str:
        """Tag what is checked out and push that; gives the ref."""
        self.git("tag", name)
        self.git("push", "--quiet", "origin", name)
        return f"refs/tags/{name}"

    def commit(self, files: Mapping[str, str], message: str = "Change files") -> str:
        """Write files, commit and push the branch; gives the commit."""
        for name, text in files.items():
            file = self.clone / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "origin", "HEAD")
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str, files: Mapping[str, str]) -> str:
        """Push a branch of main with changed files, and go back to main; gives its commit."""
        self.git("checkout", "--quiet", "-b", name, "main")
        commit = self.commit(files)
        self.git("checkout", "--quiet", "main")
        return commit

    def run(self, workflow: str, event: Event, api: str = "") -> dict[str, str]:
        """Run what GitHub would run, on a fresh machine."""
        environment = {**self.environment, **({"GITHUB_API_URL": api} if api else {})}
        machine = Machine(
            self.remote,
            self.folder / f"work-{len(list(self.folder.glob('work-*')))}",
            self.kept,
            {"PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}"},
            self.secrets,
            environment,
            others={NAME: Remote(self.package.repository), **self.others},
            tokens=self.tokens,
        )
        return machine.run(workflow, event)

    def pushed(self, ref: str = "refs/heads/main") -> Event:
        return push(self.remote, ref)

    def pull_request(self, head: str, number: int = 7) -> Event:
        return pull_request(self.remote, number, "main", head)

    def previewed(self, head: str) -> Event:
        return workflow_run(self.remote, head)

    def summary(self, job: str) -> str:
        return (self.kept / f"summaries/{job}.md").read_text()


def images_workflow(workflows: Workflows, given: Mapping[str, str], paths: list[str] | None = None) -> str:
    """A caller's one file: its pull requests, their comments, its main and its tags."""
    secrets = {name: f"${{{{ secrets.{name} }}}}" for name in ("REPOSITORY_TOKEN", "REPOSITORY_SSH_KEY")}
    own = {name: f"${{{{ secrets.{name} }}}}" for name in ("PULUMI_CONFIG_PASSPHRASE", "REGISTRY_PASSWORD")}
    filters = {"branches": ["main"], **({"paths": paths} if paths else {})}
    jobs = {
        "preview": {
            "if": "github.event_name == 'pull_request'",
            "uses": workflows.uses("preview"),
            "with": dict(given),
            "secrets": secrets,
        },
        "comment": {
            "if": "github.event_name == 'workflow_run' && github.event.workflow_run.event == 'pull_request'",
            "permissions": {"actions": "read", "contents": "read", "pull-requests": "write"},
            "uses": workflows.uses("comment"),
            "with": {name: text for name, text in given.items() if name not in {"stack", "source"}},
            "secrets": secrets,
        },
        "up": {
            "if": "github.event_name == 'push' && github.ref_type == 'branch'",
            "uses": workflows.uses("up"),
            "with": dict(given),
            "secrets": {**own, **secrets},
        },
        "release": {
            "if": "github.event_name == 'push' && github.ref_type == 'tag'",
            "uses": workflows.uses("release"),
            "with": dict(given),
            "secrets": {**own, **secrets},
        },
    }
    after = {"workflows": ["images"], "types": ["completed"]}
    on = {"pull_request": filters, "push": {**filters, "tags": ["v[0-9]*"]}, "workflow_run": after}
    file = {"name": "images", "on": on, "permissions": {"contents": "read"}, "jobs": jobs}
    return yaml.safe_dump(file, sort_keys=False)
