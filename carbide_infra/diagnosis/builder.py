"""The builder: whether buildx reaches it, and what it builds on."""

from collections.abc import Iterator, Sequence

from carbide_infra.diagnosis.finding import Finding, fail, ok, warn
from carbide_infra.stack.builder import REMEDY, BuilderAnswer


def check_builder(answer: BuilderAnswer, platforms: Sequence[str]) -> Iterator[Finding]:
    """Judge what `buildx inspect` says."""
    if answer.starts_with_a_build:
        told = f"{answer.name} is {answer.status}"
        yield warn("builder", told, "none needed: it starts with the next build; or make local-up")
        return
    if answer.failure:
        yield fail("builder", answer.failure, f"make local-up for the local one; {REMEDY}")
        return
    facts = answer.facts
    yield ok("builder", f"{facts.get('Driver', '')} {facts.get('BuildKit version', '')} at {facts.get('Endpoint', '')}")
    own = {item.strip().rstrip("*") for item in facts.get("Platforms", "").split(",")}
    foreign = [platform for platform in platforms if platform not in own]
    how = f"; {', '.join(foreign)} by cross-compiling, without an emulator" if foreign else ""
    yield ok("platforms", f"{', '.join(platforms)}{how}")
