"""What every operation on a stack needs before it starts."""

import os

from carbide_infra.messages import progress
from carbide_infra.paths import project_root
from carbide_infra.settings import load_settings, selected_images
from carbide_infra.stack.pulumi_stack import PulumiStack, open_stack
from carbide_infra.stack.registry_access import without_broken_store
from carbide_infra.stack.stack_file import read_stack_file, require_quoted


def prepared(name: str) -> PulumiStack:
    """Select a stack of this project, creating it on first use; refuses a configuration that cannot be built."""
    project = project_root()
    require_quoted(project, name)
    settings = load_settings(read_stack_file(project, name), os.environ)
    settings.source_root(project)
    selected_images(settings, project)
    stack = opened_for_the_provider(name)
    stack.select()
    return stack


def opened_for_the_provider(name: str) -> PulumiStack:
    """Open a stack without a credential store that its provider would fail on before it does anything."""
    stack, broken = without_broken_store(open_stack(name))
    if broken:
        progress(f"WARNING: {broken}: continuing without it; a login that only it holds is not used.")
    return stack
