"""`carbide-infra doctor`: what in this machine, the stack and its registry would stop an update."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from carbide_infra.cli.options import StackName, named_stack
from carbide_infra.cli.outcome import DIFFERENT, WELL, ends, print_json
from carbide_infra.cli.tables import wide_console
from carbide_infra.diagnosis.finding import Finding
from carbide_infra.errors import CommandError
from carbide_infra.paths import project_root
from carbide_infra.stack.stack_file import DEV_STACK

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
# What begins a line of a fix that is a command to be copied.
_COMMAND = "\n    "

app = typer.Typer(add_completion=False)
AsJson = Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")]
FindingsFile = Annotated[
    Path | None, typer.Option("--findings", metavar="FILE", help="Findings of another program, to be shown first.")
]


@app.command()
@ends
def doctor(
    stack: StackName = "",
    findings_file: FindingsFile = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command line
) -> int:
    """Check Pulumi, builder, source, base images, configuration, registry and login, and say what to fix.

    Builds and starts nothing, and leaves nothing in the registry. Exit code 1 when something fails.
    """
    project = project_root()
    # Without Pulumi nobody knows the selected stack, and that Pulumi is missing is to be told.
    stack = named_stack(stack, DEV_STACK)
    # An installation that only reads outputs lacks what this needs, and has nothing to check.
    from carbide_infra.diagnosis.checks import checked  # noqa: PLC0415

    findings = [*_given(findings_file), *checked(project, stack)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    return DIFFERENT if any(finding.level == "fail" for finding in findings) else WELL


def _given(file: Path | None) -> list[Finding]:
    if file is None:
        return []
    try:
        return [Finding(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        message = f"--findings {file}: is not a list of findings ({error}); give what doctor --json prints"
        raise CommandError(message) from error


def _print(findings: Sequence[Finding]) -> None:
    console = wide_console()
    table = Table.grid(padding=(0, 2))
    below: list[str] = []
    for finding in findings:
        told = Text(finding.told, overflow="fold")
        if finding.fix:
            words, *commands = finding.fix.split(_COMMAND)
            told.append(f"\n→ {words}{' below' if commands else ''}", style=_STYLES[finding.level])
            below += commands
        table.add_row(Text(finding.level, style=_STYLES[finding.level]), finding.subject, told)
    console.print(table)
    for command in below:
        # Folded, it could not be copied.
        console.print(Text(f"    {command}"), soft_wrap=True)
    counts = {level: sum(finding.level == level for finding in findings) for level in _STYLES}
    console.print(f"{counts['ok']} ok, {counts['warn']} to know, {counts['fail']} to fix")
