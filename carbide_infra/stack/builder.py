"""The builder of a stack: which one it is, and whether it answers."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from carbide_infra.errors import MissingPrerequisite, SetupError
from carbide_infra.programs import find_buildx
from carbide_infra.settings import LOCAL_REGISTRY
from carbide_infra.stack.stack_file import read_stack_file

VARIABLE = "BUILDX_BUILDER"
REMEDY = f"start it, or name another: docker buildx use, {VARIABLE}, the stack's builder"
_SECONDS = 8


@dataclass(frozen=True)
class BuilderAnswer:
    """What `buildx inspect` says of a builder, without starting it.

    Attributes:
        name: the builder's.
        facts: by buildx's own words, such as "Endpoint"; of its first node.
        problem: what buildx complains about, or that it says nothing.
    """

    name: str
    facts: Mapping[str, str]
    problem: str

    @property
    def status(self) -> str:
        """Such as "running"."""
        return self.facts.get("Status", "")

    @property
    def starts_with_a_build(self) -> bool:
        """Whether it is to be started, and buildx does so; a remote one is whoever's machine it is."""
        return self.status in {"inactive", "stopped"} and self.facts.get("Driver") != "remote"

    @property
    def failure(self) -> str | None:
        """Why nothing can be built on it, in one sentence that names it; None where something can."""
        says_nothing = not self.facts and not self.problem
        if self.status == "running" or self.starts_with_a_build or says_nothing:
            return None
        endpoint = self.facts.get("Endpoint")
        where = f"builder {self.name}" + (f" at {endpoint}" if endpoint else "")
        return f"{where} does not answer" + (f" ({self.problem})" if self.problem else "")


def chosen_builder(builder: str | None, registry_server: str, environment: Mapping[str, str]) -> str | None:
    """The builder that a stack builds on: its own choice, else the environment's; None for buildx's current one.

    The registry of this checkout is behind a certificate that only the builder beside it knows, which `make` lets be
    the current one: the environment chooses none for it.
    """
    if builder:
        return builder
    return None if registry_server == LOCAL_REGISTRY else environment.get(VARIABLE) or None


def ask_builder(buildx: Path, name: str | None, environment: Mapping[str, str]) -> BuilderAnswer:
    """Ask for a builder, the current one where none is named."""
    command = [buildx, "inspect", *((name,) if name else ())]
    plain = {key: value for key, value in environment.items() if key != VARIABLE}
    try:
        done = subprocess.run(command, env=plain, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return BuilderAnswer(name or "of buildx's own choice", {}, f"nothing within {_SECONDS} s")
    facts: dict[str, str] = {}
    for key, value in re.findall(r"^([\w ]+?):[ \t]+(.*)$", done.stdout, re.MULTILINE):
        facts.setdefault(key, value)
    problem = facts.get("Error") or (done.stderr.strip().splitlines() or [""])[-1]
    return BuilderAnswer(facts.get("Name") or name or "of buildx's own choice", facts, problem)


def builder_of(project: Path, stack: str, environment: Mapping[str, str]) -> str | None:
    """The builder that a stack of a project builds on; None for buildx's current one."""
    values = read_stack_file(project, stack)
    return chosen_builder(values.get("builder"), str(values.get("registryServer")), environment)


def builder_failure(name: str | None, environment: Mapping[str, str]) -> str | None:
    """Why nothing can be built on a builder; None where something can, or nobody can ask."""
    try:
        buildx = find_buildx(environment)
    except MissingPrerequisite:
        # The provider has one of its own.
        return None
    return ask_builder(buildx, name, environment).failure


def require_builder(name: str | None, environment: Mapping[str, str]) -> None:
    """Refuse to build on a builder that does not answer: each image would wait half a minute for it.

    Raises:
        SetupError: builder, endpoint and remedy.
    """
    failure = builder_failure(name, environment)
    if failure:
        message = f"{failure}; {REMEDY}"
        raise SetupError(message)
