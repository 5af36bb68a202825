"""Check what is checked out: the other repository is there, and the project is a folder with the stack's file."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_UNREADABLE = (
    "The repository {repository} could not be checked out: it is private, and this run has neither a token nor a "
    "deploy key that reads it (REPOSITORY_TOKEN, REPOSITORY_SSH_KEY). A pull request from a fork never gets one: a "
    "maintainer can push its commits to a branch of this repository, and preview that."
)


class FolderError(Exception):
    """What is checked out cannot be used; in one sentence."""


def check(workspace: Path, given: Mapping[str, str]) -> None:
    """Refuse what no later step could use.

    Raises:
        FolderError: what is in the way.
    """
    if given["REPOSITORY"] and given["CHECKOUT"] != "success":
        raise FolderError(_UNREADABLE.format(repository=given["REPOSITORY"]))
    project = workspace / given["PROJECT"]
    if not project.resolve().is_relative_to(workspace.resolve()):
        message = f"project: {given['PROJECT']} leads out of the checkout, by a link"
        raise FolderError(message)
    stack = given["STACK"].rpartition("/")[2]
    for name in ("Pulumi.yaml", *([f"Pulumi.{stack}.yaml"] if stack else ())):
        if not (project / name).is_file():
            message = f"project: {given['PROJECT']} has no {name}; name the folder that has it"
            raise FolderError(message)
    # Reports go there; git ignores it.
    (project / ".local").mkdir(exist_ok=True)


def report(workspace: Path, given: Mapping[str, str], sentence: str) -> None:
    """Leave the sentence where a preview leaves its report, so that it is the pull request's comment."""
    folder = workspace / given["PROJECT"] / ".local"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{given['REPOSITORY']}/{given['STACK'] or 'none'}"
    text = f"<!-- carbide-infra: report of {name} -->\n### There is no preview.\n\n{sentence}\n"
    for file in ("report.md", "report.html"):
        (folder / file).write_text(text, encoding="utf-8")


def main(given: Mapping[str, str]) -> int:
    """Give the exit code."""
    workspace = Path(given["GITHUB_WORKSPACE"])
    try:
        check(workspace, given)
    except FolderError as error:
        sys.stdout.write(f"::error::{error}\n")
        if given["REPOSITORY"] and given["CHECKOUT"] != "success":
            report(workspace, given, str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
