"""Options that several subcommands have."""

from typing import Annotated

import typer

from carbide_infra.errors import CommandError, SetupError
from carbide_infra.stack.pulumi_stack import selected_stack

StackName = Annotated[
    str,
    typer.Option(
        "--stack",
        envvar="STACK",
        metavar="NAME",
        help="Stack, such as prod or my-org/carbide-infra/prod; else the selected one.",
    ),
]
Wide = Annotated[bool, typer.Option("--wide", help="Print whole references and digests, however narrow the terminal.")]


NO_STACK = "no stack is named: add --stack NAME, set STACK, or select one with pulumi stack select NAME"


def named_stack(given: str, otherwise: str = "") -> str:
    """The stack that a command is about: the option or STACK, which Typer has read; else Pulumi's selected one.

    Args:
        given: what Typer has read.
        otherwise: what a command takes that has an answer even then.

    Raises:
        CommandError: there is none.
    """
    if given:
        return given
    try:
        selected = selected_stack()
    except SetupError:
        selected = ""
    if not (selected or otherwise):
        raise CommandError(NO_STACK)
    return selected or otherwise
