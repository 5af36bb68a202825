"""What building an image once more takes, from a project and a stack's configuration."""

import os
import secrets
from collections.abc import Mapping

from carbide_infra.images.build_secrets import build_secrets
from carbide_infra.programs import find_buildx
from carbide_infra.settings import load_settings
from carbide_infra.stack.pulumi_stack import PulumiStack
from carbide_infra.verification.rebuild import RebuildEnvironment


def rebuild_environment(stack: PulumiStack, values: Mapping[str, str], *, cold: bool) -> RebuildEnvironment:
    """Find buildx, the source tree and the build secrets of a stack.

    Raises:
        ConfigError: the stack's configuration makes no sense.
        MissingPrerequisite: buildx is missing.
    """
    settings = load_settings(values, os.environ)
    return RebuildEnvironment(
        project=stack.project,
        source=settings.source_root(stack.project),
        buildx=find_buildx(),
        variables=stack.environment,
        secrets=build_secrets(settings, stack.environment),
        run=f"carbide-verify-{secrets.token_hex(8)}",
        cold=cold,
    )
