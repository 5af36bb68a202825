"""What building an image once more takes, from a checkout and a stack's configuration."""

import os
import secrets
from collections.abc import Mapping

from carbide_infra.cli.outcome import progress
from carbide_infra.cli.stacks import StackCli
from carbide_infra.images.build_secrets import build_secrets
from carbide_infra.settings import load_settings
from carbide_infra.verification.rebuild import Kitchen
from devenv.builder import docker_answers
from devenv.toolchain import ensure_tools


def kitchen_of(stack: StackCli, values: Mapping[str, str], *, cold: bool) -> Kitchen:
    """Find buildx, the source tree and the build secrets of a stack.

    Raises:
        ConfigError: the stack's configuration makes no sense.
        SetupError: buildx is missing.
    """
    settings = load_settings(values, os.environ)
    return Kitchen(
        project=stack.folder,
        source=settings.source_root(stack.folder),
        buildx=ensure_tools(progress, embedded=not docker_answers()).buildx,
        environment=stack.environment,
        secrets=build_secrets(settings, stack.environment),
        run=f"carbide-verify-{secrets.token_hex(8)}",
        cold=cold,
    )
