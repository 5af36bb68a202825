"""What all repositories that take the product over share: the wheels, this repository as they call it, a machine."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from carbide_infra.paths import project_root
from tests.adopt.callers import Package
from tests.adopt.engine import cannot_run, machine_environment, not_run
from tests.engine.conftest import IDENTITY, Deployed, authority, checkout, copy_project, deployed, private_ca

# Fixtures that pytest finds by their names here.
__all__ = ["authority", "checkout", "deployed", "private_ca"]

_TOLD = pytest.StashKey[list[str]]()


def pytest_itemcollected(item: pytest.Item) -> None:
    """`make test` leaves them out: they have a command of their own."""
    item.add_marker(pytest.mark.slow)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what a reader should see of tests that passed."""
    if lines := config.stash.get(_TOLD, []):
        terminalreporter.section("what was seen")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture(scope="session")
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keep a line for the end."""
    return request.config.stash.setdefault(_TOLD, []).append


@pytest.fixture(scope="session", autouse=True)
def able() -> None:
    """Where they cannot run, they are not run."""
    if reason := cannot_run():
        not_run(reason)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """This repository as others see it: its workflows at a commit, and what pip installs of it."""
    folder = tmp_path_factory.mktemp("package")
    tree, wheels = folder / "tree", folder / "wheels"
    tree.mkdir()
    copy_project(tree)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel", "--no-deps", "--no-index"]
    # In the place where the packages that build it are.
    folders = [project_root() / "consumer", project_root()]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", wheels, *folders], check=True)
    subprocess.run(["git", *IDENTITY, "clone", "--quiet", "--bare", tree, folder / "package.git"], check=True)
    return Package(folder / "package.git", wheels, tree / "requirements-runtime.txt")


@pytest.fixture(scope="session")
def machine(deployed: Deployed) -> dict[str, str]:
    """The variables of a machine that has Pulumi, Go, a builder and a registry's certificate, and nothing of ours."""
    return machine_environment(deployed.checkout.root)


@pytest.fixture(scope="session")
def previewing_machine() -> dict[str, str]:
    """The same of one that has neither builder nor registry: previews need none."""
    return machine_environment(project_root())
