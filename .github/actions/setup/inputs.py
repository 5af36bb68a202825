"""Check what a job is given before anything uses it, and say where its checkouts go; Python alone is all it needs.

Inputs come from the file of whoever calls a workflow, in the environment; what is written to GITHUB_OUTPUT was checked
and is safe as a path, a name or part of a cache's key.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

_PART = r"[A-Za-z0-9_.][A-Za-z0-9_.-]*"
FOLDER = re.compile(rf"{_PART}(/{_PART})*")
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
STACK = re.compile(rf"{_NAME}(/{_NAME}){{0,2}}")
REPOSITORY = re.compile(rf"{_NAME}/[A-Za-z0-9_.-]{{1,100}}")

_PROJECT, _SOURCE = "project", "source"


class InputError(Exception):
    """What a job is given cannot be used; the message names the input and a good value."""


def folder(name: str, value: str) -> str:
    """Give a folder's path: relative, of plain characters, and without a way up."""
    if not FOLDER.fullmatch(value) or ".." in value.split("/"):
        message = f"{name}: {value!r} is not a folder in the repository; a good value: images"
        raise InputError(message)
    return value


def stack(value: str) -> str:
    """Give a stack's name, perhaps with those of its project and organisation."""
    if value and (not STACK.fullmatch(value) or ".." in value):
        message = f"stack: {value!r} is not the name of a stack; a good value: prod"
        raise InputError(message)
    return value


def repository(name: str, value: str) -> str:
    """Give a repository's name; empty for this one."""
    if value and (not REPOSITORY.fullmatch(value) or value.endswith(("/.", "/.."))):
        message = f"{name}: {value!r} is not a repository; a good value: my-org/my-images"
        raise InputError(message)
    return value


def outputs(given: Mapping[str, str]) -> dict[str, str]:
    """Say where everything is, by output.

    Raises:
        InputError: for the first input that cannot be used.
    """
    project, tree = folder("project", given["PROJECT"]), folder("source", given["SOURCE"])
    name = stack(given["STACK"])
    of_project = repository("project-repository", given["PROJECT_REPOSITORY"])
    of_source = repository("source-repository", given["SOURCE_REPOSITORY"])
    if of_project and of_source:
        message = "project-repository and source-repository: name the one that the workflow does not run in, only"
        raise InputError(message)
    baseline = f"baseline-{project}-{name}".replace("/", "-")
    other = of_project or of_source
    if not other:
        # The stack says where the source is, seen from the project.
        return {"own": ".", "project": project, "source": project, "baseline": baseline}
    own, beside = (_SOURCE, _PROJECT) if of_project else (_PROJECT, _SOURCE)
    places = {"project": f"{_PROJECT}/{project}", "source": f"{_SOURCE}/{tree}"}
    return {"own": own, "other": beside, "repository": other, "baseline": baseline, **places}


def main(given: Mapping[str, str]) -> int:
    """Write the outputs, and for two repositories where the source is; give the exit code."""
    try:
        found = outputs(given)
    except InputError as error:
        sys.stdout.write(f"::error::{error}\n")
        return 1
    with Path(given["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in found.items())
    if "other" in found:
        # Seen from the project, so that it is the same path on every machine.
        source = os.path.relpath(found["source"], found["project"])
        with Path(given["GITHUB_ENV"]).open("a", encoding="utf-8") as file:
            file.write(f"CARBIDE_SOURCE={source}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
