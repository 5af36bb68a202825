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
from importlib.machinery import SourceFileLoader
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FunctionType

import coverage
import hypothesis
import pytest

from tests.mutation.forks import BROKEN, ERROR, in_children, say
from tests.mutation.imports import Imports
from tests.mutation.mutants import Mutant
from tests.mutation.selection import Memory, Ran, Selection

NOTICED, SURVIVED, TIMED_OUT, UNTOUCHED = "noticed", "survived", "timed out", "is run by no test"
_REFUSED = "refused"
_CODES = {0: SURVIVED, 2: UNTOUCHED, 3: _REFUSED, -signal.SIGALRM: TIMED_OUT, -signal.SIGPROF: TIMED_OUT}
# Nobody reads why a test fails, and Hypothesis has the same examples each time.
_OPTIONS = ("-s", "--override-ini=addopts=", "--assert=plain", "--hypothesis-seed=0")
_WITHOUT = ("-pno:terminal", "-pno:cacheprovider", "-pno:xdist")
_RESULT = "result"
_SHOWN_EVERY, _UNKNOWN_SECONDS = 10, 5.0


@dataclass(frozen=True)
class Bench:
    """The means of a trial.

    Attributes:
        packages: the folders whose lines are recorded.
        tests: the files and folders of tests.
        seconds: for all mutants; each kind has its share.
        folder: for temporary files.
    """

    packages: Sequence[str]
    tests: Sequence[str]
    imports: Imports
    memory: Memory
    jobs: int
    seconds: float
    folder: Path

    def tried(self, numbers: Sequence[int], share: float, work: Callable[[int], int]) -> Iterator[tuple[int, str]]:
        """The outcome of each mutant, by its number, from a child of its own that does the work."""
        start = shown = time.monotonic()
        in_time = (number for number in numbers if time.monotonic() < start + share * self.seconds)
        children = in_children(in_time, lambda number, _: work(number), self.folder, self.jobs)
        for done, (number, code, own) in enumerate(children, 1):
            if code == BROKEN:
                sys.exit((own / ERROR).read_text())
            yield number, _CODES.get(code, NOTICED)
            if time.monotonic() > shown + _SHOWN_EVERY:
                shown = time.monotonic()
                say(f"{done} of {len(numbers)} mutants")


def outcomes(mutants: Sequence[Mutant], bench: Bench) -> dict[int, str]:
    """What becomes of each mutant, by its number; nothing of those for which the time does not suffice."""
    phases, checks = (hypothesis.Phase.explicit, hypothesis.Phase.generate), list(hypothesis.HealthCheck)
    hypothesis.settings.register_profile(
        "trial", database=None, deadline=None, phases=phases, suppress_health_check=checks
    )
    hypothesis.settings.load_profile("trial")
    for _, code, own in in_children([mutants], _Session(bench, mutants).run, bench.folder, 1):
        if code:
            error = own / ERROR
            sys.exit(error.read_text() if error.exists() else "pytest cannot collect the tests")
        result = (own / _RESULT).read_bytes()
    found, selection, libraries = pickle.loads(result)  # noqa: S301 - our own child's
    for name in libraries:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
    rest = [number for number, outcome in found.items() if outcome == _REFUSED]
    say(f"{len(rest)} mutants of what runs at import")
    again = bench.tried(rest, len(rest) / len(mutants), lambda number: _imported_anew(mutants[number], selection))
    return {number: outcome for number, outcome in found.items() if outcome != _REFUSED} | dict(again)


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


class _Session:
    """A session with the modules imported and the tests collected, whose children replace the code of functions."""

    def __init__(self, bench: Bench, mutants: Sequence[Mutant]) -> None:
        self._bench = bench
        self._mutants = mutants
        included = [f"{Path.cwd() / package}/*" for package in bench.packages]
        self._recorder = coverage.Coverage(data_file=None, config_file=False, include=included)
        self._items: Mapping[str, pytest.Item] = {}
        self._functions: dict[tuple[str, str, int], list[FunctionType]] = defaultdict(list)
        self._result: object = None

    def run(self, _: object, own: Path) -> int:
        """Leave the outcomes, the selection, and the libraries that tests import."""
        self._recorder.start()
        loop = _Loop(self._try)
        pytest.main([*_OPTIONS, *_WITHOUT, *self._bench.tests], plugins=[loop])
        (own / _RESULT).write_bytes(pickle.dumps(self._result))
        return loop.code

    def _try(self, items: Sequence[pytest.Item]) -> int:
        self._recorder.stop()
        imported = self._lines()
        self._items = {item.nodeid: item for item in items}
        for function in gc.get_objects():
            if isinstance(function, FunctionType):
                self._functions[_key(function.__code__)].append(function)
        gc.freeze()
        selection = Selection(self._passed(), imported, self._bench.imports)
        tests = {
            number: selection.touching(mutant)
            for number, mutant in enumerate(self._mutants)
            if mutant.outermost and not selection.runs_at_import(mutant) and mutant.outermost[0] not in self._closed
        }
        say(f"{len(tests)} mutants of functions")
        share = len(tests) / len(self._mutants)
        outcomes = dict.fromkeys(set(range(len(self._mutants))) - set(tests), _REFUSED)
        outcomes |= self._bench.tried(
            [*tests], share, lambda number: self._replaced(self._mutants[number], tests[number], selection.tests)
        )
        names = [
            name for name, module in [*sys.modules.items()] if "site-packages" in str(vars(module).get("__file__"))
        ]
        self._result = outcomes, selection, names
        return 0

    @cached_property
    def _closed(self) -> frozenset[str]:
        """The functions that have made others at import, which have the old code for good."""
        names = (name.partition(".<locals>") for file, name, _ in self._functions if "site-packages" not in file)
        return frozenset(outermost for outermost, inner, _ in names if inner)

    def _passed(self) -> dict[str, Ran]:
        """What each test runs, alone in a process; those of unchanged files are remembered."""
        files = {test.partition("::")[0] for test in self._items}
        known = {test: ran for file in files for test, ran in self._bench.memory.recall(file).items()}
        new = [test for test in self._items if test not in known]
        say(f"{len(new)} tests to run by themselves, {len(self._items) - len(new)} remembered")
        for test, code, own in in_children(new, self._record, self._bench.folder, self._bench.jobs):
            if code == 0:
                known[test] = Ran(**json.loads((own / _RESULT).read_text()))
            else:
                say(f"{test}: fails without a mutant, and is left out")
        passed = {test: known[test] for test in self._items if test in known}
        self._bench.memory.keep(passed)
        return passed

    def _record(self, test: str, own: Path) -> int:
        start = time.monotonic()
        # This recorder knows by now which files are of no interest.
        self._recorder.start()
        self._recorder.switch_context(test)
        code = _code_of([self._items[test]], {})
        self._recorder.stop()
        ran = {"seconds": time.monotonic() - start, "lines": self._lines(test)}
        (own / _RESULT).write_text(json.dumps(ran))
        return code

    def _lines(self, context: str = "") -> dict[str, list[int]]:
        data = self._recorder.get_data()
        data.set_query_context(context)
        lines = {os.path.relpath(file): sorted(data.lines(file) or ()) for file in data.measured_files()}
        return {file: found for file, found in lines.items() if found}

    def _replaced(self, mutant: Mutant, tests: Sequence[str], ran: Mapping[str, Ran]) -> int:
        """Give a function its mutant's code, and run tests."""
        if not tests:
            return 2
        for code in _codes(mutant.code()):
            if (code.co_qualname, code.co_firstlineno) == mutant.outermost:
                functions = self._functions.get(_key(code))
                if not functions:  # its module is imported by a test only
                    return 3
                for function in functions:
                    try:
                        function.__code__ = code
                    except ValueError:  # it has other free variables, such as super's
                        return 3
        return _code_of([self._items[test] for test in tests], ran)


def _imported_anew(mutant: Mutant, selection: Selection) -> int:
    """Import a module with its mutant, then run file after file of tests until one notices."""
    original = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        return mutant.code() if self.path == mutant.file else original(self, fullname)

    SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign]
    files = selection.by_file(mutant)
    for file, tests in files.items():
        # The rest of an id may be a value that the mutant changes.
        names = {test.partition("[")[0] for test in tests}

        def run(items: Sequence[pytest.Item], names: set[str] = names) -> int:
            chosen = [item for item in items if item.nodeid.partition("[")[0] in names]
            return _code_of(sorted(chosen, key=lambda item: _seconds(item, selection.tests)), selection.tests)

        _limit(_UNKNOWN_SECONDS)
        loop = _Loop(run)
        pytest.main([*_OPTIONS, *_WITHOUT, file], plugins=[loop])
        if loop.code:
            return loop.code
    return 0 if files else 2


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
    return ran[item.nodeid].seconds if item.nodeid in ran else _UNKNOWN_SECONDS


def _limit(seconds: float) -> None:
    """Let the system end the process when it works, or waits, too long; the machine may be busy with other work."""
    signal.setitimer(signal.ITIMER_PROF, 2 + 5 * seconds)
    signal.setitimer(signal.ITIMER_REAL, 10 + 10 * seconds)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno
