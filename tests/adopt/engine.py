"""The machine that the callers' jobs run on: what a self-hosted runner would have."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from carbide_infra.errors import UserError
from devenv.builder import require_builder
from devenv.prerequisites import check_prerequisites
from tests.support.workflow_runner.runner import fresh

_NEEDED = ("go", "git", "make")
_TAKEN = ("PULUMI_HOME", "BUILDX_CONFIG", "SSL_CERT_FILE", "DOCKER_CONFIG", "PULUMI_SKIP_UPDATE_CHECK")


def cannot_run() -> str | None:
    """Why no image can be built here, in one sentence; None where one can."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)}: is not on PATH"
    try:
        check_prerequisites()
        require_builder()
    except UserError as reason:
        return str(reason)
    return None


def not_run(reason: str) -> NoReturn:
    """Leave the tests out, unless everything has to run."""
    if os.environ.get("CARBIDE_REQUIRE_ALL") == "1":
        pytest.fail(f"not run: {reason}", pytrace=False)
    pytest.skip(f"not run: {reason}")


def machine_environment(checkout: Path, project: Path | None = None) -> dict[str, str]:
    """The engine that a checkout has set up, without the checkout's own packages, stack and passphrase.

    Args:
        checkout: has the kit.
        project: whose engine it is, where that is not the checkout's own.
    """
    command = [str(checkout / ".venv/bin/python"), "-m", "devenv", "env", "--github"]
    said = subprocess.run(command, cwd=project or checkout, check=True, stdout=subprocess.PIPE, text=True).stdout
    engine = dict(line.split("=", 1) for line in said.splitlines())
    folders = [name for name in engine["PATH"].split(os.pathsep) if Path(name).name != "bin" or ".venv" not in name]
    taken = {name: engine[name] for name in _TAKEN if name in engine}
    return fresh(os.environ) | taken | {"PATH": os.pathsep.join(folders)}
