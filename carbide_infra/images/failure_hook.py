"""Why an image could not be built, said by the program itself.

The provider's error has only the step and its exit code. So that plain `pulumi up` says what the compiler complained
of, too, the engine asks us at each failure, and we ask BuildKit.
"""

import asyncio
import os

import pulumi
from pulumi.resource import DependencyResource
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import monitor_supports_feature

from carbide_infra.images.build_log import kept_failure


def told_failure(image: str, context: str, builder: str | None) -> pulumi.ResourceHookBinding | None:
    """Make a failed build of this context a diagnostic of its image; None where the engine is too old for that."""
    if pulumi.runtime.is_dry_run() or not monitor_supports_feature(resource_pb2.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS):
        return None

    async def tell(failed: pulumi.ErrorHookArgs) -> bool:
        lines = await asyncio.to_thread(kept_failure, context, builder, dict(os.environ))
        if lines:
            pulumi.log.error("\n".join(lines), DependencyResource(failed.urn))
            # What is logged of a resource is sent by a task of its own.
            await asyncio.sleep(0)
        # Not to be tried again.
        return False

    return pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(f"build-log-{image}", tell)])
