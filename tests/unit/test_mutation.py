import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.mutation.equivalents import MalformedList, read_equivalents
from tests.mutation.imports import importers, needed, read_imports
from tests.mutation.mutants import Mutant, mutants_of

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def mutants(text: str) -> list[Mutant]:
    Path("module.py").write_text(text)
    return mutants_of("module.py")


def changes(text: str, operator: str) -> list[str]:
    return [mutant.change for mutant in mutants(text) if mutant.operator == operator]


# ---- What is mutated.


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    ("operator", "text", "changed"),
    [
        ("comparison", "a < b", ["a < b → a <= b"]),
        ("comparison", "a >= b != c", ["a >= b != c → a > b != c", "a >= b != c → a >= b == c"]),
        ("comparison", "x = a is b, c", ["x = (a is b, c) → x = (a is not b, c)"]),
        ("comparison", "x = a in b", ["x = a in b → x = a not in b"]),
        ("boolean", "a and b", ["a and b → a or b"]),
        ("boolean", "not a", ["not a → a"]),
        ("boolean", "if a: pass", ["if a: → if not a:"]),
        ("boolean", "while a(): pass", ["while a(): → while not a():"]),
        ("boolean", "x = b if a else c", ["x = b if a else c → x = b if not a else c"]),
        ("boolean", "x = True", ["x = True → x = False"]),
        ("constant", "x = 1", ["x = 1 → x = 2"]),
        ("constant", "x['key']", ["x['key'] → x['XXkey']"]),
        ("constant", "x = b'key'", ["x = b'key' → x = b'XXkey'"]),
        ("constant", "x = f'{a}:{b}'", ["x = f'{a}:{b}' → x = f'{a}XX:{b}'"]),
        ("constant", "x = f'{a}{b}'", ["x = f'{a}{b}' → x = f'XX{a}{b}'"]),
        ("constant", "x = f'{a:>20}'", ["x = f'{a:>20}' → x = f'XX{a:>20}'"]),
        ("constant", "x = f'Bearer {a}'", ["x = f'Bearer {a}' → x = f'XXBearer {a}'"]),
        ("constant", "match x:\n case 'a': pass", ["case 'a': → case 'XXa':"]),
        ("constant", "def f(x=1): pass", ["def f(x=1): → def f(x=2):"]),
        ("return value", "def f(): return g()", ["return g() → return None"]),
        ("return value", "def f(): yield g()", ["yield g() → yield None"]),
        ("removed argument", "f(a, *b, c=d)", ["f(*b, c=d)", "f(a, c=d)", "f(a, *b)"]),
        ("removed argument", "f(a=b, c=d, **e)", ["f(c=d, **e)", "f(a=b, **e)", "f(a=b, c=d)"]),
        ("removed argument", "f(a, a)", ["f(a)"]),
        ("removed call", "f(a)", ["f(a) → pass"]),
        ("removed call", "async def f(): await g()", ["await g() → pass"]),
        ("removed statement", "def f(): raise E", ["raise E → pass"]),
        ("removed statement", "with a: b", ["with a: → if True:"]),
        ("removed statement", "def f(): yield from g()", ["yield from g() → yield from ()"]),
        ("return value", "def f():\n if a: return 1\n return", []),
        ("return value", "def f():\n yield 1\n yield", []),
        ("comparison", "def f(): raise E(a == b)", ["raise E(a == b) → raise E(a != b)"]),
        ("comparison", "print(a == b)", ["print(a == b) → print(a != b)"]),
        ("removed call", "log.append(a)", ["log.append(a) → pass"]),
        ("removed statement", "def f(x):\n x = 1\n y = 2", ["x = 1 → pass"]),
        ("removed statement", "a.b = c\na[b] += c", ["a.b = c → pass", "a[b] += c → pass"]),
        ("removed statement", "for a in b:\n continue", ["continue → pass"]),
    ],
)
def test_an_operator(operator: str, text: str, changed: list[str]) -> None:
    found = changes(text, operator)
    assert changed in (found, [change.partition(" → ")[2] for change in found])


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    "text",
    [
        '"""Docstring."""',
        "x: Literal['a'] = y",
        "def f(x: 'T') -> 'T': pass",
        "if TYPE_CHECKING:\n import a\n x = 1",
        "if __name__ == '__main__':\n main(1)",
        "__all__ = ['a']",
        "Kind = Literal['a', 'b']",
        "T = TypeVar('T', bound=int)",
        "@dataclass(frozen=True)\nclass A: pass",
        "pulumi.log.warn(f(1))",
        "logger.info('done', extra=1)",
        "x = 'several words'",
        "x = f'{a}, {b}'",
        "x = None",
        "import a.b as c",
        "class A(B['c']): pass",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    assert mutants(text) == []


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    "text",
    ["def f(): raise E('short', f'{a}')", "def f():\n message = 'short'\n raise E(message)", "print('short', f'{a}')"],
)
def test_messages_are_left_alone(text: str) -> None:
    assert {mutant.operator for mutant in mutants(text)} <= {"removed statement", "removed call"}


@pytest.mark.usefixtures("_here")
def test_arguments_that_no_test_can_see_stay() -> None:
    assert changes("x = f(help='short', encoding='utf-8', frozen=True)", "constant") == []
    found = changes("f(x, 'two words', help=y, encoding=z, check=False)", "removed argument")
    assert found == ["f(x, 'two words', help=y, encoding=z, check=F… → f('two words', help=y, encoding=z, check=F…"]


# ---- Names of mutants.


@pytest.mark.usefixtures("_here")
def test_a_name_does_not_depend_on_the_line_or_what_stands_around() -> None:
    [one] = mutants("class A:\n def f(self): return g()")
    [other] = mutants("import b\n\nclass A:\n def e(self): pass\n\n def f(self):\n  return (\n   g())")
    assert one.key == other.key == "A.f · return value · return g() → return None"
    assert (one.line, other.line) == (2, 7)


@pytest.mark.usefixtures("_here")
def test_only_what_differs_of_a_long_line_is_shown() -> None:
    [change] = changes(f"x = [{'a, ' * 50}b < c, {'d, ' * 50}]", "comparison")
    before, after = f"…{('a, ' * 50 + 'b <')[-40:]}", f" c, {'d, ' * 50}"[:40] + "…"
    assert change == f"{before}{after} → {before}={after}"


@pytest.mark.usefixtures("_here")
def test_inner_functions_are_part_of_the_outermost() -> None:
    found = mutants("@a\ndef f():\n class B:\n  def g(self): return h()\n  x = i()\nclass C:\n def g(self): return j()")
    assert [(mutant.function, mutant.outermost) for mutant in found] == [
        ("f.B.g", ("f", 1)),
        ("C.g", ("C.g", 7)),
    ]
    [default] = mutants("class C:\n def f(self, a=1): pass")
    assert (default.function, default.outermost) == ("C", None)


@pytest.mark.usefixtures("_here")
def test_the_lines_are_those_of_the_expression_or_of_a_statement_before_its_block() -> None:
    found = mutants("if (a or\n    b == c):\n  d = [\n    e == f,\n  ]\n  g.h = [\n    i,\n  ]\nwith j(\n):\n  pass")
    assert [(mutant.operator, mutant.lines) for mutant in found] == [
        ("boolean", range(1, 3)),
        ("comparison", range(2, 3)),
        ("comparison", range(4, 5)),
        ("removed statement", range(6, 9)),
        ("removed statement", range(9, 11)),
    ]
    assert [mutant.statement for mutant in found][:3] == [range(1, 3), range(1, 3), range(3, 6)]


@pytest.mark.usefixtures("_here")
def test_the_code_has_the_mistake_and_nothing_else() -> None:
    [mutant] = [mutant for mutant in mutants("if 1 < 1:\n x = 1\nelse:\n x = 2\ny = 3") if "1 <= 1" in mutant.change]
    names: dict[str, object] = {}
    exec(mutant.code(), names)  # noqa: S102 - our own
    assert (names["x"], names["y"]) == (1, 3)
    [other] = [mutant for mutant in mutants("if 1 < 1:\n x = 1\nelse:\n x = 2\ny = 3") if "y = 4" in mutant.change]
    exec(other.code(), names)  # noqa: S102 - our own
    assert (names["x"], names["y"]) == (2, 4)
    assert other.code().co_filename == str(Path("module.py").resolve())


# ---- Equivalent mutants.


def test_equivalents_have_reasons(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("# Comment.\n\nf · constant · 1 → 2\n    One reason,\n    in two lines.\n\ng · a · b\n  Another.\n")
    assert read_equivalents(file) == {"f · constant · 1 → 2": "One reason, in two lines.", "g · a · b": "Another."}


@pytest.mark.parametrize(
    ("text", "message"),
    [("  A reason.\n", "1: a reason without a mutant"), ("f · a · b\ng · a · b\n  x\n", "f · a · b: has no reason")],
)
def test_a_malformed_list_of_equivalents(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "list").write_text(text)
    with pytest.raises(MalformedList, match=message):
        read_equivalents(tmp_path / "list")


# ---- Imports.


@pytest.mark.usefixtures("_here")
def test_imports_are_followed() -> None:
    files = {
        "a/__init__.py": "from a.b import x",
        "a/b.py": "import a.c",
        "a/c.py": "",
        "a/d.py": "def f():\n from a import c",
        "e.py": "from a import x",
        "tests/conftest.py": "import a.d",
        "tests/unit/test_b.py": "from a.b import x",
    }
    plant(Path(), files)
    imports = read_imports(files)
    assert needed(imports, "tests/unit/test_b.py") == files.keys() - {"e.py"}
    assert importers(imports, "a/c.py") == {"a/c.py", "a/b.py", "a/d.py"}
    assert "e.py" in importers(imports, "a/b.py")


def plant(root: Path, files: Mapping[str, str]) -> None:
    for file, text in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)


# ---- All together.

SHOP = """
RATE = 2

def price(amount):
    if amount < 10:
        return amount * RATE
    return amount

def spare():
    return price(1)

def down(number):
    while number > 0:
        number -= 1
    return number

def limit(most):
    def check(value):
        return value <= most
    return check

is_small = limit(3)
"""
TESTS = """
import shop

def test_prices():
    assert shop.price(3) == 6
    assert shop.price(20) == 20

def test_down():
    assert shop.down(3) == 0

def test_is_small():
    assert shop.is_small(3)
    assert not shop.is_small(4)
"""
CONFIGURATION = """
[tool.pytest.ini_options]
pythonpath = ["."]
[tool.mutation]
core = ["shop/*.py"]
required = 80
tests = ["tests"]
equivalent = "equivalent"
"""


def measure(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.mutation", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_a_measurement(tmp_path: Path) -> None:
    """Functions, what runs at import and the functions that it makes, an endless loop; then equivalent mutants."""
    files = {"shop/__init__.py": SHOP, "tests/test_shop.py": TESTS, "pyproject.toml": CONFIGURATION}
    plant(tmp_path, {**files, "equivalent": "gone · a · b\n  A reason.\n"})
    first = measure(tmp_path, "--all", "--jobs", "2")
    *survivors, _head, score, _total, unknown = first.stdout.splitlines()
    assert survivors == [
        "shop/__init__.py:5: price · comparison · if amount < 10: → if amount <= 10:   (survived)",
        "shop/__init__.py:5: price · constant · if amount < 10: → if amount < 11:   (survived)",
        "shop/__init__.py:10: spare · return value · return price(1) → return None   (is run by no test)",
        "shop/__init__.py:10: spare · removed argument · return price(1) → return price()   (is run by no test)",
        "shop/__init__.py:10: spare · constant · return price(1) → return price(2)   (is run by no test)",
    ], first
    assert score.split() == ["shop/__init__.py", "13", "1", "5", "0", "0", "72.2", "%"]
    assert unknown == "equivalent: is no mutant (any more): gone · a · b"
    assert first.returncode == 1

    keys = [line.partition(": ")[2].partition("   (")[0] for line in survivors]
    plant(tmp_path, {"equivalent": "".join(f"{key}\n  A reason.\n" for key in keys)})
    second = measure(tmp_path, "shop")
    assert second.stdout.splitlines()[1].split() == ["shop/__init__.py", "13", "1", "0", "5", "0", "100.0", "%"]
    assert second.returncode == 0
    assert "0 tests to run by themselves, 3 remembered" in second.stderr


def test_a_module_that_is_imported_within_a_test_is_measured_too(tmp_path: Path) -> None:
    tests = "def test_twice():\n    from shop.late import twice\n    assert twice(4) == 8\n"
    late = "def twice(number):\n    return number * 2\n"
    files = {"shop/__init__.py": "", "shop/late.py": late, "tests/test_late.py": tests, "equivalent": ""}
    plant(tmp_path, {**files, "pyproject.toml": CONFIGURATION})
    result = measure(tmp_path, "--all")
    *_, score, _total = result.stdout.splitlines()
    assert score.split()[-2:] == ["100.0", "%"], result
    assert result.returncode == 0


def test_only_what_has_changed_is_measured(tmp_path: Path) -> None:
    plant(tmp_path, {"shop/__init__.py": SHOP, "pyproject.toml": CONFIGURATION, "equivalent": ""})
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "First"]):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    nothing = measure(tmp_path)
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "no core module has changed" in nothing.stderr
    plant(tmp_path, {"shop/new.py": "x = 1\n", "other.py": "x = 1\n"})
    result = measure(tmp_path, "--minutes", "0", "--tests", "shop")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["module", "shop/new.py", "all"]


def test_no_score_without_tests(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {"shop/a.py": "x = 1", "tests/test_a.py": "import b", "pyproject.toml": CONFIGURATION, "equivalent": ""},
    )
    result = measure(tmp_path, "--all")
    assert (result.returncode, result.stdout) == (1, "")
    assert "pytest cannot collect the tests" in result.stderr


def test_what_is_no_module(tmp_path: Path) -> None:
    plant(tmp_path, {"shop/a.py": "", "pyproject.toml": CONFIGURATION})
    result = measure(tmp_path, "b")
    assert result.returncode == 2
    assert "b is no module" in result.stderr
