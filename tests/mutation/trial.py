"""Trial: what the unit tests say to each mutant, in children of a process that has all ready."""

import gc
import importlib
import json
import os
import pickle
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import coverage
import hypothesis
import pytest

from tests.mutation.forks import BROKEN, in_children, say
from tests.mutation.imports import Imports, module_name
from tests.mutation.mutants import Mutant
from tests.mutation.selection import Memory, Ran, Selection

NOTICED, SURVIVED, TIMED_OUT, UNTOUCHED = "noticed", "survived", "timed out", "is run by no test"
_REFUSED = "refused"
_CODES = {0: SURVIVED, 2: UNTOUCHED, 3: _REFUSED, -signal.SIGALRM: TIMED_OUT, -signal.SIGPROF: TIMED_OUT}
_OPTIONS = (
    "-s",
    "--override-ini=addopts=",
    "--assert=plain",
    "--hypothesis-seed=0",
    "-pno:terminal",
    "-pno:cacheprovider",
    "-pno:xdist",
)
_RESULT = "result"
_SHOWN_EVERY = 10
_IMPORT_SECONDS = 5.0


@dataclass(frozen=True)
class Bench:
    """The means of a trial.

    Attributes:
        packages: the folders whose lines are recorded.
        tests: the files and folders of tests.
        deadline: when no more mutants are tried, by the monotonic clock.
        folder: for temporary files.
    """

    packages: Sequence[str]
    tests: Sequence[str]
    imports: Imports
    memory: Memory
    jobs: int
    deadline: float
    folder: Path

    def recorder(self) -> coverage.Coverage:
        included = [f"{Path.cwd() / package}/*" for package in self.packages]
        return coverage.Coverage(data_file=None, config_file=False, include=included)

    def tried(self, indices: Sequence[int], work: Callable[[int, Path], int]) -> Iterator[tuple[int, str]]:
        """The outcome of each mutant, whose work is done in a child of its own."""
        shown = time.monotonic()
        in_time = (index for index in indices if time.monotonic() < self.deadline)
        for done, (index, code, own) in enumerate(in_children(in_time, work, self.folder, self.jobs), 1):
            if code == BROKEN:
                message = (own / "error").read_text()
                raise RuntimeError(message)
            yield index, _CODES.get(code, NOTICED)
            if time.monotonic() > shown + _SHOWN_EVERY:
                shown = time.monotonic()
                say(f"{done} of {len(indices)} mutants")


def outcomes(mutants: Sequence[Mutant], bench: Bench) -> dict[int, str]:
    """What becomes of each mutant, by its index; nothing of those for which the time does not suffice."""
    # The same examples each time, and no search for a smaller one when a mutant is noticed.
    phases = hypothesis.Phase.explicit, hypothesis.Phase.generate
    hypothesis.settings.register_profile(
        "mutation",
        database=None,
        deadline=None,
        phases=phases,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutation")
    results = [
        pickle.loads((own / _RESULT).read_bytes()) if code == 0 else None  # noqa: S301 - our own child's
        for _, code, own in in_children([mutants], _Imported(bench).try_all, bench.folder, 1)
    ]
    if results[0] is None:
        message = f"the tests cannot be collected: see pytest --collect-only {' '.join(bench.tests)}"
        raise RuntimeError(message)
    found, selection, libraries, rest = results[0]
    for name in libraries:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
    say(f"{len(rest)} mutants of what runs at import")
    return found | dict(bench.tried(rest, lambda index, _: _imported_anew(mutants[index], selection)))


class _Loop:
    """Plugin of pytest that does other work than running all collected tests."""

    def __init__(self, work: Callable[[Sequence[pytest.Item]], int]) -> None:
        self._work = work
        self.code = 1
        """Until the work is done: a failed collection is a noticed mutant."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not session.testsfailed:
            self.code = self._work(session.items)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """End the process at the first failure: a report of it costs more than most tests."""
        is_skip = call.excinfo is None or call.excinfo.errisinstance(pytest.skip.Exception)
        if not is_skip and not item.get_closest_marker("xfail"):
            os._exit(1)


class _Imported:
    """A session with the modules imported and the tests collected, whose children replace the code of functions."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._recorder = bench.recorder()
        self._items: Mapping[str, pytest.Item] = {}
        self._functions: dict[tuple[str, str, int], list[FunctionType]] = defaultdict(list)
        self._mutants: Sequence[Mutant] = ()
        self._selection = Selection({}, {}, {})
        self._result: object = None

    def try_all(self, mutants: Sequence[Mutant], own: Path) -> int:
        """Leave the outcomes, the selection, the libraries that tests import, and the mutants for another session."""
        self._mutants = mutants
        self._recorder.start()
        loop = _Loop(self._try)
        pytest.main([*_OPTIONS, *self._bench.tests], plugins=[loop])
        (own / _RESULT).write_bytes(pickle.dumps(self._result))
        return loop.code

    def _try(self, items: Sequence[pytest.Item]) -> int:
        self._recorder.stop()
        imported = _lines(self._recorder)
        self._items = {item.nodeid: item for item in items}
        for function in gc.get_objects():
            if isinstance(function, FunctionType):
                self._functions[_key(function.__code__)].append(function)
        gc.freeze()
        ran = self._ran()
        failed = [test for test in ran if not ran[test].passed]
        if failed:
            say("fail without a mutant, and are left out: " + ", ".join(failed))
        passed = {test: ran[test] for test in ran if ran[test].passed}
        self._selection = Selection(passed, imported, self._bench.imports)
        in_place = {
            index: self._selection.touching(mutant)
            for index, mutant in enumerate(self._mutants)
            if self._is_replaceable(mutant)
        }
        say(f"{len(in_place)} mutants of functions")
        tried = dict(
            self._bench.tried([*in_place], lambda index, _: self._replaced(self._mutants[index], in_place[index]))
        )
        found = {index: outcome for index, outcome in tried.items() if outcome != _REFUSED}
        rest = sorted({*range(len(self._mutants))} - {*in_place} | {*tried} - {*found})
        self._result = found, self._selection, _libraries(), rest
        return 0

    def _ran(self) -> dict[str, Ran]:
        """What each test runs, alone in a process; those of unchanged files are remembered."""
        known: dict[str, Ran] = {}
        for file in {test.partition("::")[0] for test in self._items}:
            known |= self._bench.memory.recall(file)
        new = [test for test in self._items if test not in known]
        say(f"{len(new)} tests to run by themselves, {len(self._items) - len(new)} remembered")
        for test, code, own in in_children(new, self._record, self._bench.folder, self._bench.jobs):
            recorded = json.loads((own / _RESULT).read_text()) if code == 0 else {"seconds": 0, "lines": {}}
            known[test] = Ran(passed=code == 0, **recorded)
        ran = {test: known[test] for test in self._items}
        self._bench.memory.keep(known)
        return ran

    def _record(self, test: str, own: Path) -> int:
        start = time.monotonic()
        # The recorder knows by now which files are not of interest.
        self._recorder.start()
        self._recorder.switch_context(test)
        code = _code_of([self._items[test]], {})
        self._recorder.stop()
        result = {"seconds": time.monotonic() - start, "lines": _lines(self._recorder, test)}
        (own / _RESULT).write_text(json.dumps(result))
        return code

    def _is_replaceable(self, mutant: Mutant) -> bool:
        """Whether the function is no more than its code: nothing of it ran at import, or is kept from there."""
        if mutant.outermost is None or self._selection.runs_at_import(mutant):
            return False
        return (mutant.file, mutant.outermost[0]) not in self._closed

    @cached_property
    def _closed(self) -> frozenset[tuple[str, str]]:
        """Functions that have made others at import."""
        names = ((file, *name.partition(".<locals>")) for file, name, _ in self._functions)
        return frozenset((file, outer) for file, outer, inner, _ in names if inner)

    def _replaced(self, mutant: Mutant, tests: Sequence[str]) -> int:
        if not tests:
            return 2
        for code in _codes(mutant.code()):
            if (code.co_qualname, code.co_firstlineno) == mutant.outermost:
                try:
                    for function in self._functions[_key(code)]:
                        function.__code__ = code
                except ValueError:  # it has other free variables, such as super's
                    return 3
        return _code_of([self._items[test] for test in tests], self._selection.tests)


def _imported_anew(mutant: Mutant, selection: Selection) -> int:
    """Import a module with its mutant, then run file after file of tests until one notices."""
    files = selection.by_file(mutant)
    sys.meta_path.insert(0, _Finder(mutant))
    for file, chosen in files.items():
        # An id may hold a value that the mutant changes.
        names = {test.partition("[")[0] for test in chosen}
        loop = _Loop(
            lambda items, names=names: _code_of(  # type: ignore[misc]
                sorted(
                    (item for item in items if item.nodeid.partition("[")[0] in names),
                    key=lambda item: _seconds(item, selection.tests),
                ),
                selection.tests,
            )
        )
        _limit(_IMPORT_SECONDS)
        pytest.main([*_OPTIONS, file], plugins=[loop])
        if loop.code:
            return loop.code
    return 0 if files else 2


class _Finder(MetaPathFinder):
    """Finds one module, whose code is the mutant's."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = module_name(mutant.path)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        loader = _Loader(fullname, self._mutant.file)
        loader.code = self._mutant.code()
        return spec_from_file_location(fullname, self._mutant.file, loader=loader)


class _Loader(SourceFileLoader):
    code: CodeType

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - as the base class has it
        return self.code


def _code_of(items: Sequence[pytest.Item], ran: Mapping[str, Ran]) -> int:
    """Run tests until one fails: then 1, else 0. One that takes much longer than without mutants ends the process."""
    for item, following in zip_longest(items, items[1:]):
        _limit(_seconds(item, ran))
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        except BaseException:  # noqa: BLE001 - the mutant's
            return 1
        if item.session.testsfailed:
            return 1
    return 0


def _seconds(item: pytest.Item, ran: Mapping[str, Ran]) -> float:
    return ran[item.nodeid].seconds if item.nodeid in ran else _IMPORT_SECONDS


def _limit(seconds: float) -> None:
    """Let the system end the process when it works, or waits, too long: the machine may be busy with other work."""
    signal.setitimer(signal.ITIMER_PROF, 2 + 5 * seconds)
    signal.setitimer(signal.ITIMER_REAL, 10 + 10 * seconds)


def _lines(recorder: coverage.Coverage, context: str = "") -> dict[str, list[int]]:
    data = recorder.get_data()
    data.set_query_context(context)
    lines = {os.path.relpath(file): sorted(data.lines(file) or ()) for file in data.measured_files()}
    return {file: found for file, found in lines.items() if found}


def _libraries() -> list[str]:
    return [name for name, module in [*sys.modules.items()] if "site-packages" in str(getattr(module, "__file__", ""))]


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno
