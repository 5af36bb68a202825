"""The tags that the images of a tree would have of their own, without a run of the program."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from carbide_infra.endpoint import registry_server, stand_ins_of
from carbide_infra.images.base_images import resolved
from carbide_infra.images.build_secrets import build_secrets
from carbide_infra.images.inputs import Connect, inputs_of_images
from carbide_infra.images.plan import Stack, plans_of
from carbide_infra.paths import cache_dir
from carbide_infra.registry.told import Told
from carbide_infra.settings import Selection, Settings
from carbide_infra.source.images import Sources
from carbide_infra.source.origins import origins_of

_ARGUMENTS = ("BUILDER_IMAGE", "RUNTIME_IMAGE")


def own_tags(
    settings: Settings,
    selection: Selection,
    sources: Sources,
    project: Path,
    deployed: Mapping[str, Mapping[str, Any]],
    connect: Connect,
) -> dict[str, str]:
    """`<version>-<build key>` by image, for those whose inputs are known exactly.

    Args:
        settings: of the stack.
        selection: the images in question.
        sources: facts about the tree.
        project: the folder with Pulumi.yaml.
        deployed: inputs of the Images in the stack's state: a base without a digest has the one that those have.
        connect: gives the registries of base images.

    Raises:
        UserError: the tree cannot be built as asked.
    """
    stand_ins = stand_ins_of(settings.registry_server, project)
    found = resolved(settings, selection, stand_ins, _recorded(deployed), is_update=False).selection
    inputs = inputs_of_images(found.images, sources.root, build_secrets(settings, os.environ), connect)
    exact = {name: each for name, each in inputs.items() if not each.fallback}
    known = replace(found, images=tuple(image for image in found.images if image.name in exact))
    if not exact:
        return {}
    files = {name: each.tree_files for name, each in exact.items()}
    origins = origins_of({name: sources.by_image[name] for name in exact}, files, cache_dir())
    server = registry_server(settings.registry_server, project)
    plans = plans_of(known, exact, origins, sources, Stack(project, server, settings, stand_ins))
    return {plan.image.name: plan.tags[0] for plan in plans}


def _recorded(deployed: Mapping[str, Mapping[str, Any]]) -> Callable[[list[str]], Mapping[str, Told]]:
    """Base images by the digests that the state has of them."""
    arguments = [inputs.get("buildArgs") or {} for inputs in deployed.values()]
    built_on = [str(each[name]).partition("@") for each in arguments for name in _ARGUMENTS if name in each]
    digests = {name: digest for name, _, digest in built_on if digest}
    return lambda references: {text: Told(digests.get(text)) for text in references}
