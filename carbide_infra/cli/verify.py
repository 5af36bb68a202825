"""`carbide-infra verify`: whether the registry holds what the stack promises."""

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from carbide_infra.cli.options import StackName, Wide, named_stack
from carbide_infra.cli.outcome import DIFFERENT, NO_ANSWER, WELL, ends, print_json
from carbide_infra.cli.saved import saved_outputs
from carbide_infra.cli.tables import Column, fits, print_columns, short_digest, wide_console
from carbide_infra.endpoint import read_endpoint
from carbide_infra.errors import CommandError, SetupError
from carbide_infra.messages import complain, progress
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

_SHORT_COMMIT = 10
_LAYERS_AT_ONCE = 4

app = typer.Typer(add_completion=False)
ImageNames = Annotated[
    list[str] | None, typer.Option("--image", metavar="NAME", help="Only this image; may be repeated.")
]
Rebuild = Annotated[
    bool, typer.Option("--rebuild", help="Also build each image again from its recorded inputs, without pushing.")
]
Deep = Annotated[
    bool, typer.Option("--deep", help="Also read every layer to its last byte, and look at the binaries in them.")
]
Cold = Annotated[bool, typer.Option("--cold", help="With --rebuild: also download modules and compile packages anew.")]
OutputsFile = Annotated[
    str,
    typer.Option("--from", metavar="FILE", help="Take the outputs from this file (pulumi stack output --json)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
@ends
def verify(  # noqa: PLR0913 - the options of the command line
    stack: StackName = "",
    image: ImageNames = None,
    *,
    deep: Deep = False,
    rebuild: Rebuild = False,
    cold: Cold = False,
    outputs: OutputsFile = "",
    as_json: AsJson = False,
    wide: Wide = False,
) -> int:
    """Check every image of a stack against its registry: manifests, tags, platforms, config, labels, size.

    Exit code 0: all agree; 1: the table says what differs; 2: no answer.
    """
    if outputs and rebuild:
        message = "--rebuild --from: the recorded inputs are in the stack's state; give --stack instead of --from"
        raise CommandError(message)
    opened = None if outputs else open_stack(named_stack(stack))
    deployed = deployed_by(opened) if opened else Deployed(saved_outputs(outputs).images)
    values = opened.values() if opened and (rebuild or deployed.wants_login) else {}
    environment = opened.environment if opened else _own_environment()
    wanted = deployed.selected(image or ())
    project = opened.project if opened else Path.cwd()
    checks = _read(deployed, wanted, registries_with(values, project, environment), is_deep=deep)
    missing: list[str] = []
    if rebuild and opened:
        # An installation that only reads outputs lacks what this needs.
        from carbide_infra.verification.rebuild_environment import rebuild_environment  # noqa: PLC0415

        again = rebuild_environment(opened, values, cold=cold)
        registries = registries_with(values, project, again.variables)
        checks, missing = _rebuilt(deployed, wanted, again, registries, checks)
    _show(wanted, checks, missing, as_json=as_json, wide=wide)
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


def _read(
    deployed: Deployed, wanted: Mapping[str, ImageOutput], registries: Registries, *, is_deep: bool
) -> list[Check]:
    def checked(name: str) -> list[Check]:
        output = wanted[name]
        client = registries.client(split_reference(output.repository)[0])
        return verify_image(Promise(name, output, deployed.labels(name)), client, is_deep=is_deep)

    # A layer takes room on the disk while it is read.
    with ThreadPoolExecutor(_LAYERS_AT_ONCE if is_deep else PARALLEL) as pool:
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


def _show(
    images: Mapping[str, ImageOutput], checks: Sequence[Check], missing: Sequence[str], *, as_json: bool, wide: bool
) -> None:
    differences = [check for check in checks if not check.agrees]
    if as_json:
        print_json(_document(images, checks, missing))
    elif differences:
        _print_table(differences, wide=wide)
    if not as_json:
        verdict = f"{len(differences)} differ" if differences else "all agree"
        typer.echo(f"{_counted(len(images), 'image')}, {_counted(len(checks), 'check')}, {verdict}")
    for reason in missing:
        complain(f"not built again: {reason}", typer.colors.YELLOW)


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


def _print_table(differences: Sequence[Check], *, wide: bool) -> None:
    """Print one line each, and where a terminal has no room, the values on lines of their own."""
    console = wide_console()
    is_whole = wide or not console.is_terminal
    shown = str if is_whole else _abbreviated
    columns = [
        Column("Image", [check.image for check in differences]),
        Column("What", [shown(check.what) for check in differences]),
        Column("Expected", [shown(check.expected) for check in differences]),
        Column("Found", [shown(check.found) for check in differences]),
    ]
    if is_whole or fits(columns, console):
        print_columns(columns, console, fold=is_whole)
        return
    for check in differences:
        typer.echo(f"{check.image}: {shown(check.what)}")
        typer.echo(f"  expected  {shown(check.expected)}\n  found     {shown(check.found)}")


def _abbreviated(text: str) -> str:
    text = re.sub(r"sha256:[0-9a-f]{64}", lambda digest: short_digest(digest[0]), text)
    return re.sub(r"\b[0-9a-f]{40}\b", lambda commit: commit[0][:_SHORT_COMMIT], text)
