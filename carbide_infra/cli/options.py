"""Options that several subcommands have."""

from typing import Annotated

import typer

StackName = Annotated[
    str, typer.Option("--stack", envvar="STACK", help="Stack, such as prod or my-org/carbide-infra/prod.")
]
