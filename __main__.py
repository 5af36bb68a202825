"""The production container images of Carbide REST, as infrastructure."""

import gc

import pulumi

# What is loaded by now stays; else the collector goes through it again and again during the imports below.
gc.freeze()

from carbide_infra.images.component import ServiceImage, build_provider, stack_output
from carbide_infra.outputs import SCHEMA_VERSION
from carbide_infra.program import (
    build_target,
    leave_out_debug_messages,
    plan_images,
    resolved_bases,
    stack_images,
    stack_settings,
    stack_source,
)

leave_out_debug_messages()
settings = stack_settings()
selection = stack_images(settings)
sources = stack_source(settings, selection)
target = build_target(settings)
selection = resolved_bases(settings, selection)
plans = plan_images(settings, selection, sources, target)
builds = pulumi.ResourceOptions(providers=[build_provider()])
images = {plan.image.name: ServiceImage(plan, target, builds) for plan in plans}

pulumi.export("schemaVersion", SCHEMA_VERSION)
pulumi.export("images", stack_output(images))
