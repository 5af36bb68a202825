"""The command: python -m tests.mutation [--help], for make test-mutation."""

import random
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.mutation.equivalents import read_equivalents
from tests.mutation.forks import say
from tests.mutation.imports import read_imports
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.selection import Memory
from tests.mutation.trial import NOTICED, SURVIVED, TIMED_OUT, UNTOUCHED, Bench, outcomes

_EQUIVALENT, _UNTRIED = "equivalent", "not tried"
_Results = Sequence[tuple[Mutant, str]]


def main(
    modules: Annotated[
        list[str] | None, typer.Argument(help="Files or folders, such as carbide_infra/images/plan.py, or just plan.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Measure all core modules.")] = False,
    minutes: Annotated[float, typer.Option(help="Try mutants for so long, in a random order.")] = 24 * 60,
    jobs: Annotated[int, typer.Option(help="Processes at a time.")] = 1,
    tests: Annotated[str, typer.Option(help="Files or folders of tests, instead of all unit tests.")] = "",
    memory: Annotated[Path, typer.Option(help="Where to remember what tests run.")] = Path(".local/mutation"),
) -> None:
    """Make small mistakes in core modules, one at a time, and tell which of them no unit test notices.

    Without arguments, in the core modules that differ from where this branch left main, or, on main itself, from the
    last commit. Ends with 1 where too few mistakes in a core module are noticed.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["mutation"]
    core = sorted({str(path) for pattern in options["core"] for path in Path().glob(pattern)})
    roots = sorted({path.partition("/")[0] for path in core})
    chosen = core if every else _named(modules, roots) if modules else sorted(_changed() & {*core})
    packages = sorted({path.partition("/")[0] for path in (*core, *chosen)})
    known = read_equivalents(Path(options["equivalent"]))
    mutants = [mutant for path in chosen for mutant in mutants_of(path)]
    new = [mutant for mutant in mutants if mutant.key not in known]
    if not new:
        say("There is no mutant: no core module has changed. Name some in MODULES, or measure all with ALL=1.")
        return
    random.Random(0).shuffle(new)  # noqa: S311 - a fair sample, where the time is short
    imports = read_imports(str(path) for folder in {*packages, "tests"} for path in Path(folder).rglob("*.py"))
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        Path(folder).chmod(0o711)
        paths = tests.split() or options["tests"]
        bench = Bench(packages, paths, imports, Memory(memory, imports), jobs, 60 * minutes, Path(folder))
        found = {new[number]: outcome for number, outcome in outcomes(new, bench).items()}
    untried = dict.fromkeys(new, _UNTRIED)
    results = [(mutant, (untried | found).get(mutant, _EQUIVALENT)) for mutant in mutants]
    _print_survivors(results)
    scores = _print_scores(results)
    for key in sorted(known.keys() - {mutant.key for mutant in mutants}) if every else ():
        typer.echo(f"{options['equivalent']}: is no mutant (any more): {key}")
    if any(scores.get(path, 100) < options["required"] for path in core):
        raise typer.Exit(1)


def _named(names: Sequence[str], roots: Sequence[str]) -> list[str]:
    """The modules of files and folders, with or without the package and the suffix."""
    found: set[Path] = set()
    for name in names:
        folders = [Path(), *map(Path, roots)]
        candidates = [path for folder in folders for path in (folder / name, folder / f"{name}.py") if path.exists()]
        if not candidates:
            message = f"{name} is no module: name a file or folder, such as {roots[0]}/plan.py or plan"
            raise typer.BadParameter(message)
        path = candidates[0]
        found |= {path} if path.is_file() else {*path.rglob("*.py")}
    return sorted(map(str, found))


def _changed() -> set[str]:
    """The files that differ from where this branch left main, or on main from the last commit; new ones too."""
    bases = (_git("merge-base", "HEAD", branch) for branch in ("main", "origin/main"))
    base = next((found[0] for found in bases if found), "HEAD")
    say(f"modules that differ from {base}")
    return {*_git("diff", "--name-only", "--relative", base), *_git("ls-files", "--others", "--exclude-standard")}


def _git(*arguments: str) -> list[str]:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.split()


def _print_survivors(results: _Results) -> None:
    for mutant, outcome in sorted(results, key=lambda result: (result[0].path, result[0].line)):
        if outcome in {SURVIVED, UNTOUCHED}:
            typer.echo(f"{mutant.path}:{mutant.line}: {mutant.key}   ({outcome})")


def _print_scores(results: _Results) -> dict[str, float]:
    """Print and give each module's percentage of noticed mutants, without those that are equivalent."""
    counts: dict[str, Counter[str]] = {mutant.path: Counter() for mutant, _ in results}
    for mutant, outcome in results:
        counts[mutant.path][outcome] += 1
    everything = Counter(outcome for _, outcome in results)
    table = Table("module", "noticed", "timed out", "survived", "equivalent", "not tried", "score", box=None)
    scores = {}
    for name, count in [*counts.items(), ("all", everything)]:
        noticed, survived = count[NOTICED] + count[TIMED_OUT], count[SURVIVED] + count[UNTOUCHED]
        scores[name] = 100 * noticed / (noticed + survived) if noticed + survived else 100.0
        cells = noticed, count[TIMED_OUT], survived, count[_EQUIVALENT], count[_UNTRIED]
        table.add_row(name, *map(str, cells), f"{scores[name]:.1f} %")
    Console(width=120).print(table)
    return scores


if __name__ == "__main__":
    typer.run(main)
