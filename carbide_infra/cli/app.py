"""Entry point of `carbide-infra`: one module of this package for each subcommand, named as it is."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS: tuple[str, ...] = (
    "up",
    "preview",
    "report",
    "refresh",
    "verify",
    "doctor",
    "images",
    "inputs",
    "init",
    "release",
    "pin-bases",
    "check-bases",
    "baseline",
    "comment",
    "catalogue",
)
EPILOG = (
    "Exit codes: 0 all is well; 1 something differs or fails, as printed; 2 no answer could be given; 130 interrupted."
)


class _Subcommands(TyperGroup):
    """Loads the subcommand that is called, and no other: a report must not wait for what `verify` imports."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - the context of Typer's own copy of Click
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002
        if cmd_name not in COMMANDS:
            return None
        return _plain(get_command(import_module(f"carbide_infra.cli.{cmd_name.replace('-', '_')}").app))


def _plain(command: Any) -> Any:  # noqa: ANN401
    """Print help as text that can be copied, with no frames, and no "<bool>" behind a flag."""
    command.rich_markup_mode = None
    # Whole, where Click would cut it.
    command.short_help = " ".join((command.help or "").partition("\n\n")[0].split())
    for name in command.commands if isinstance(command, TyperGroup) else ():
        _plain(command.commands[name])
    return command


app = typer.Typer(
    cls=_Subcommands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=EPILOG,
    rich_markup_mode=None,
)


@app.callback()
def main() -> None:
    """Build the container images of Carbide REST, and ask what changes, why, and whether the registry has it."""
