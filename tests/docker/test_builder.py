"""A user who is not root builds in a container: the driver that `make up` takes where Docker answers."""

import os
import shutil

import pytest

from devenv.toolchain import ensure_tools
from tests.docker.images import import_buildkit
from tests.docker.machine import USER, Machine

pytestmark = pytest.mark.xdist_group("docker")
DOCKERFILE = "FROM scratch\nCOPY Dockerfile /\n"


def test_its_user_builds_in_a_container(machine_with_docker: Machine) -> None:
    tools = ensure_tools(print)
    import_buildkit(machine_with_docker, tools)
    home = machine_with_docker.home
    # What a user of this machine has in the cache folder is not for another one to read.
    shutil.copy(tools.buildx, machine_with_docker.folder / "buildx")
    (home / "Dockerfile").write_text(DOCKERFILE)
    variables = {"PATH": f"{machine_with_docker.folder}:{os.environ['PATH']}", "HOME": str(home)}
    variables["DOCKER_HOST"] = machine_with_docker.docker_host
    script = """
    buildx create --name try --driver docker-container --driver-opt network=host --bootstrap
    buildx build --builder try --output out .
    buildx rm try
    """
    done = machine_with_docker.run(USER, "sh", "-exc", script, cwd=home, env=variables)
    assert done.returncode == 0, done.stderr + machine_with_docker.log()
    assert (home / "out/Dockerfile").read_text() == DOCKERFILE
    assert machine_with_docker.docker("ps", "--all", "--quiet") == ""
