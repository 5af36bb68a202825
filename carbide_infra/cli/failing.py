"""What `carbide-infra up` does about a failure: it repeats what may pass, once, and says the reason of the rest."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from time import sleep

from carbide_infra.diagnosis.machine import check_disks, existing
from carbide_infra.errors import UserError
from carbide_infra.images.build_secrets import build_secrets
from carbide_infra.messages import progress
from carbide_infra.paths import cache_dir, state_dir
from carbide_infra.settings import load_settings
from carbide_infra.source.go_command import ModuleAccess
from carbide_infra.source.private_modules import cause_of, git_says
from carbide_infra.stack.builder import builder_failure, builder_of
from carbide_infra.stack.failures import Failure, alike, failures_in, program_errors
from carbide_infra.stack.following import Watch
from carbide_infra.stack.policy_pack import violations
from carbide_infra.stack.pulumi_stack import PulumiStack
from carbide_infra.stack.registry_access import registries_asked_once

LONGEST_WAIT = 120.0
"""Seconds that a registry may have us wait."""

_SHORT_WAIT = 5.0
_UNTOLD_WAIT = 30.0
_INDENTED = "\n    "


def updated(stack: PulumiStack, first: Path, second: Path, watch: Watch | None = None) -> int:
    """Update a stack, and once more where something failed for a reason that passes; gives the CLI's last exit code.

    Args:
        stack: the stack.
        first: file for the engine's events of the update.
        second: file for those of its repetition.
        watch: shows the images' progress.
    """
    code = stack.update(first, watch)
    passing = [failure for failure in failures_in(first) if failure.is_passing] if code else []
    if not passing or _has_no_builder(stack, passing):
        return code
    for heading, failed in alike(passing):
        progress(f"{heading}{_INDENTED}{failed.answer}")
    seconds, why = _wait(stack, passing)
    progress(f"{why}: repeating the update, once, in {seconds:.0f} s.")
    sleep(seconds)
    return stack.update(second, watch)


def _has_no_builder(stack: PulumiStack, failures: Iterable[Failure]) -> bool:
    """Whether the builder has gone and stays away: a repetition would only wait for it."""
    if not any(failure.is_of_the_builder for failure in failures):
        return False
    name = builder_of(stack.project, stack.name, stack.environment)
    return builder_failure(name, stack.environment) is not None


def _wait(stack: PulumiStack, passing: Sequence[Failure]) -> tuple[float, str]:
    """Seconds to wait, and why."""
    limited = next((failure for failure in passing if failure.may_ask_to_wait), None)
    wish = _wished_pause(stack, limited) if limited else None
    if wish is None:
        too_much = "The registry has had too many requests"
        return (_UNTOLD_WAIT, too_much) if limited and limited.is_too_much else (_SHORT_WAIT, "That may pass")
    if wish > LONGEST_WAIT:
        return LONGEST_WAIT, f"The registry asks us to wait for {wish:.0f} s, which is too long"
    return wish, f"The registry asks us to wait for {wish:.0f} s"


def _wished_pause(stack: PulumiStack, failure: Failure) -> float | None:
    """What the registry says of it, which the builder does not pass on."""
    if failure.place is None:
        return None
    server, repository, reference = failure.place
    try:
        with registries_asked_once(stack) as registries:
            return registries.client(server).wished_pause(repository, reference)
    except UserError:
        return None


def told(stack: PulumiStack, event_log: Path) -> Iterator[str]:
    """What failed or was refused, each reason once, and a disk that is nearly full; nothing where all went well."""
    errors, failures = program_errors(event_log), failures_in(event_log)
    refused = [violation.sentence for violation in violations(event_log) if violation.is_mandatory]
    yield from errors
    yield from refused
    for heading, failed in alike(failures):
        lines = [heading, *(failed.output if failed.is_of_the_build else (failed.reason,))]
        if failed.is_of_the_build and (cause := _cause(stack, failed.output)):
            lines.append(f"→ {cause}")
        yield _INDENTED.join(lines)
    if errors or failures:
        # A full disk has many words, and often none of its own.
        yield from _full_disks((state_dir(stack.project), cache_dir(), Path(tempfile.gettempdir())))


def _full_disks(places: Iterable[Path]) -> Iterator[str]:
    by_disk = {folder.stat().st_dev: folder for folder in map(existing, places)}
    for finding in check_disks({folder: shutil.disk_usage(folder).free for folder in by_disk.values()}):
        if finding.level == "fail":
            yield f"only {finding.told}, which may be why; {finding.fix}"


def _cause(stack: PulumiStack, output: Sequence[str]) -> str | None:
    """Why a module could not be had, where that is it."""
    if cause_of(output, "", ssh=False) is None:
        return None
    access = ModuleAccess.of_secrets(build_secrets(load_settings(stack.values(), stack.environment), stack.environment))
    ssh, ask = bool(access.known_hosts), git_says(access, stack.environment)
    return cause_of(output, access.netrc, ssh=ssh, ask=ask)
