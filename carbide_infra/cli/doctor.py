"""`carbide-infra doctor`: what in this machine, the stack and its registry would stop an update."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from carbide_infra.cli.outcome import DIFFERENT, WELL, ends, print_json
from carbide_infra.cli.stacks import StackName
from carbide_infra.diagnosis.finding import Finding
from carbide_infra.paths import project_root
from carbide_infra.stack.engine import DEV_STACK

_FILE_WIDTH = 200
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}

app = typer.Typer(add_completion=False)
AsJson = Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")]


@app.command()
@ends
def doctor(
    stack: StackName = DEV_STACK,
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command line
) -> int:
    """Check engine, builder, source, base images, configuration, registry and login, and say what to mend.

    Builds and starts nothing, and leaves nothing in the registry. Exit code 1 when something fails.
    """
    # An installed wheel lacks what this needs, and has nothing to examine.
    root = project_root()
    from carbide_infra.cli.examination import examine  # noqa: PLC0415

    findings = list(examine(root, stack))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    return DIFFERENT if any(finding.level == "fail" for finding in findings) else WELL


def _print(findings: Sequence[Finding]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        told = Text(finding.told, overflow="fold")
        if finding.fix:
            told.append(f"\n→ {finding.fix}", style=_STYLES[finding.level])
        table.add_row(Text(finding.level, style=_STYLES[finding.level]), finding.subject, told)
    console.print(table)
    counts = {level: sum(finding.level == level for finding in findings) for level in _STYLES}
    console.print(f"{counts['ok']} ok, {counts['warn']} to know, {counts['fail']} to mend")
