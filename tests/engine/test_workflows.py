"""From a branch to a release by GitHub's workflows as they stand, run here against a bare repository."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from carbide_infra.paths import project_root
from tests.engine.conftest import IDENTITY, Checkout, Deployed
from tests.engine.previews import digests
from tests.engine.registry import Repository
from tests.support.fake_github import FakeGitHub

STACK, IPAM, DB = "rehearsal", "carbide-rest-ipam", "carbide-rest-db"
# Production's settings, but for the registry; two images are enough to tell one that changes from one that stays.
CONFIG = {
    "registryServer": "local",
    "registryRepository": "rehearsal",
    "services": [IPAM, DB],
    "tagLatest": "true",
    "requireHistory": "true",
}
TOKEN = "t0ken"  # noqa: S105
NUMBER = "7"


@dataclass(frozen=True)
class GitHub:
    """A bare repository, a developer's clone of it, and a machine that runs its workflows in the deployed checkout."""

    deployed: Deployed
    folder: Path

    @property
    def remote(self) -> Path:
        return self.folder / "remote.git"

    def git(self, *arguments: str) -> str:
        """Work in the developer's clone."""
        command = ["git", *IDENTITY, "-C", str(self.folder / "clone"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, name: str, text: str) -> None:
        file = self.folder / "clone" / name
        file.write_text((file.read_text() if file.exists() else "") + text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"Change {name}")

    def run(self, workflow: str, *arguments: str, api: str = "") -> dict[str, str]:
        """Run a workflow to its good end; gives how each job ended."""
        done = self.tried(workflow, *arguments, api=api)
        assert done.returncode == 0, f"{workflow} {arguments}\n{done.stdout}\n{done.stderr}"
        return dict(line.split(": ") for line in done.stdout.splitlines())

    def tried(self, workflow: str, *arguments: str, api: str = "") -> subprocess.CompletedProcess[str]:
        """Run a workflow, whatever comes of it."""
        checkout = self.deployed.checkout
        runner = [sys.executable, "-m", "tests.support.workflow_runner"]
        command: list[str | Path] = [*runner, workflow, "--remote", self.remote]
        places: list[str | Path] = ["--workspace", checkout.root, "--kept", self.kept]
        # What the repository's settings on GitHub hold.
        variables = ["--variable", f"CARBIDE_STACK={STACK}", "--variable", f"PULUMI_BACKEND_URL=file://{self.state}"]
        secrets = ["--secret", "PULUMI_CONFIG_PASSPHRASE=rehearsal", "--secret", f"GITHUB_TOKEN={TOKEN}"]
        return subprocess.run(
            [*command, *places, *variables, *secrets, *arguments],
            cwd=project_root(),
            env={**checkout.environment, **({"GITHUB_API_URL": api} if api else {})},
            capture_output=True,
            text=True,
            check=False,
        )

    def push(self, ref: str) -> dict[str, str]:
        return self.run(*self.pushed(ref))

    def pushed(self, ref: str) -> tuple[str, ...]:
        """Push, and say what GitHub then runs."""
        self.git("push", "--quiet", "origin", ref)
        full = f"refs/tags/{ref}" if ref.startswith("v") else f"refs/heads/{ref}"
        return "build-push-docker.yml", "--event", "push", "--ref", full

    @property
    def kept(self) -> Path:
        return self.folder / "kept"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def images(self) -> dict[str, Any]:
        """The list of images that the last update's job has left."""
        return dict(json.loads((self.kept / "artifacts/images/images.json").read_text()))

    def summary(self, job: str) -> str:
        return (self.kept / f"summaries/{job}.md").read_text()

    def tagged(self, tag: str) -> dict[str, str]:
        """The digest that a tag of each image has in the registry."""
        found = {}
        for name, image in self.images().items():
            server, repository = image["repository"].split("/", 1)
            found[name] = Repository(server, repository, self.deployed.ca_bundle).digest_of(tag)
        return found


@pytest.fixture
def github(deployed: Deployed, tree: Checkout, tmp_path: Path) -> Iterator[GitHub]:
    made = GitHub(deployed, tmp_path)
    made.state.mkdir()
    for clone in (["--bare", tree.root, made.remote], [made.remote, tmp_path / "clone"]):
        subprocess.run(["git", "clone", "--quiet", *clone], check=True)
    yield made
    for tag in tree.git("tag").split():
        tree.git("tag", "--delete", tag)
    for left in ("baseline", "untrusted"):
        shutil.rmtree(tree.root / ".local" / left, ignore_errors=True)
    for file in (tree.root / ".local/state/.pulumi").rglob(f"{STACK}*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()


def test_from_a_branch_to_a_release(github: GitHub) -> None:
    config = {"config": {f"carbide-infra:{key}": value for key, value in CONFIG.items()}}
    github.commit(f"Pulumi.{STACK}.yaml", yaml.safe_dump(config))
    assert github.push("main") == {"up": "success", "release": "skipped", "drift": "skipped"}
    first = github.images()
    assert github.tagged("1.4.0") == github.tagged("latest") == digests(first)

    # A pull request: previewed against main's state, without a credential; its report is one comment.
    github.git("checkout", "--quiet", "-b", "feature")
    github.commit("examples/carbide-rest-api/ipam/cmd/server/main.go", "\nfunc init() { println(1) }\n")
    github.git("push", "--quiet", "origin", "feature")
    pull_request = ("--head", "feature", "--number", NUMBER)
    assert github.run("preview.yml", "--event", "pull_request", *pull_request) == {"preview": "success"}
    report = github.summary("preview")
    assert report.startswith(f"<!-- carbide-infra: report of carbide-infra/{STACK} -->\n")
    assert "ipam/cmd/server/main.go" in report
    assert f"this is [`{github.git('rev-parse', 'HEAD')[:10]}`](" in report, "the merge is nothing that people know"
    api = FakeGitHub("local/carbide-infra", github.git("rev-parse", "HEAD"))
    github.run("comment.yml", "--event", "workflow_run", "--head", "feature", api=api.url)
    (body,) = api.bodies
    assert body.splitlines()[0] == report.splitlines()[0]

    # The merge: the image that the report named is built, the other one is tagged anew.
    github.git("checkout", "--quiet", "main")
    github.git("merge", "--quiet", "--no-ff", "-m", "Merge", "feature")
    github.push("main")
    second, merge = github.images(), github.git("rev-parse", "HEAD")
    assert changed(first, second) == {IPAM}
    assert IPAM in github.summary("up")
    assert github.tagged("1.4.0") == github.tagged("latest") == github.tagged(merge) == digests(second)

    # Main moves on before the release: the tag's commit is what counts, and main keeps `latest`.
    github.commit("examples/carbide-rest-api/db/cmd/migrations/main.go", "\nfunc init() { println(1) }\n")
    github.push("main")
    third = github.images()
    assert changed(second, third) == {DB}
    github.git("tag", "v1.4.0", merge)
    assert github.push("v1.4.0") == {"up": "skipped", "release": "success", "drift": "skipped"}
    assert github.tagged("1.4.0") == digests(second)
    assert github.tagged("latest") == digests(third)
    assert all(digest in github.summary("release") for digest in digests(second).values())

    # Two commits are pushed at once, and GitHub's queue leaves out the first: its images are found all the same.
    github.git("checkout", "--quiet", "main")
    version = github.folder / "clone/examples/carbide-rest-api/VERSION"
    version.write_text(version.read_text().replace("1.4.0", "1.5.0"))
    github.commit("NOTES.md", "Raise VERSION.\n")
    github.git("tag", "v1.5.0")
    github.commit("NOTES.md", "No image is made of this.\n")
    github.push("main")
    assert github.push("v1.5.0")["release"] == "success"
    assert github.tagged("1.5.0") == github.tagged("released-1.5.0") == digests(github.images())

    # A tag on what was never merged: the job refuses it, and no tag is there.
    github.git("checkout", "--quiet", "-b", "stranger")
    version.write_text(version.read_text().replace("1.5.0", "1.6.0"))
    github.commit("NOTES.md", "Mine.\n")
    github.git("tag", "v1.6.0")
    refused = github.tried(*github.pushed("v1.6.0"))
    assert refused.returncode != 0
    assert f"its commit {github.git('rev-parse', 'HEAD')} is not on origin/main" in refused.stdout + refused.stderr


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    return {name for name, image in after.items() if image["digest"] != before[name]["digest"]}
