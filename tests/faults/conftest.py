"""One site for all faults, each of which is tried as often as CARBIDE_FAULT_RUNS says."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from carbide_infra.paths import cache_dir, project_root
from tests.engine.conftest import copy_project
from tests.faults.site import IMAGE, MAKE, Site
from tests.support.figures import fault_runs

_SHARED = ("tools", "bases", "buildkit")
_FOREIGN = ("PULUMI_", "BUILDX_", "CARBIDE_", "MAKE", "MFLAGS", "STACK", "SOURCE", "PYTEST_")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep in one worker what shares a site."""
    item.add_marker(pytest.mark.xdist_group("faults"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each fault as often as CARBIDE_FAULT_RUNS says."""
    metafunc.fixturenames.append("run")
    metafunc.parametrize("run", range(fault_runs()), ids=[f"run{number}" for number in range(fault_runs())])


@pytest.fixture(scope="session")
def set_up(session: Path) -> Iterator[Site]:
    """A checkout with one image of one platform, built and pushed."""
    root, cache = session / "faults/checkout", session / "faults/cache"
    root.mkdir(parents=True)
    copy_project(root)
    # It is installed for the project itself; what is imported is what is in the current folder.
    (root / ".venv").symlink_to(project_root() / ".venv")
    cache.mkdir()
    for name in _SHARED:
        (cache_dir() / name).mkdir(exist_ok=True, parents=True)
        (cache / name).symlink_to(cache_dir() / name)
    stack_file = root / "Pulumi.dev.yaml"
    content = yaml.safe_load(stack_file.read_text())
    content["config"] |= {"carbide-infra:services": [IMAGE], "carbide-infra:platforms": ["linux/amd64"]}
    stack_file.write_text(yaml.safe_dump(content))
    environment = {name: text for name, text in os.environ.items() if not name.startswith(_FOREIGN)}
    site = Site(root, {**environment, "CARBIDE_CACHE_DIR": str(cache)})
    site.git("commit", "--quiet", "--all", "--message", "One image")
    try:
        first = site.make("up")
        assert first.code == 0, first.text
        site.note()
        yield site
    finally:
        subprocess.run([*MAKE, "down"], cwd=root, env=site.environment, check=False, capture_output=True)
        shutil.rmtree(session / "faults", ignore_errors=True)


@pytest.fixture
def site(set_up: Site) -> Site:
    """That checkout, all well."""
    return set_up
