"""The same inputs give the same bytes, wherever and whenever they are built."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.clones import apart, cloned
from tests.engine.conftest import Checkout, Deployed
from tests.engine.previews import Stack, digests

pytestmark = pytest.mark.apart
# It stands for all: tests/unit/images/test_dockerfiles.py shows that the seven are of one mould.
IPAM = "carbide-rest-ipam"
START = 30
STOP = 60
MAIN = "ipam/cmd/server/main.go"
# The second builder compiles the standard library, for each platform: of that a service needs four times as much, and
# the long run does it for both.
SMALL = """\
package main

import "github.com/nvidia/carbide-rest-api/common/pkg/version"

func main() { println(version.Version, version.BuildTime) }
"""


@contextmanager
def another_builder(checkout: Checkout, stack: Stack, folder: Path) -> Iterator[str]:
    """A BuildKit with empty caches that runs one step, and one thread of its own, at a time; gives its address.

    It finds the first builder's base images: each checkout that makes stand-ins makes its own.
    """
    config = (checkout.root / ".local/buildkitd.toml").read_text()
    assert config.count("[worker.oci]\n") == 1
    (folder / "buildkitd.toml").write_text(config.replace("[worker.oci]\n", "[worker.oci]\nmax-parallelism = 1\n"))
    address = f"unix://{folder}/buildkitd.sock"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("buildkitd", "--config", str(folder / "buildkitd.toml")),
                *("--root", str(folder / "state"), "--addr", address, "--otel-socket-path", str(folder / "otel.sock")),
                *("--cdi-disabled", "--oci-worker-net", "host"),
            ],
            env={**stack.environment, "GOMAXPROCS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        await_builder(process, address, stack, folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=STOP)
        shutil.rmtree(folder / "state")


def await_builder(process: subprocess.Popen[bytes], address: str, stack: Stack, log: Path) -> None:
    """Ask until it answers."""
    command = ["buildctl", "--addr", address, "--timeout", "2", "debug", "workers"]
    deadline = time.monotonic() + START
    while subprocess.run(command, env=stack.environment, capture_output=True, check=False).returncode:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def changed(deployed: Deployed, folder: Path, main: str) -> Stack:
    """A clone with a commit that is later than the layers which the first builder has cached.

    Args:
        main: instead of the service's own main file; empty to keep that.
    """
    folder.mkdir()
    stack = apart(deployed, folder).configured(registryRepository="here", services=[IPAM])
    if main:
        stack = stack.configured(platforms=["linux/amd64"])
    checkout = Checkout(stack.root, stack.environment)
    # The commit of VERSION gives SOURCE_DATE_EPOCH.
    version = checkout.source / "VERSION"
    version.write_text("# A comment\n" + version.read_text())
    if main:
        (checkout.source / MAIN).write_text(main)
    checkout.git("commit", "--quiet", "--all", "--message", "Touch VERSION")
    return stack


def elsewhere(stack: Stack, address: str, folder: Path) -> Stack:
    """The same commit at another path, under another umask, with a state and a repository of its own."""
    tree = cloned(Checkout(stack.root, stack.environment), folder / "another place" / "tree", 0o077)
    (folder / "state").mkdir()
    there = stack.at(tree, 0o077).configured(registryRepository="elsewhere")
    there = there.given(PULUMI_BACKEND_URL=f"file://{folder}/state", BUILDX_CONFIG=str(folder / "buildx"))
    command = ["buildx", "create", "--use", "--name", "elsewhere", "--driver", "remote", address]
    subprocess.run(command, env=there.environment, check=True, capture_output=True)
    there.pulumi("stack", "init", there.name)
    return there


def platforms(deployed: Deployed, place: str, images: Mapping[str, Any]) -> dict[str, str]:
    """The digest of each platform, as one of the two places in the registry has it."""
    repository = replace(deployed.repository(IPAM), name=f"{place}/{IPAM}")
    return {name: found.digest for name, found in repository.platforms(images[IPAM]["digest"]).items()}


@pytest.mark.parametrize(
    "main", [SMALL, pytest.param("", marks=pytest.mark.slow)], ids=["a small program", "the service"]
)
def test_another_machine_makes_the_same_image(deployed: Deployed, tmp_path: Path, main: str) -> None:
    stack = changed(deployed, tmp_path / "here", main)
    here = stack.up()
    assert set(here) == {IPAM}
    builder = tmp_path / "builder"
    builder.mkdir()
    with another_builder(deployed.checkout, stack, builder) as address:
        there = elsewhere(stack, address, tmp_path).up()
    assert here[IPAM]["digest"] != deployed.images[IPAM]["digest"]
    assert platforms(deployed, "elsewhere", there) == platforms(deployed, "here", here)
    assert digests(there) == digests(here)
