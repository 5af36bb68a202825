"""Rebuilds, with a stand-in for buildx that notes its arguments and leaves an image behind."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from carbide_infra.registry_client.client import RegistryClient
from carbide_infra.registry_client.transport import Transport
from carbide_infra.verification.rebuild import Kitchen, rebuild
from tests.unit.registry_server import INDEX, FakeRegistry, make_tls
from tests.unit.test_verification import IMAGE, PLATFORMS, dockerfile_now, output, pushed, recipe, sha256

SECRET = "s3cr3t-of-the-test"  # noqa: S105
BUILDX = f"""#!{sys.executable}
import hashlib, json, os, pathlib, sys
here = pathlib.Path(__file__).parent
(here / "call.json").write_text(json.dumps([sys.argv, os.environ.get("CARBIDE_SECRET_GITCREDS")]))
index = (here / "index.json").read_bytes()
digest = hashlib.sha256(index).hexdigest()
(destination,) = (part.partition("dest=")[2] for part in sys.argv if "dest=" in part)
blobs = pathlib.Path(destination) / "blobs/sha256"
blobs.mkdir(parents=True)
(blobs / digest).write_bytes(index)
entry = {{"digest": "sha256:" + digest, "mediaType": "{INDEX}"}}
(pathlib.Path(destination) / "index.json").write_text(json.dumps({{"manifests": [entry]}}))
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[FakeRegistry, RegistryClient]]:
    context, trusted = make_tls(tmp_path)
    with FakeRegistry().running(context) as running:
        yield running, RegistryClient(running.server, None, Transport({"SSL_CERT_FILE": str(trusted)}))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    tree = tmp_path / "source"
    (tree / "cmd").mkdir(parents=True)
    (tree / "cmd/a file.go").write_text("package main\n")
    return tree


def kitchen(folder: Path, source: Path, index: bytes, *, cold: bool = False) -> Kitchen:
    (folder / "index.json").write_bytes(index)
    program = folder / "buildx"
    program.write_text(BUILDX)
    program.chmod(0o755)
    project = Path(__file__).parents[2]
    return Kitchen(project, source, program, {}, {"gitcreds": SECRET}, run="carbide-verify-1", cold=cold)


@pytest.mark.parametrize("cold", [False, True])
def test_the_same_digest_agrees(
    cold: bool,  # noqa: FBT001
    registry: tuple[FakeRegistry, RegistryClient],
    source: Path,
    tmp_path: Path,
) -> None:
    fake, client = registry
    digest = pushed(fake)
    made = recipe(source, None, sha256(dockerfile_now()), secrets=["gitcreds"])
    pot = kitchen(tmp_path, source, fake.manifests[f"team/{IMAGE}", digest][1], cold=cold)
    (check,) = rebuild(made, output(fake, digest), pot, client)
    assert check.agrees
    arguments, secret = json.loads((tmp_path / "call.json").read_text())
    assert (secret, any(SECRET in argument for argument in arguments)) == (SECRET, False)
    assert arguments[arguments.index("--platform") + 1] == ",".join(PLATFORMS)
    assert "push=true" not in " ".join(arguments)
    assert "--no-cache" not in arguments, "it would empty the cache mounts of the stack's own builds"
    assert ("BUILDKIT_CACHE_MOUNT_NS=carbide-verify-1" in arguments) is cold


def test_another_digest_is_told_by_platform(
    registry: tuple[FakeRegistry, RegistryClient], source: Path, tmp_path: Path
) -> None:
    fake, client = registry
    digest = pushed(fake)
    other = pushed(fake, User="0")
    index = json.loads(fake.manifests[f"team/{IMAGE}", digest][1])
    index["manifests"][1] = json.loads(fake.manifests[f"team/{IMAGE}", other][1])["manifests"][1]
    made = recipe(source, None, sha256(dockerfile_now()))
    pot = kitchen(tmp_path, source, json.dumps(index).encode())
    checks = rebuild(made, output(fake, digest), pot, client)
    assert {check.what: check.agrees for check in checks} == {
        "built again: index": False,
        "built again: linux/amd64": True,
        "built again: linux/arm64": False,
    }
