"""GitHub's expressions, as far as this project's workflows use them: whatever else is an error, not a guess."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.workflow_runner.errors import WorkflowError

Function = Callable[..., Any]
STATUS_FUNCTIONS = frozenset({"success", "failure", "always", "cancelled"})

_INSERTED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)|(?P<sign>==|!=|&&|\|\||[!(),]))"
)
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PREFIXED = re.compile(r"0x[\da-fA-F]+|0o[0-7]+")
_LITERALS: Mapping[str, Any] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True)
class Scope:
    """What an expression can name.

    Attributes:
        contexts: by name, such as github; each a mapping, and mappings in it.
        functions: by name, such as success.
    """

    contexts: Mapping[str, Any]
    functions: Mapping[str, Function] = field(default_factory=dict)

    def value(self, expression: str) -> Any:  # noqa: ANN401 - text, truth, number or nothing
        """Evaluate an expression without its braces.

        Raises:
            WorkflowError: it uses something that is not known here.
        """
        return _Parser(expression, self).whole()

    def filled(self, text: str) -> str:
        """The text, each `${{ }}` in it replaced by its value."""
        return _INSERTED.sub(lambda match: _shown(self.value(match[1])), text)

    def holds(self, condition: str) -> bool:
        """Whether an `if:` lets a job or a step run; without a status function it asks for success, too."""
        inner = condition.strip()
        if inner.startswith("${{") and inner.endswith("}}"):
            inner = inner[3:-2]
        called = set(re.findall(r"(\w+)\(", inner))
        if not called & STATUS_FUNCTIONS and not self.functions["success"]():
            return False
        return bool(self.value(inner)) if inner.strip() else True


def _shown(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _equal(left: object, right: object) -> bool:
    """Compare as GitHub does: text without regard to case, values of two kinds as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left is right
    # What is not a number is not equal to anything, itself included.
    return number_of(left) == number_of(right)


def number_of(value: object) -> float:
    """A value as the number that GitHub compares; what is none is not a number."""
    if value is None or isinstance(value, bool | int | float):
        return float(value or 0)
    text = value.strip() if isinstance(value, str) else "not a number"
    if _PREFIXED.fullmatch(text):
        return float(int(text, 0))
    return float(text or 0) if not text or _DECIMAL.fullmatch(text) else math.nan


class _Parser:
    """Reads an expression once, from left to right, and evaluates it on the way: it has no side effects."""

    def __init__(self, expression: str, scope: Scope) -> None:
        self._expression = expression.strip()
        self._scope = scope
        self._tokens = self._split()

    def whole(self) -> Any:  # noqa: ANN401
        value = self._any()
        if self._tokens:
            raise self._unknown(self._tokens[0][1])
        return value

    def _split(self) -> list[tuple[str, str]]:
        tokens, position = [], 0
        while position < len(self._expression):
            match = _TOKEN.match(self._expression, position)
            if match is None:
                raise self._unknown(self._expression[position:])
            tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            position = match.end()
        return tokens

    def _any(self) -> Any:  # noqa: ANN401
        value = self._all()
        while self._next_is("||"):
            other = self._all()
            value = value or other
        return value

    def _all(self) -> Any:  # noqa: ANN401
        value = self._comparison()
        while self._next_is("&&"):
            other = self._comparison()
            value = value and other
        return value

    def _comparison(self) -> Any:  # noqa: ANN401
        value = self._single()
        if self._next_is("=="):
            return _equal(value, self._single())
        if self._next_is("!="):
            return not _equal(value, self._single())
        return value

    def _single(self) -> Any:  # noqa: ANN401
        if self._next_is("!"):
            return not self._single()
        if self._next_is("("):
            value = self._any()
            self._require(")")
            return value
        kind, token = self._tokens.pop(0) if self._tokens else ("end", "the end")
        if kind == "text":
            return token[1:-1].replace("''", "'")
        if kind != "name":
            raise self._unknown(token)
        if self._next_is("("):
            return self._call(token)
        return _LITERALS[token] if token in _LITERALS else self._look_up(token.split("."))

    def _call(self, name: str) -> Any:  # noqa: ANN401
        arguments = []
        while not self._next_is(")"):
            arguments.append(self._any())
            if not self._next_is(","):
                self._require(")")
                break
        if name not in self._scope.functions:
            raise self._unknown(name + "()")
        return self._scope.functions[name](*arguments)

    def _look_up(self, names: Sequence[str]) -> Any:  # noqa: ANN401
        if names[0] not in self._scope.contexts:
            raise self._unknown(names[0])
        value: Any = self._scope.contexts
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def _next_is(self, sign: str) -> bool:
        if self._tokens and self._tokens[0] == ("sign", sign):
            self._tokens.pop(0)
            return True
        return False

    def _require(self, sign: str) -> None:
        if not self._next_is(sign):
            raise self._unknown(self._tokens[0][1] if self._tokens else "the end")

    def _unknown(self, what: str) -> WorkflowError:
        return WorkflowError(f"the expression {self._expression!r} is not understood here, at {what!r}")
