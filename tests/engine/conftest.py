"""One checkout for the whole session: copied, built and pushed by `make up`, as a newcomer would.

Most tests share it and run in one worker of pytest-xdist. Those marked `apart` read it at most, and run
beside them; a test marked `stops_daemons` waits for them, and they for it.
"""

import fcntl
import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import certifi
import pytest

from carbide_infra.paths import project_root
from tests.engine.backend import outputs_of
from tests.engine.containers import Bundle
from tests.engine.registry import Platform, Repository
from tests.support.authority import Authority
from tests.support.locks import locked

MARKER = "s3cr3t-marker-of-the-engine-tests"
# Go asks the next proxy when this one cannot be reached, so builds work and the marker has travelled.
PROXY_MARKER = "http://proxy-marker.invalid"
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")


@dataclass(frozen=True)
class Checkout:
    """A copy of the project in a folder of its own, with its own state."""

    root: Path
    environment: Mapping[str, str] = field(repr=False)
    _shells: dict[str, dict[str, str]] = field(init=False, default_factory=dict, repr=False, compare=False)

    @property
    def source(self) -> Path:
        return self.root / "examples/carbide-rest-api"

    def make(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("make", *arguments, check=check)

    def new_shell(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run commands as a user would type them, after `eval "$(make -s env)"`."""
        return self.run("bash", "-ec", f'eval "$(make -s env)"\n{script}', check=check)

    def shell(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run commands in such a shell that was opened before: to prepare one takes longer than most commands."""
        return self.run("bash", "-ec", script, check=check, environment=self.variables())

    def variables(self) -> dict[str, str]:
        """Every variable of that shell; it is another once there is a registry, or another one."""
        registry = self.root / ".local/registry.json"
        known = registry.read_text() if registry.exists() else ""
        if known not in self._shells:
            listed = self.new_shell("env -0").stdout
            self._shells[known] = dict(line.split("=", 1) for line in listed.split("\0") if line)
        return self._shells[known]

    def carbide(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a subcommand of carbide-infra where the engine is found."""
        environment = {"STACK": "dev", **self.variables()}
        return self.run("carbide-infra", *arguments, check=check, environment=environment)

    def run(
        self, *command: str, check: bool = True, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment if environment is None else environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert not (check and done.returncode), f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def git(self, *arguments: str) -> str:
        return self.run("git", *IDENTITY, *arguments).stdout.strip()

    def images(self) -> dict[str, Any]:
        """The development stack's output, as `make -s images` prints it."""
        return dict(outputs_of(self.root / ".local/state", "carbide-infra", "dev")["images"])


def copy_project(folder: Path) -> None:
    """Copy what git tracks or would track, as a clone of the next commit, and commit it."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=project_root(), capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, files):
        if (project_root() / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            # With times of its own, as git gives them: Go lists a tree with older ones without its index.
            shutil.copy(project_root() / name, folder / name)
    # A clone has no salt: the one that `make` has put here is of this checkout's passphrase.
    stack_file = folder / "Pulumi.dev.yaml"
    stack_file.write_text(re.sub("encryptionsalt:.*\n", "", stack_file.read_text()))
    for command in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"], ["commit", "--quiet", "-m", "All"]):
        subprocess.run(["git", *IDENTITY, *command], cwd=folder, check=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep in one worker what shares a checkout."""
    item.add_marker(pytest.mark.xdist_group(item.path.name if item.get_closest_marker("apart") else "checkout"))


@pytest.fixture(scope="session")
def authority(session: Path) -> Authority:
    """A CA that only this machine trusts, as behind a company's proxy."""
    folder = session / "authority"
    with locked(session / "authority.lock", fcntl.LOCK_EX):
        if not folder.exists():
            Authority.made("CA of the engine tests").write(folder)
    return Authority.read(folder)


@pytest.fixture(scope="session")
def private_ca(authority: Authority) -> str:
    """Its certificate, in PEM."""
    return authority.certificate


@pytest.fixture(scope="session")
def checkout(session: Path, private_ca: str) -> Checkout:
    """A checkout that nothing was set up in yet, unless by another worker."""
    root, trusted = session / "checkout", session / "trusted.pem"
    with locked(session / "checkout.lock", fcntl.LOCK_EX):
        if not root.exists():
            trusted.write_text(Path(ssl.get_default_verify_paths().cafile or certifi.where()).read_text() + private_ca)
            root.mkdir()
            copy_project(root)
    foreign = ("PULUMI_", "BUILDX_", "CARBIDE_", "MAKE", "MFLAGS", "STACK", "SOURCE", "PYTEST_")
    kept = ("CARBIDE_CACHE_DIR", "CARBIDE_DOCKERHUB_MIRROR")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(foreign) or k in kept}
    go_env = subprocess.run(["go", "env", "GOPROXY"], capture_output=True, text=True, check=True)
    environment |= {
        "CARBIDE_GITCREDS": f"machine git.invalid login me password {MARKER}",
        "GOPROXY": f"{PROXY_MARKER}|{go_env.stdout.strip()}",
        "SSL_CERT_FILE": str(trusted),
    }
    return Checkout(root, environment)


@dataclass(frozen=True)
class Deployed:
    """The checkout after its first `make up`.

    Attributes:
        checkout: where others may be at work by now.
        state: a copy of the backend's folder as it was then.
        commits: a bare copy of its repository, of then.
        revision: the commit.
        output: what `make up` printed, and said beside it.
        images: the stack's output.
    """

    checkout: Checkout
    state: Path
    commits: Path
    revision: str
    output: str
    images: dict[str, Any]

    @property
    def ca_bundle(self) -> Path:
        return Path(json.loads((self.checkout.root / ".local/endpoint.json").read_text())["ca_bundle"])

    def repository(self, image: str) -> Repository:
        server, name = self.images[image]["repository"].split("/", 1)
        return Repository(server, name, self.ca_bundle)

    def platforms(self, image: str) -> dict[str, Platform]:
        return self.repository(image).platforms(self.images[image]["digest"])


@pytest.fixture(scope="session")
def deployed(checkout: Checkout, session: Path) -> Deployed:
    """The first worker that needs it deploys."""
    result = session / "deployed.json"
    with locked(session / "deployed.lock", fcntl.LOCK_EX):
        if not result.exists():
            done = checkout.make("up")
            shutil.copytree(checkout.root / ".local/state", session / "state")
            checkout.git("clone", "--quiet", "--bare", str(checkout.root), str(session / "commits.git"))
            result.write_text(
                json.dumps([checkout.git("rev-parse", "HEAD"), done.stdout + done.stderr, checkout.images()])
            )
    return Deployed(checkout, session / "state", session / "commits.git", *json.loads(result.read_text()))


@pytest.fixture
def tree(deployed: Deployed) -> Iterator[Checkout]:
    """The deployed checkout, to be edited and committed to at will: it is put back to its commit."""
    checkout = deployed.checkout
    start = checkout.git("rev-parse", "HEAD")
    yield checkout
    checkout.git("checkout", "--quiet", "--force", "main")
    checkout.git("reset", "--quiet", "--hard", start)
    checkout.git("clean", "--quiet", "--force", "-d")
    for branch in checkout.git("branch", "--format=%(refname:short)").splitlines():
        if branch != "main":
            checkout.git("branch", "--quiet", "-D", branch)


@pytest.fixture(scope="session")
def bundles(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Every linux/amd64 image, unpacked for runc."""
    folder = tmp_path_factory.mktemp("bundles")
    return {name: Bundle.of(deployed.platforms(name)["linux/amd64"], folder / name) for name in deployed.images}
