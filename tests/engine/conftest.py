"""One checkout for the whole session: copied, built and pushed by `make up`, as a newcomer would."""

import datetime as dt
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from carbide_infra.local.paths import project_root
from tests.engine.containers import Bundle
from tests.engine.registry import Platform, Repository

MARKER = "s3cr3t-marker-of-the-engine-tests"
# Go asks the next proxy when this one cannot be reached, so builds work and the marker has travelled.
PROXY_MARKER = "http://proxy-marker.invalid"
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")


@dataclass(frozen=True)
class Checkout:
    """A copy of the project in a folder of its own, with its own state."""

    root: Path
    environment: Mapping[str, str] = field(repr=False)

    @property
    def source(self) -> Path:
        return self.root / "examples/carbide-rest-api"

    def make(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("make", *arguments, check=check)

    def shell(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run commands as a user would type them, after `eval "$(make -s env)"`."""
        return self.run("bash", "-ec", f'eval "$(make -s env)"\n{script}', check=check)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
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
        return dict(json.loads(self.make("-s", "images").stdout))


def copy_project(folder: Path) -> None:
    """Copy what git tracks or would track, as a clone of the next commit, and commit it."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=project_root(), capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, files):
        if (project_root() / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project_root() / name, folder / name)
    for command in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"], ["commit", "--quiet", "-m", "All"]):
        subprocess.run(["git", *IDENTITY, *command], cwd=folder, check=True)


@pytest.fixture(scope="session")
def private_ca() -> str:
    """A CA that only this machine trusts, as behind a company's proxy, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA of the engine tests")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory, private_ca: str) -> Iterator[Checkout]:
    """A checkout that nothing was set up in yet; all that it starts is stopped at the end."""
    root = tmp_path_factory.mktemp("checkout")
    trusted = tmp_path_factory.mktemp("trust") / "bundle.pem"
    trusted.write_text(Path(ssl.get_default_verify_paths().cafile or certifi.where()).read_text() + private_ca)
    copy_project(root)
    foreign = ("PULUMI_", "BUILDX_", "CARBIDE_", "MAKE", "MFLAGS", "STACK", "SOURCE")
    kept = ("CARBIDE_CACHE_DIR", "CARBIDE_DOCKERHUB_MIRROR")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(foreign) or k in kept}
    go_env = subprocess.run(["go", "env", "GOPROXY"], capture_output=True, text=True, check=True)
    environment |= {
        "CARBIDE_GITCREDS": f"machine git.invalid login me password {MARKER}",
        "GOPROXY": f"{PROXY_MARKER}|{go_env.stdout.strip()}",
        "SSL_CERT_FILE": str(trusted),
    }
    checkout = Checkout(root, environment)
    yield checkout
    if (root / ".venv").exists():
        checkout.make("down")
    shutil.rmtree(root)


@dataclass(frozen=True)
class Deployed:
    """The checkout after its first `make up`."""

    checkout: Checkout
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
def deployed(checkout: Checkout) -> Deployed:
    done = checkout.make("up")
    return Deployed(checkout, done.stdout, checkout.images())


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
