"""`carbide-infra report`: what a preview means, for a pull request's comment, a terminal or a program."""

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from carbide_infra.cli.options import StackName, named_stack
from carbide_infra.cli.outcome import DIFFERENT, NO_ANSWER, WELL, ends
from carbide_infra.cli.prepared import opened_for_the_provider
from carbide_infra.errors import CommandError
from carbide_infra.messages import progress
from carbide_infra.report.changes import Report, report_of
from carbide_infra.report.data import as_data
from carbide_infra.report.markdown import markdown
from carbide_infra.report.preview import PreviewError, read_preview

# A log is not folded by anybody, and read beside other things.
_FILE_WIDTH = 100

HEAD_VARIABLE = "CARBIDE_HEAD"
"""Environment variable with the full SHA of the commit to name, where a merge of it is checked out."""

app = typer.Typer()


class Format(StrEnum):
    """Who reads it."""

    terminal = "terminal"
    markdown = "markdown"
    json = "json"
    html = "html"


@app.command()
@ends
def report(
    stack: StackName = "",
    form: Annotated[
        Format, typer.Option("--format", help="terminal, markdown (a pull request's comment), html (a page) or json.")
    ] = Format.terminal,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,  # noqa: FBT002
    preview: Annotated[
        str | None,
        typer.Option(help="Saved output of `pulumi preview --json`, - for stdin. Without it the preview is made now."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File to write the report to, instead of stdout.")] = None,
    page_file: Annotated[
        Path | None, typer.Option("--page", help="File to write the report to as a page as well.")
    ] = None,
    exit_code: Annotated[  # noqa: FBT002
        bool, typer.Option("--exit-code", help="End with 1 when an image is new, rebuilt or removed.")
    ] = False,
) -> int:
    """Say which images an update would change and why, and which deployments would restart.

    Builds nothing. A preview that fails is reported as failed, with Pulumi's own message; the exit code is then 2.
    CARBIDE_HEAD may name the commit that people know, such as a pull request's own, where a merge is checked out.
    """
    found = _report(named_stack(stack), preview, os.environ.get(HEAD_VARIABLE, ""))
    chosen = Format.json if as_json else form
    _write(found, chosen, output)
    if page_file is not None:
        _write(found, Format.html, page_file, "--page")
    if found.errors and chosen is Format.terminal and output is None:
        # Said already, and before the same eyes.
        return NO_ANSWER
    if found.errors:
        raise CommandError("\n".join(found.errors))
    return DIFFERENT if exit_code and found.images_change else WELL


def _report(stack: str, preview: str | None, head: str) -> Report:
    if preview is None:
        progress(f"Previewing stack {stack}…")
        data: Any = opened_for_the_provider(stack).preview()
    else:
        data = _saved(preview)
    try:
        return report_of(read_preview(data, stack), head)
    except PreviewError as error:
        message = f"--preview {preview}: {error}" if preview else f"pulumi preview: its output {error}"
        raise CommandError(message) from error


def _saved(name: str) -> object:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        message = f"--preview {name}: cannot be read ({error.strerror}); name a file, or - for stdin"
        raise CommandError(message) from error
    except (ValueError, RecursionError) as error:
        message = f"--preview {name}: is not JSON ({error}); save what `pulumi preview --json` prints on stdout"
        raise CommandError(message) from error


def _write(found: Report, form: Format, output: Path | None, option: str = "--output") -> None:
    if output is None:
        _print(found, form, sys.stdout)
        return
    try:
        with output.open("w", encoding="utf-8") as file:
            _print(found, form, file)
    except OSError as error:
        message = f"{option} {output}: cannot be written ({error.strerror})"
        raise CommandError(message) from error


def _print(found: Report, form: Format, stream: TextIO) -> None:
    match form:
        case Format.markdown:
            stream.write(markdown(found))
        case Format.html:
            from carbide_infra.report.page import page  # noqa: PLC0415 - a comment does not wait for it

            stream.write(page(found))
        case Format.json:
            stream.write(json.dumps(as_data(found), indent=2) + "\n")
        case Format.terminal:
            # Rich takes longer to load than all the rest.
            from rich.console import Console  # noqa: PLC0415

            from carbide_infra.report.terminal import print_report  # noqa: PLC0415

            # A log or a file is as wide as its lines; a terminal knows how wide it is.
            console = Console(file=stream, highlight=False, width=None if stream.isatty() else _FILE_WIDTH)
            print_report(found, console)
