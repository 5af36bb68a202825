"""The builder: whether buildx reaches it, and what it builds on."""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from carbide_infra.diagnosis.finding import Finding, fail, ok, warn

_SECONDS = 20
_FIX = "make local-up, or choose one: docker buildx use, BUILDX_BUILDER, the stack's builder"


def ask_buildx(buildx: Path, name: str | None, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Ask for a builder, the current one where none is named, without starting it."""
    command = [buildx, "inspect", *((name,) if name else ())]
    try:
        return subprocess.run(
            command, env=dict(environment), capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"does not answer in {_SECONDS} s")


def check_builder(answer: subprocess.CompletedProcess[str], platforms: Sequence[str]) -> Iterator[Finding]:
    """Judge what `buildx inspect` says."""
    facts = dict(re.findall(r"^([\w ]+?):[ \t]+(.*)$", answer.stdout, re.MULTILINE))
    name, status = facts.get("Name", "builder"), facts.get("Status", "")
    problem = facts.get("Error") or (answer.stderr.strip().splitlines() or [""])[-1]
    if status in {"inactive", "stopped"}:
        yield warn("builder", f"{name} is {status}", "none needed: it starts with the next build; or make local-up")
        return
    if answer.returncode or status != "running":
        yield fail("builder", problem or f"{name} is {status or 'unknown'}", _FIX)
        return
    yield ok("builder", f"{facts.get('Driver', '')} {facts.get('BuildKit version', '')} at {facts.get('Endpoint', '')}")
    own = {item.strip().rstrip("*") for item in facts.get("Platforms", "").split(",")}
    foreign = [platform for platform in platforms if platform not in own]
    how = f"; {', '.join(foreign)} by cross-compiling, without an emulator" if foreign else ""
    yield ok("platforms", f"{', '.join(platforms)}{how}")
