"""`carbide-infra comment`: a report as the one comment of its pull request, written again at each push."""

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from carbide_infra.cli.outcome import WELL, ends
from carbide_infra.errors import CommandError
from carbide_infra.messages import progress
from carbide_infra.report import words
from carbide_infra.report.github import DEFAULT_API, REPOSITORY, GitHubError, Repository
from carbide_infra.report.stranger import harmless

MOST_CHARACTERS = 65_536
"""GitHub takes no more in a comment."""

_MARKER = re.compile(r"<!-- carbide-infra: report of [\w./-]+ -->", re.ASCII)
_NUMBER, _RUN = re.compile(r"[1-9][0-9]{0,9}"), re.compile(r"[1-9][0-9]{0,17}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DEFAULT_PAGES = "https://github.com"

app = typer.Typer()


@app.command()
@ends
def comment(
    file: Annotated[Path, typer.Option(help="The report, in Markdown.")],
    pull_request: Annotated[
        str, typer.Option(help="Number of the pull request, or @FILE for a file that holds nothing but it.")
    ],
    repository: Annotated[str, typer.Option(envvar="GITHUB_REPOSITORY", help="Owner and name of the repository.")],
    commit: Annotated[
        str, typer.Option(help="Say nothing unless this is still the pull request's last commit, in full.")
    ] = "",
    run: Annotated[
        str, typer.Option(help="Number of the run that has the report as a page, in an artifact, to link to it.")
    ] = "",
) -> int:
    """Write a report to its pull request, in the place of the last one.

    The token comes from GITHUB_TOKEN and needs to write pull requests; GITHUB_API_URL names another GitHub.
    Report and number may come from a stranger's run: both are checked. What the report says is shown as text under a
    line that says whose it is; of its links, those to the repository's own commits stay.
    """
    text = _report(file)
    number = _number(pull_request)
    where = _repository(repository)
    body = _body(text, where, run)
    if commit and not _COMMIT.fullmatch(commit):
        message = f"--commit {commit}: is not a full SHA"
        raise CommandError(message)
    try:
        if commit and (head := where.head_of(number)) != commit:
            progress(f"Pull request {number} is at {head} by now, not at {commit}: nothing is written")
            return WELL
        old = where.own_comment(number, body.partition("\n")[0])
        written = where.update(old, body) if old else where.create(number, body)
    except GitHubError as error:
        message = f"the report could not be written to pull request {number}: {error}"
        raise CommandError(message) from error
    progress(f"{'Renewed' if old else 'Wrote'} {written.page}")
    return WELL


def _report(file: Path) -> str:
    text = _text(file, MOST_CHARACTERS)
    if not _MARKER.fullmatch(text.partition("\n")[0]):
        message = f"{file}: is not a report: its first line is not the marker of one; make it with carbide-infra report"
        raise CommandError(message)
    return text


def _body(text: str, repository: Repository, run: str) -> str:
    """The report made harmless, and short enough, with the way to the page."""
    pages = f"{os.environ.get('GITHUB_SERVER_URL', _DEFAULT_PAGES).rstrip('/')}/{repository.name}"
    if run and not _RUN.fullmatch(run):
        message = f"--run {run}: is not the number of a workflow run"
        raise CommandError(message)
    link = f"\n[{words.PAGE}]({pages}/actions/runs/{run}#artifacts)\n" if run else ""
    body = harmless(text, pages)
    while len(body) + len(link) > MOST_CHARACTERS:
        # What makes text harmless makes it longer; a part of the result could be anything.
        text = text[: len(text) * 3 // 4].rpartition("\n")[0]
        body = harmless(text, pages)
    return body + link


def _number(given: str) -> int:
    text = _text(Path(given[1:]), 16).strip() if given.startswith("@") else given
    if not _NUMBER.fullmatch(text):
        message = f"--pull-request {given}: {text!r} is not the number of a pull request"
        raise CommandError(message)
    return int(text)


def _repository(name: str) -> Repository:
    if not REPOSITORY.fullmatch(name):
        message = f"--repository {name}: is not of the form owner/name"
        raise CommandError(message)
    token = os.environ.get("GITHUB_TOKEN")
    if not token:
        message = "GITHUB_TOKEN: is not set; in a workflow, set it to ${{ github.token }}"
        raise CommandError(message)
    return Repository(name, os.environ.get("GITHUB_API_URL", DEFAULT_API).rstrip("/"), token)


def _text(file: Path, most: int) -> str:
    """A file's text, if it is a plain file of a sensible size: a link could show what is not the stranger's to see."""
    if file.is_symlink() or not file.is_file():
        message = f"{file}: is not a plain file"
        raise CommandError(message)
    # No character takes more than four bytes.
    with file.open("rb") as stream:
        content = stream.read(4 * most + 1)
    text = content.decode(errors="replace")
    if len(text) > most:
        message = f"{file}: has more than {most:,} characters"
        raise CommandError(message)
    return text
