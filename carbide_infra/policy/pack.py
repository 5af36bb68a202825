"""The policy pack: the rules as Pulumi's engine runs them, mandatory where they bind a stack, advice elsewhere."""

import io
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Thread
from typing import IO, Any, cast

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)

from carbide_infra.policy.rules import RULES, Rule
from carbide_infra.stack.policy_pack import PROGRAM

NAME = "carbide-infra"
ADVICE = "-advice"
"""What the name of a rule ends in where it advises a development stack."""

_LOOK_SECONDS = 1.0
_LEVELS = {"": EnforcementLevel.MANDATORY, ADVICE: EnforcementLevel.ADVISORY}


def policies(project: Path) -> list[Policy]:
    """Give each rule twice: the engine asks a policy for its level before it says which stack it works on.

    Args:
        project: the folder with Pulumi.yaml and the stacks' files.
    """
    advising = [rule for rule in RULES if rule.is_advice_too]
    return [_policy(rule, "", project) for rule in RULES] + [_policy(rule, ADVICE, project) for rule in advising]


def _policy(rule: Rule, suffix: str, project: Path) -> Policy:
    return ResourceValidationPolicy(
        name=f"{rule.name}{suffix}",
        description=rule.description,
        validate=_validation(rule, project, is_advice=bool(suffix)),
        enforcement_level=_LEVELS[suffix],
        config_schema=PolicyConfigSchema(dict(rule.schema)) if rule.schema else None,
    )


def _validation(
    rule: Rule, project: Path, *, is_advice: bool
) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type not in rule.resources or _binds(rule.binds, project, _stack_of(args.urn)) == is_advice:
            return
        config: dict[str, Any] = {key: schema["default"] for key, schema in rule.schema.items()}
        for sentence in rule.check(args.props, config | dict(args.get_config() or {})):
            report(f"{args.name} {sentence}.", None)

    return validate


def _stack_of(urn: str) -> str:
    return urn.removeprefix("urn:pulumi:").partition("::")[0]


@cache
def _binds(binds: Callable[[Path, str], bool], project: Path, stack: str) -> bool:
    """As `binds` says; nearly all rules ask the same of the stack's file, for each resource."""
    return binds(project, stack)


def main() -> None:
    """Serve the engine, which gives its address as the first argument, until it says to end."""
    # The engine ends its plugins by a signal, and waits for seconds for one that does not hear it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    if len(sys.argv) < 2:  # noqa: PLR2004 - the program's own name, and the address
        sys.exit(f"{PROGRAM} is for Pulumi: pulumi preview --policy-pack policy/run")
    Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    # The pack tells its port without flushing: Python would keep it, and the engine wait for it for ever.
    sys.stdout = io.TextIOWrapper(cast("IO[bytes]", io.FileIO(sys.stdout.fileno(), "wb", closefd=False)))
    PolicyPack(NAME, policies(Path.cwd()))


def _end_with(engine: int) -> None:
    """End when the engine has ended, which says nothing of it where it is killed."""
    while os.getppid() == engine:
        time.sleep(_LOOK_SECONDS)
    os._exit(0)
