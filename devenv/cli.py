"""`python -m devenv`: set up the machine, and run commands on it."""

import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, NoReturn, ParamSpec

import typer

from carbide_infra.errors import MissingPrerequisite, UserError
from carbide_infra.messages import complain, progress
from carbide_infra.paths import project_root, state_dir
from carbide_infra.settings import load_settings
from carbide_infra.stack.pulumi_stack import PulumiStack
from carbide_infra.stack.stack_file import ANY_REGISTRY, DEV_STACK, read_stack_file
from carbide_infra.state_files import write_json
from devenv.builder import can_embed, docker_answers
from devenv.clean import clean
from devenv.environment import child_environment, export_lines, github_lines
from devenv.findings import findings
from devenv.prerequisites import check_prerequisites
from devenv.ready import Start, ensure, needed_tools, required_tools, start_daemons
from devenv.toolchain import ensure_actionlint, ensure_registry_server, ensure_tools, missing_tools
from devenv.up import local_down

INTERRUPTED = 130
# Whether a machine has these two must not decide what is found; the steps are one command each anyhow.
ACTIONLINT_ARGUMENTS = ("-shellcheck=", "-pyflakes=")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_Arguments = ParamSpec("_Arguments")
StackName = Annotated[str, typer.Option("--stack", envvar="STACK", help="Name of the stack.")]
Command = Annotated[list[str], typer.Argument(help="The command and its arguments, after --.")]


def _reported(command: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
    """Show an error that the user can fix as one message, and leave with exit code 1."""

    @wraps(command)
    def wrapper(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except UserError as error:
            complain(f"error: {error}", typer.colors.RED)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            progress("Interrupted; the same command resumes from here.")
            raise typer.Exit(INTERRUPTED) from None

    return wrapper


@app.command()
@_reported
def tools() -> None:
    """Find or build the tools: pulumi, its plugins, BuildKit, buildx, a registry."""
    check_prerequisites()
    found = needed_tools(progress)
    ensure_registry_server(progress)
    progress(f"The tools are in {found.bin_dir}")


@app.command()
@_reported
def start(stack: StackName = DEV_STACK) -> None:
    """Start the local builder and registry, and see to the base images."""
    root = project_root()
    settings = load_settings(ANY_REGISTRY | read_stack_file(root, stack), os.environ)
    start_daemons(root, required_tools(progress), settings, progress)


@app.command()
@_reported
def down() -> None:
    """Stop the local builder and registry; their data stay."""
    local_down(project_root(), progress)


@app.command("clean")
@_reported
def delete_state() -> None:
    """Stop everything and delete this checkout's local state; refused where it is another stack's only one."""
    clean(project_root(), progress)


@app.command()
@_reported
def run(
    command: Command,
    stack: StackName = DEV_STACK,
    *,
    starts: Annotated[bool, typer.Option("--start", help="First start the local builder and registry.")] = False,
    if_local: Annotated[bool, typer.Option(help="… only for a stack whose images go to the local registry.")] = False,
    if_new: Annotated[bool, typer.Option(help="… unless they were set up for these base images before.")] = False,
    unpinned: Annotated[bool, typer.Option(help="… for the stack's base images without their digests.")] = False,
) -> None:
    """Run a command where the tools are found, building those that are missing; it is given STACK, too."""
    chosen = {Start.LOCAL: if_local, Start.ONCE: if_new, Start.UNPINNED: unpinned}
    when = next((when for when, is_chosen in chosen.items() if is_chosen), Start.ALWAYS) if starts else Start.NEVER
    _become(command, ensure(stack, when, progress) | {"STACK": stack})


@app.command()
@_reported
def env(
    stack: StackName = DEV_STACK,
    *,
    starts: Annotated[
        bool, typer.Option("--start", envvar="CARBIDE_START", help="First start the local builder and registry.")
    ] = False,
    as_github: Annotated[bool, typer.Option("--github", help="Print lines for the file GITHUB_ENV.")] = False,
) -> None:
    """Print the shell variables that make plain `pulumi` and `carbide-infra` work here."""
    environment = ensure(stack, Start.ALWAYS if starts else Start.NEVER, progress)
    # Other stacks are the user's to make, with a passphrase or backend that we do not know.
    if stack == DEV_STACK:
        PulumiStack(stack, _found("pulumi", environment), project_root(), environment).select()
    sys.stdout.write(github_lines(environment) if as_github else export_lines(environment))


@app.command()
@_reported
def doctor(arguments: Annotated[list[str] | None, typer.Argument()] = None, stack: StackName = DEV_STACK) -> None:
    """Run `carbide-infra doctor` on this machine as it is, with what the kit finds first; builds nothing."""
    root, embedded = project_root(), not docker_answers() and can_embed()
    missing = missing_tools(embedded=embedded)
    there = None if missing else ensure_tools(progress, embedded=embedded)
    environment = child_environment(root, there, stack)
    file = state_dir(root) / "findings.json"
    write_json(file, list(findings(missing, Path(environment["PULUMI_HOME"]))))
    command = ["carbide-infra", "doctor", "--findings", str(file), *(arguments or ())]
    _become(command, environment | {"STACK": stack})


@app.command()
@_reported
def lint_workflows() -> None:
    """Check GitHub's workflows with actionlint."""
    command = [str(ensure_actionlint(progress)), *ACTIONLINT_ARGUMENTS]
    raise typer.Exit(subprocess.run(command, cwd=project_root(), check=False).returncode)


def _become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Become another program, which has this one's terminal, signals and exit code."""
    program = _found(command[0], environment)
    if _is_for_this_python(program):
        _run_here(program, command, environment)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(program, list(command), dict(environment))  # noqa: S606 - no shell is wanted


def _run_here(program: Path, command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Run a Python program in this process, where much of what it imports is loaded: a third of a second less."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(program), *command[1:]]
    sys.path[0] = str(program.parent)
    runpy.run_path(str(program), run_name="__main__")
    sys.exit()


def _is_for_this_python(program: Path) -> bool:
    """Tell whether it is a script that the system would start this same interpreter for."""
    with program.open("rb") as script:
        return script.readline().strip() == b"#!" + os.fsencode(sys.executable)


def _found(name: str, environment: Mapping[str, str]) -> Path:
    found = shutil.which(name, path=environment["PATH"])
    if found is None:
        message = f"{name}: is not on PATH"
        raise MissingPrerequisite(message)
    return Path(found).absolute()
