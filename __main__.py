"""The production container images of Carbide REST, as infrastructure."""

import pulumi

from carbide_infra.image import ServiceImage, stack_output
from carbide_infra.outputs import SCHEMA_VERSION
from carbide_infra.program import build_target, plan_images, resolved_bases, stack_settings, stack_source

settings = stack_settings()
source = stack_source(settings)
target = build_target(settings)
settings = resolved_bases(settings, target)
plans = plan_images(settings, source, target)
images = {plan.service.image: ServiceImage(plan, target) for plan in plans}

pulumi.export("schemaVersion", SCHEMA_VERSION)
pulumi.export("images", stack_output(images))
