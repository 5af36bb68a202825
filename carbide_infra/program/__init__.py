"""The program: a project's `__main__` calls `deploy`, and reads like the data flow of what that does."""

import gc

import pulumi


def deploy() -> None:
    """Plan, build and push the images of the project in the current folder, and export what the stack says of them."""
    # What is loaded by now stays; else the collector goes through it again and again during the imports below.
    gc.freeze()
    from carbide_infra.images.component import ServiceImage, build_provider, stack_output  # noqa: PLC0415
    from carbide_infra.outputs import SCHEMA_VERSION  # noqa: PLC0415
    from carbide_infra.program import steps  # noqa: PLC0415

    steps.leave_out_debug_messages()
    steps.require_retained()
    settings = steps.stack_settings()
    selection = steps.stack_images(settings)
    sources = steps.stack_source(settings, selection)
    target = steps.build_target(settings)
    selection = steps.resolved_bases(settings, selection)
    plans = steps.plan_images(settings, selection, sources, target)
    builds = pulumi.ResourceOptions(providers=[build_provider()])
    images = {plan.image.name: ServiceImage(plan, target, builds) for plan in plans}

    pulumi.export("schemaVersion", SCHEMA_VERSION)
    pulumi.export("images", stack_output(images))
