"""Selection: which tests may notice a mutant, from the lines that each test runs when it runs alone."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from tests.mutation.imports import Imports, importers, needed
from tests.mutation.mutants import Mutant


@dataclass(frozen=True)
class Ran:
    """What a test did.

    Attributes:
        lines: those that it ran, by file.
    """

    seconds: float
    lines: Mapping[str, list[int]]


@dataclass(frozen=True)
class Selection:
    """The passing tests by their ids, with what they ran, the lines that ran at import, and what imports what."""

    tests: Mapping[str, Ran]
    imported: Mapping[str, list[int]]
    imports: Imports

    @cached_property
    def _by_line(self) -> Mapping[tuple[str, int], list[str]]:
        found: dict[tuple[str, int], list[str]] = {}
        for test, ran in self.tests.items():
            for path, lines in ran.lines.items():
                for line in lines:
                    found.setdefault((path, line), []).append(test)
        return found

    def touching(self, mutant: Mutant) -> list[str]:
        """The tests that run a mutant's lines, quickest first."""
        for lines in (mutant.lines, mutant.statement):
            if found := {test for line in lines for test in self._by_line.get((mutant.path, line), ())}:
                return self._quickest(found)
        return []

    def runs_at_import(self, mutant: Mutant) -> bool:
        """Whether importing the module is enough to meet a mutant."""
        lines = mutant.lines or mutant.statement
        return mutant.outermost is None or any(line in lines for line in self.imported.get(mutant.path, ()))

    def by_file(self, mutant: Mutant) -> dict[str, list[str]]:
        """For a mutant of what runs at import: the tests of the module and of those that import it, by file.

        The files that import it themselves come first, the quickest of them first.
        """
        near = importers(self.imports, mutant.path)
        found: dict[str, list[str]] = {}
        for test in self._quickest(self.tests):
            if _file(test) in near or not near.isdisjoint(self.tests[test].lines):
                found.setdefault(_file(test), []).append(test)
        seconds = {file: sum(self.tests[test].seconds for test in tests) for file, tests in found.items()}
        return dict(sorted(found.items(), key=lambda item: (item[0] not in near, seconds[item[0]])))

    def _quickest(self, tests: Iterable[str]) -> list[str]:
        return sorted(tests, key=lambda test: self.tests[test].seconds)


def _file(test: str) -> str:
    return test.partition("::")[0]


class Memory:
    """What passing tests did in earlier runs, kept by the content of all files that they import.

    Args:
        folder: may be shared between checkouts.
    """

    def __init__(self, folder: Path, imports: Imports) -> None:
        self._folder = folder
        self._imports = imports

    def recall(self, file: str) -> dict[str, Ran]:
        """The tests of a file; empty where they have to run again."""
        try:
            known = json.loads(self._of(file).read_text())
        except FileNotFoundError:
            return {}
        return {test: Ran(**ran) for test, ran in known.items()}

    def keep(self, tests: Mapping[str, Ran]) -> None:
        """Remember the tests of whole files."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for file in {_file(test) for test in tests}:
            passed = {test: asdict(ran) for test, ran in tests.items() if _file(test) == file}
            new = self._of(file).with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps(passed))
            new.replace(self._of(file))

    def _of(self, file: str) -> Path:
        key = hashlib.sha256()
        for path in sorted(needed(self._imports, file)):
            key.update(f"{path}\0{hashlib.sha256(Path(path).read_bytes()).hexdigest()}\0".encode())
        return self._folder / f"{key.hexdigest()}.json"
