"""Mutants: each small mistake that can be made in a module, as one edit of its syntax tree."""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from types import CodeType

_COMPARISONS: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_NOT_RUN = {"annotation", "bases", "format_spec", "returns", "type_params"}
_FOR_THE_TYPE_CHECKER = {"cast", "dataclass", "Literal", "NewType", "ParamSpec", "TypeVar"}
_LOGGERS = {"log", "logger", "logging", "warnings"}
_LEVELS = {"debug", "info", "warn", "warning", "error", "exception", "critical"}
# `frozen` is for the type checker, `encoding` for other machines, the others are texts for people.
_UNTESTED_ARGUMENTS = {"description", "encoding", "epilog", "examples", "frozen", "help", "metavar", "title"}
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_MARK = "XX"
_CONTEXT, _LONGEST = 40, 120


@dataclass(frozen=True)
class Slot:
    """A place in a tree that holds a node."""

    parent: ast.AST
    field: str
    index: int | None = None

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    Attributes:
        lines: those of the node; a test that runs one of them may notice.
        statement: the lines of the statement around it, for nodes that Python gives no line.
        outermost: name and first line of the function that holds it; None for what runs at import.
        function: the innermost function or class around it.
        change: the text before and after.
    """

    path: str
    lines: range
    statement: range
    outermost: tuple[str, int] | None
    function: str
    operator: str
    change: str
    tree: ast.Module
    slot: Slot
    new: ast.AST

    @property
    def line(self) -> int:
        return (self.lines or self.statement).start

    @property
    def file(self) -> str:
        """The path as the import system has it."""
        return str(Path.cwd() / self.path)

    @property
    def key(self) -> str:
        """Its name, wherever its line and its file move."""
        return f"{self.function} · {self.operator} · {self.change}"

    def code(self) -> CodeType:
        """The module with the mistake; the tree keeps it, so only a process that ends with this mutant asks."""
        self.slot.put(self.new)
        return compile(self.tree, self.file, "exec")


@dataclass(frozen=True)
class _Place:
    """What a node is part of.

    Attributes:
        thrown: names that only carry the text of an exception.
        rebound: names that have a value without this binding, too.
    """

    statement: ast.AST
    function: str = ""
    outermost: tuple[str, int] | None = None
    thrown: frozenset[str] = frozenset()
    rebound: frozenset[str] = frozenset()
    is_message: bool = False


def mutants_of(path: str) -> list[Mutant]:
    """All mutants of a module, in its order."""
    tree = ast.parse(Path(path).read_text(), path)
    found: dict[tuple[int, str], Mutant] = {}
    for place, node, operator, slot, new in _visit(tree, Slot(tree, ""), _Place(tree)):
        ast.fix_missing_locations(ast.copy_location(new, node))
        around = node if isinstance(node, ast.stmt) else place.statement
        change = _change(around, node, slot, new)
        function = place.function or "<module>"
        mutant = Mutant(
            path, _lines(node), _lines(around), place.outermost, function, operator, change, tree, slot, new
        )
        found.setdefault((mutant.line, mutant.key), mutant)
    return list(found.values())


_Edit = tuple[_Place, ast.AST, str, Slot, ast.AST]


def _visit(node: ast.AST, slot: Slot, place: _Place) -> Iterator[_Edit]:
    if _is_left_out(node, place):
        return
    if isinstance(node, (ast.stmt, ast.match_case)):
        place = replace(place, statement=node)
    for operator, new in _edits(node, place):
        yield place, node, operator, slot, new
    for field, value in ast.iter_fields(node):
        inner = _inside(node, field, place)
        if field in _NOT_RUN or inner is None:
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield from _visit(child, Slot(node, field, index), inner)


def _inside(node: ast.AST, field: str, place: _Place) -> _Place | None:
    """The place of a node's children; None where nothing is to be mutated."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if field == "body":
            return _within(node, place)
        case ast.Raise() | ast.Expr(ast.Call(ast.Name("print"))):
            return replace(place, is_message=True)
        case ast.Assign([ast.Name(name)]) if name in place.thrown:
            return replace(place, is_message=True)
        case ast.Assign([ast.Name("__all__")]) | ast.Subscript(ast.Name("Literal")):
            return None
    return place


def _within(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, place: _Place) -> _Place:
    function = f"{place.function}.{node.name}".lstrip(".")
    if isinstance(node, ast.ClassDef) or place.outermost:
        return replace(place, function=function)
    first = min(part.lineno for part in (node, *node.decorator_list))
    bound = Counter(name for part in ast.walk(node) for name in _bound(part))
    thrown = {
        name.id
        for part in ast.walk(node)
        if isinstance(part, ast.Raise)
        for name in ast.walk(part)
        if isinstance(name, ast.Name)
    }
    rebound = frozenset(name for name, times in bound.items() if times > 1)
    return replace(place, function=function, outermost=(function, first), thrown=frozenset(thrown), rebound=rebound)


def _bound(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(name, ast.Store()) | ast.arg(name):
            yield name


def _is_left_out(node: ast.AST, place: _Place) -> bool:
    match node:
        case (
            ast.If(ast.Name("TYPE_CHECKING") | ast.Compare(ast.Name("__name__")))
            | ast.Expr(ast.Constant())
            | ast.Import()
            | ast.ImportFrom()
        ):
            return True
        case ast.keyword(arg=name):
            return name in _UNTESTED_ARGUMENTS
        case ast.Constant(str()) | ast.JoinedStr():
            return place.is_message or is_message(node)
        case ast.Call(ast.Name(name)):
            return name in _FOR_THE_TYPE_CHECKER
        case ast.Expr(ast.Call(ast.Attribute(ast.Name(owner) | ast.Attribute(attr=owner), level))):
            return owner in _LOGGERS and level in _LEVELS
    return False


def is_message(node: ast.AST) -> bool:
    """Whether a text is for people: several words, or what stands between them."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    text = "".join(part.value if _is_text(part) else "\0" for part in parts)  # type: ignore[attr-defined]
    words = sum(any(letter.isalpha() for letter in word) for word in text.split())
    return words > 1 or (not words and any(letter.isspace() for letter in text))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _edits(node: ast.AST, place: _Place) -> Iterator[tuple[str, ast.AST]]:
    """What can be put in a node's place, and the operator's name."""
    match node:
        case ast.Compare(left, operators, others):
            for index, operator in enumerate(operators):
                changed = [*operators[:index], _COMPARISONS[type(operator)](), *operators[index + 1 :]]
                yield "comparison", ast.Compare(left, changed, others)
        case ast.BoolOp(operator, values):
            yield "boolean", ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield "boolean", operand
        case ast.Call() if not place.is_message:
            yield from (("removed argument", call) for call in _calls_with_less(node))
        case ast.Constant() | ast.JoinedStr():
            yield from _constant_edits(node)
        case ast.stmt():
            yield from _statement_edits(node, place)
    # Other tests have an operator of their own.
    if isinstance(test := getattr(node, "test", None), (ast.Name, ast.Attribute, ast.Call, ast.NamedExpr)):
        yield "boolean", type(node)(**dict(ast.iter_fields(node)) | {"test": ast.UnaryOp(ast.Not(), test)})


def _constant_edits(node: ast.Constant | ast.JoinedStr) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Constant(bool(value)):
            yield "boolean", ast.Constant(not value)
        case ast.Constant(int(value) | float(value)):
            yield "constant", ast.Constant(value + 1)
        case ast.Constant(str(value)):
            yield "constant", ast.Constant(_MARK + value)
        case ast.Constant(bytes(value)):
            yield "constant", ast.Constant(_MARK.encode() + value)
        case ast.JoinedStr(values) if not any(map(_is_text, values)):
            yield "constant", ast.JoinedStr([ast.Constant(_MARK), *values])


def _statement_edits(node: ast.stmt, place: _Place) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Return(value) if value is not None and not isinstance(value, ast.Constant):
            yield "return value", ast.Return(ast.Constant(None))
        case ast.Expr(ast.Yield(value)) if value is not None and not isinstance(value, ast.Constant):
            yield "return value", ast.Expr(ast.Yield(ast.Constant(None)))
        case ast.Expr(ast.YieldFrom()):
            yield "removed statement", ast.Expr(ast.YieldFrom(ast.Tuple([], ast.Load())))
        case ast.Expr(ast.Call() | ast.Await()):
            yield "removed call", ast.Pass()
        case ast.With(items, body) if all(item.optional_vars is None for item in items):
            yield "removed statement", ast.If(ast.Constant(value=True), body, [])
        case ast.Raise() | ast.Delete() | ast.Break() | ast.Continue() | ast.Return(None):
            yield "removed statement", ast.Pass()
        case ast.Assign(targets=[target]) | ast.AugAssign(target) | ast.AnnAssign(target, value=ast.expr()):
            if _is_spare(target, place):
                yield "removed statement", ast.Pass()


def _is_spare(target: ast.expr, place: _Place) -> bool:
    """Whether there is something to be read in a target without this assignment: else every test sees a NameError."""
    if isinstance(target, ast.Name):
        return place.outermost is not None and target.id in place.rebound and target.id not in place.thrown
    return isinstance(target, (ast.Attribute, ast.Subscript))


def _calls_with_less(call: ast.Call) -> Iterator[ast.Call]:
    for index, argument in enumerate(call.args):
        if not is_message(argument):
            yield ast.Call(call.func, [*call.args[:index], *call.args[index + 1 :]], call.keywords)
    for index, keyword in enumerate(call.keywords):
        # Without check=False, subprocess.run does the same.
        is_default = keyword.arg == "check" and isinstance(keyword.value, ast.Constant) and not keyword.value.value
        if keyword.arg not in _UNTESTED_ARGUMENTS and not is_default and not is_message(keyword.value):
            yield ast.Call(call.func, call.args, [*call.keywords[:index], *call.keywords[index + 1 :]])


def _lines(node: ast.AST) -> range:
    """A node's lines; of a compound statement those before its block."""
    first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", -1)
    if isinstance(node, ast.stmt) and (body := _block(node, "body")):
        last = max(first, min(getattr(part, "lineno", last) for part in body) - 1)
    return range(first, last + 1)


def _block(node: ast.AST, name: str) -> list[ast.AST]:
    block = getattr(node, name, None)
    return block if isinstance(block, list) else []


def _change(around: ast.AST, node: ast.AST, slot: Slot, new: ast.AST) -> str:
    before = _header(around)
    slot.put(new)
    after = _header(new if around is node else around)
    slot.put(node)
    start = _shared(before, after)
    end = min(_shared(before[::-1], after[::-1]), len(before) - start, len(after) - start)
    return f"{_cut(before, start, len(before) - end)} → {_cut(after, start, len(after) - end)}"


def _shared(one: str, other: str) -> int:
    """The length of the beginning that two texts share."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _header(node: ast.AST) -> str:
    """A statement's text without its blocks, on one line."""
    blocks = {name: _block(node, name) for name in _BLOCKS if _block(node, name)}
    for name in blocks:
        setattr(node, name, [])
    text = ast.unparse(node)
    for name, block in blocks.items():
        setattr(node, name, block)
    return " ".join(text.split())


def _cut(text: str, start: int, end: int) -> str:
    """The part that differs, with what stands beside it."""
    first, last = max(0, start - _CONTEXT), min(end + _CONTEXT, start + _LONGEST)
    return f"{'…' * (first > 0)}{text[first:last]}{'…' * (last < len(text))}"
