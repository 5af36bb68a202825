"""The command: python -m tests.mutation [--help], for make test-mutation."""

import random
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.mutation.equivalents import read_equivalents, unused
from tests.mutation.forks import say
from tests.mutation.imports import read_imports
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.selection import Memory
from tests.mutation.trial import NOTICED, TIMED_OUT, Bench, outcomes

_EQUIVALENT, _UNTRIED = "equivalent", "not tried"
_GOOD = {NOTICED, TIMED_OUT}


def main(
    modules: Annotated[
        list[str] | None, typer.Argument(help="Files and folders, as in carbide_infra or whole.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Measure all core modules.")] = False,
    minutes: Annotated[float, typer.Option(help="Try mutants for so long, in a random order.")] = 24 * 60,
    jobs: Annotated[int, typer.Option(help="Processes at a time.")] = 1,
    memory: Annotated[Path, typer.Option(help="Where to remember what tests run.")] = Path(".local/mutation"),
    tests: Annotated[str, typer.Option(help="Files or folders of tests, instead of all unit tests.")] = "",
) -> None:
    """Make small mistakes in core modules, one at a time, and tell which of them no unit test notices.

    Without arguments, in the core modules that differ from where this branch left main, or, on main itself, from the
    last commit. Ends with 1 where too few mistakes in a core module are noticed.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["mutation"]
    core = sorted({str(path) for pattern in options["core"] for path in Path().glob(pattern)})
    packages = sorted({path.partition("/")[0] for path in core})
    chosen = core if every else _named(modules, packages) if modules else [path for path in core if path in _changed()]
    if not chosen:
        say("No core module has changed. Name some in MODULES, or measure all with ALL=1.")
        return
    known = read_equivalents(Path(options["equivalent"]))
    mutants = [mutant for path in chosen for mutant in mutants_of(path)]
    new = [mutant for mutant in mutants if mutant.key not in known]
    random.Random(0).shuffle(new)  # noqa: S311 - a sample, where the time is short
    test_paths = tests.split() or options["tests"]
    imports = read_imports(str(path) for folder in (*packages, "tests") for path in Path(folder).rglob("*.py"))
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        Path(folder).chmod(0o711)  # for tests that are another user for a while
        bench = Bench(
            packages, test_paths, imports, Memory(memory, imports), jobs, time.monotonic() + 60 * minutes, Path(folder)
        )
        found = outcomes(new, bench)
    results = {id(mutant): found.get(index, _UNTRIED) for index, mutant in enumerate(new)}
    results = {mutant: results.get(id(mutant), _EQUIVALENT) for mutant in mutants}
    scores = _scores(results)
    _print_survivors(results)
    _print_scores(scores)
    for key in unused((mutant.key for mutant in mutants), known) if every else ():
        print(f"{options['equivalent']}: is not a mutant: {key}")
    if any(_percent(scores[path]) < options["required"] for path in chosen if path in core):
        raise typer.Exit(1)


def _named(names: Sequence[str], packages: Sequence[str]) -> list[str]:
    """The modules of files and folders, with or without the package and the suffix."""
    found: set[Path] = set()
    for name in names:
        roots = [Path(), *map(Path, packages)]
        candidates = [path for root in roots for path in (root / name, root / f"{name}.py") if path.exists()]
        if not candidates:
            message = f"{name} is not a module: name a file or folder, such as {packages[0]}/plan.py or plan"
            raise typer.BadParameter(message)
        path = candidates[0]
        found |= {path} if path.is_file() else {*path.rglob("*.py")}
    return sorted(map(str, found))


def _changed() -> set[str]:
    """The files that differ from where this branch left main, or on main from the last commit; new ones too."""
    base = "HEAD"
    for branch in ("main", "origin/main"):
        if _git("rev-parse", "--verify", "--quiet", branch):
            base = _git("merge-base", "HEAD", branch)[0]
            break
    say(f"modules that differ from {base}")
    return {*_git("diff", "--name-only", "--relative", base), *_git("ls-files", "--others", "--exclude-standard")}


def _git(*arguments: str) -> list[str]:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.split()


def _scores(results: Mapping[Mutant, str]) -> dict[str, Counter[str]]:
    scores: dict[str, Counter[str]] = {mutant.path: Counter() for mutant in results}
    for mutant, result in results.items():
        scores[mutant.path][result] += 1
    return scores


def _percent(score: Counter[str]) -> float:
    tried = score.total() - score[_EQUIVALENT] - score[_UNTRIED]
    return 100 * sum(score[good] for good in _GOOD) / tried if tried else 100


def _print_survivors(results: Mapping[Mutant, str]) -> None:
    for mutant, result in results.items():
        if result not in _GOOD | {_EQUIVALENT, _UNTRIED}:
            print(f"{mutant.path}:{mutant.line}: {mutant.key}   ({result})")


def _print_scores(scores: Mapping[str, Counter[str]]) -> None:
    table = Table("module", *("noticed", "timed out", "survived", "equivalent", "not tried", "score"), box=None)
    total: Counter[str] = Counter()
    for module, score in [*scores.items(), ("all", total)]:
        bad = score.total() - sum(score[result] for result in (*_GOOD, _EQUIVALENT, _UNTRIED))
        cells = score[NOTICED] + score[TIMED_OUT], score[TIMED_OUT], bad, score[_EQUIVALENT], score[_UNTRIED]
        table.add_row(module, *map(str, cells), f"{_percent(score):.1f} %")
        total += score
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
