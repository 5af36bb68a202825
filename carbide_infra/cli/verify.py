"""`carbide-infra verify`: whether the registry holds what the stack promises, to the byte."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from carbide_infra.cli.options import StackName
from carbide_infra.cli.outcome import DIFFERENT, NO_ANSWER, WELL, ends, print_json, progress
from carbide_infra.cli.saved import saved_outputs
from carbide_infra.cli.tables import wide_console
from carbide_infra.endpoint import read_endpoint
from carbide_infra.errors import CommandError, SetupError
from carbide_infra.outputs import ImageOutput
from carbide_infra.paths import project_root
from carbide_infra.registry.images import PARALLEL, split_reference
from carbide_infra.registry.registries import Registries
from carbide_infra.stack.deployed import Deployed, deployed_by
from carbide_infra.stack.pulumi_stack import open_stack
from carbide_infra.stack.registry_access import registries_with
from carbide_infra.verification.build_record import BuildRecord, InputsMissing
from carbide_infra.verification.checks import Check, Promise, verify_image
from carbide_infra.verification.rebuild import RebuildEnvironment
from carbide_infra.verification.rebuild import rebuild as build_again

app = typer.Typer(add_completion=False)
ImageNames = Annotated[
    list[str] | None, typer.Option("--image", metavar="NAME", help="Only this image; may be repeated.")
]
Rebuild = Annotated[
    bool, typer.Option("--rebuild", help="Also build each image again from its recorded inputs, without pushing.")
]
Cold = Annotated[bool, typer.Option("--cold", help="With --rebuild: also download modules and compile packages anew.")]
OutputsFile = Annotated[
    str,
    typer.Option("--from", metavar="FILE", help="Take the outputs from this file (pulumi stack output --json)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
@ends
def verify(
    stack: StackName = "",
    image: ImageNames = None,
    rebuild: Rebuild = False,  # noqa: FBT002 - a flag of the command line
    cold: Cold = False,  # noqa: FBT002
    outputs: OutputsFile = "",
    as_json: AsJson = False,  # noqa: FBT002
) -> int:
    """Check every image of a stack against its registry: manifests, tags, platforms, config, labels, size.

    Exit code 0: all agree; 1: the table says what differs; 2: no answer.
    """
    if outputs and rebuild:
        message = "--rebuild --from: the recorded inputs are in the stack's state; give --stack instead of --from"
        raise CommandError(message)
    if not (outputs or stack):
        message = "--stack: is not given; name a stack, or a file of its outputs with --from"
        raise CommandError(message)
    opened = None if outputs else open_stack(stack)
    deployed = deployed_by(opened) if opened else Deployed(saved_outputs(outputs).images)
    values = opened.values() if opened and (rebuild or deployed.wants_login) else {}
    environment = opened.environment if opened else _own_environment()
    wanted = deployed.selected(image or ())
    project = opened.project if opened else Path.cwd()
    checks = _read(deployed, wanted, registries_with(values, project, environment))
    missing: list[str] = []
    if rebuild and opened:
        # An installation that only reads outputs lacks what this needs.
        from carbide_infra.verification.rebuild_environment import rebuild_environment  # noqa: PLC0415

        again = rebuild_environment(opened, values, cold=cold)
        registries = registries_with(values, project, again.variables)
        checks, missing = _rebuilt(deployed, wanted, again, registries, checks)
    _show(wanted, checks, missing, as_json=as_json)
    if any(not check.agrees for check in checks):
        return DIFFERENT
    return NO_ANSWER if missing else WELL


def _own_environment() -> dict[str, str]:
    """This shell's variables; in a checkout, with trust in its local registry."""
    try:
        endpoint = read_endpoint(project_root())
    except SetupError:
        endpoint = None
    return os.environ | ({"SSL_CERT_FILE": endpoint.ca_bundle} if endpoint else {})


def _read(deployed: Deployed, wanted: Mapping[str, ImageOutput], registries: Registries) -> list[Check]:
    def checked(name: str) -> list[Check]:
        output = wanted[name]
        client = registries.client(split_reference(output.repository)[0])
        return verify_image(Promise(name, output, deployed.labels(name)), client)

    with ThreadPoolExecutor(PARALLEL) as pool:
        return [check for checks in pool.map(checked, wanted) for check in checks]


def _rebuilt(
    deployed: Deployed,
    wanted: Mapping[str, ImageOutput],
    again: RebuildEnvironment,
    registries: Registries,
    checks: Sequence[Check],
) -> tuple[list[Check], list[str]]:
    """The checks with those of the rebuilds, and why an image could not be built again."""
    all_checks, missing = list(checks), []
    for name, output in wanted.items():
        progress(f"Building {name} again from its recorded inputs…")
        try:
            record = BuildRecord.in_state(name, deployed.records, deployed.inputs, output.revision)
            all_checks += build_again(record, output, again, registries.client(split_reference(output.repository)[0]))
        except InputsMissing as error:
            missing.append(str(error))
    order = list(wanted)
    return sorted(all_checks, key=lambda check: order.index(check.image)), missing


def _show(images: Mapping[str, ImageOutput], checks: Sequence[Check], missing: Sequence[str], *, as_json: bool) -> None:
    differences = [check for check in checks if not check.agrees]
    if as_json:
        print_json(_document(images, checks, missing))
    elif differences:
        _print_table(differences)
    if not as_json:
        verdict = f"{len(differences)} differ" if differences else "all agree"
        typer.echo(f"{_counted(len(images), 'image')}, {_counted(len(checks), 'check')}, {verdict}")
    for reason in missing:
        typer.secho(f"not built again: {reason}", fg=typer.colors.YELLOW, err=True)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _document(images: Mapping[str, ImageOutput], checks: Sequence[Check], missing: Sequence[str]) -> dict[str, object]:
    return {
        "images": {
            name: {
                "ref": output.ref,
                "checks": sum(check.image == name for check in checks),
                "differences": [
                    {"what": check.what, "expected": check.expected, "found": check.found}
                    for check in checks
                    if check.image == name and not check.agrees
                ],
            }
            for name, output in images.items()
        },
        "notRebuilt": list(missing),
        "agrees": all(check.agrees for check in checks),
    }


def _print_table(differences: Sequence[Check]) -> None:
    console = wide_console()
    table = Table("Image", "What", "Expected", "Found", box=None, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    for check in differences:
        table.add_row(check.image, check.what, check.expected, check.found)
    console.print(table)
