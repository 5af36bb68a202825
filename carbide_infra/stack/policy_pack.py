"""The policy pack, from the side of who runs Pulumi: how it is asked for, and what it has said."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carbide_infra.config_values import LOCAL
from carbide_infra.errors import MissingPrerequisite
from carbide_infra.settings import load_settings
from carbide_infra.stack.event_log import events
from carbide_infra.stack.stack_file import ANY_REGISTRY, read_stack_file

PROGRAM = "carbide-infra-policy"
"""The pack's program, which comes with this package."""

FOLDER = "policy"
"""Where a project has this folder, the rules hold for it."""

CONFIG = f"{FOLDER}/config.json"
"""What a project says of the rules, in Pulumi's own format of a policy pack's configuration."""

_MANDATORY = "mandatory"
# What the CLI adds where a rule has ended a preview.
_FAILED = "error: preview failed"


@dataclass(frozen=True)
class Violation:
    """What a rule has said of a resource.

    Attributes:
        rule: the rule's name.
        sentence: what is wrong, and how to comply.
        is_mandatory: whether it ends the command.
    """

    rule: str
    sentence: str
    is_mandatory: bool


def is_production(project: Path, stack: str) -> bool:
    """Whether a stack's images serve more than development; one that does not say where they go may."""
    return bool(read_stack_file(project, stack).get("registryServer") != LOCAL)


def allows_coarse_inputs(project: Path, stack: str) -> bool:
    """Whether a stack's update pushes images whose inputs are not known exactly; elsewhere the program refuses it.

    Raises:
        ConfigError: the stack's configuration is not valid.
    """
    return load_settings(ANY_REGISTRY | read_stack_file(project, stack), {}).allow_coarse_inputs


def policy_arguments(project: Path) -> tuple[str, ...]:
    """The CLI's arguments by which it asks the pack; none where the project wants no rules.

    Raises:
        MissingPrerequisite: the pack's program is not there, and nothing may be taken for allowed.
    """
    if not (project / FOLDER).is_dir():
        return ()
    program, config = Path(sys.executable).with_name(PROGRAM), project / CONFIG
    if not program.is_file():
        message = f"{program} is missing: make venv, or install carbide-infra-build anew."
        raise MissingPrerequisite(message)
    chosen = ("--policy-pack-config", str(config)) if config.is_file() else ()
    return ("--policy-pack", str(program), *chosen)


def violations(event_log: Path) -> Iterator[Violation]:
    """What the rules have said in a preview or an update."""
    for event in events(event_log):
        told = event.get("policyEvent")
        if told:
            # The rule's own description stands in the first line.
            sentence = " ".join(told["message"].strip().splitlines()[-1:])
            yield Violation(told["policyName"], sentence, told["enforcementLevel"] == _MANDATORY)


def with_violations(preview: Mapping[str, Any], found: Iterable[Violation]) -> dict[str, Any]:
    """What `pulumi preview --json` prints, and as its diagnostics what the rules have said."""
    said = [
        {
            "severity": "error" if it.is_mandatory else "warning",
            "message": it.sentence,
            **({"rule": it.rule} if it.is_mandatory else {}),
        }
        for it in found
    ]
    others = preview.get("diagnostics") or ()
    if any("rule" in entry for entry in said):
        others = [entry for entry in others if entry.get("message", "").strip() != _FAILED]
    return {**preview, "diagnostics": [*said, *others]}
