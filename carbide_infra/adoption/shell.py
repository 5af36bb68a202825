"""Reads shell scripts by their grammar: the commands that they call, and what their words are made of."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import tree_sitter

_SIMPLE = re.compile(r"\$\{(?P<name>\w+)(?::?-(?P<default>[^${}]*))?\}")
_ESCAPE = re.compile(r"\\(\n?)(.?)", re.DOTALL)
_IN_QUOTES = re.compile(r"\\([\"\\$`])")
_SEQUENCES = frozenset({"program", "list", "do_group", "compound_statement", "pipeline"})
_WORDS = frozenset(
    {"word", "number", "string", "raw_string", "concatenation", "simple_expansion", "expansion", "command_substitution"}
)
_NO_STATEMENT = frozenset({"comment", "file_redirect", "heredoc_redirect", "heredoc_body", "herestring_redirect"})
_REDIRECTS = frozenset({"file_redirect", "heredoc_redirect"})
_OUTPUTS = frozenset({">", ">>", ">|", "&>", "&>>", ">&"})
_MAX_LENGTH = 100_000


class ShellError(Exception):
    """The script is not one that is read here."""


@dataclass(frozen=True)
class Part:
    """A part of a word.

    Attributes:
        text: itself; of a variable its name; of an output the script that prints it.
        kind: what it is.
        default: of a variable: what stands where it is not set.
        is_quoted: whether its value stays one word.
    """

    text: str
    kind: Literal["text", "variable", "output"] = "text"
    default: str = ""
    is_quoted: bool = False


Word = tuple[Part, ...]


@dataclass(frozen=True)
class Call:
    """One command with its words, or none; with the variables that are set for it, or from then on.

    Attributes:
        words: of the command.
        assigned: variables by their names.
        is_certain: whether it runs whatever the others say.
        writes: the files that its output goes to.
    """

    words: tuple[Word, ...]
    assigned: Mapping[str, Word] = field(default_factory=dict)
    is_certain: bool = True
    writes: tuple[Word, ...] = ()


@dataclass(frozen=True)
class Group:
    """Commands of a subshell: its folder and variables end with it."""

    calls: tuple["Call | Group", ...]


Step = Call | Group


def parse(script: str) -> tuple[Step, ...]:
    """The commands of a script, loops over known words unrolled.

    Raises:
        ShellError: it is not understood.
    """
    # Only who adopts a repository needs the grammar.
    import tree_sitter  # noqa: PLC0415
    import tree_sitter_bash  # noqa: PLC0415

    if len(script) > _MAX_LENGTH:
        msg = "is longer than any script that people write"
        raise ShellError(msg)
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))
    tree = parser.parse(script.encode())
    if tree.root_node.has_error:
        msg = "is no script that is understood here"
        raise ShellError(msg)
    return tuple(_Reader({}, is_certain=True).steps(tree.root_node))


def plain(word: Word, known: Mapping[str, str | None]) -> str | None:
    """A word's text with variables filled in; None where that is not known."""
    found = []
    for part in word:
        if part.kind == "text":
            found.append(part.text)
        elif part.kind == "variable" and known.get(part.text) is not None:
            found.append(known[part.text] or part.default)
        elif part.kind == "variable" and part.default and part.text not in known:
            found.append(part.default)
        else:
            return None
    return "".join(found)


def written(word: Word) -> str:
    """A word as its author may have written it, for a message."""
    shown = {"text": "{}", "variable": "${}", "output": "$({})"}
    return "".join(shown[part.kind].format(part.text) for part in word)


def calls_in(steps: Iterable[Step]) -> Iterator[Call]:
    """All commands, those of subshells too."""
    for step in steps:
        if isinstance(step, Group):
            yield from calls_in(step.calls)
        else:
            yield step


class _Reader:
    def __init__(self, loops: Mapping[str, str], *, is_certain: bool) -> None:
        self._loops, self._is_certain = loops, is_certain

    def steps(self, node: "tree_sitter.Node") -> Iterator[Step]:
        kind = node.type
        if kind in _SEQUENCES:
            yield from self._sequence(node)
        elif kind == "redirected_statement":
            yield from self._redirected(node)
        elif kind == "subshell":
            yield Group(tuple(step for child in node.named_children for step in self.steps(child)))
        elif kind == "command":
            yield self._call(node)
        elif kind in {"variable_assignment", "declaration_command", "variable_assignments"}:
            yield Call((), dict(self._assigned(node)), self._is_certain)
        elif kind == "for_statement":
            yield from self._loop(node)
        elif kind not in _NO_STATEMENT | _WORDS | {"test_command", "variable_name"}:
            inner = _Reader(self._loops, is_certain=False)
            yield from (step for child in node.named_children for step in inner.steps(child))

    def _redirected(self, node: "tree_sitter.Node") -> Iterator[Step]:
        body = node.child_by_field_name("body")
        yield from self.steps(body) if body else ()
        redirects = [child for child in node.named_children if child.type in _REDIRECTS]
        # Behind a here document the grammar has the rest of its line, too.
        inner = [child for each in redirects if each.type == "heredoc_redirect" for child in each.named_children]
        writes = tuple(self._written([*redirects, *inner]))
        if writes:
            yield Call((), {}, self._is_certain, writes)
        for child in inner:
            yield from _Reader(self._loops, is_certain=False).steps(child)

    def _written(self, redirects: Iterable["tree_sitter.Node"]) -> Iterator[Word]:
        for each in redirects:
            target = each.child_by_field_name("destination") if each.type == "file_redirect" else None
            is_output = any(child.type in _OUTPUTS for child in each.children)
            if target is not None and is_output and target.type != "number":
                yield self._word(target)

    def _sequence(self, node: "tree_sitter.Node") -> Iterator[Step]:
        reader = self
        for child in node.children:
            if child.type == "||":
                reader = _Reader(self._loops, is_certain=False)
            elif child.is_named:
                yield from reader.steps(child)

    def _loop(self, node: "tree_sitter.Node") -> Iterator[Step]:
        name = _text(node.child_by_field_name("variable"))
        values = [plain(self._word(child), {}) for child in node.children_by_field_name("value")]
        body = node.child_by_field_name("body")
        for value in values if body else ():
            known = value is not None
            loops = {**self._loops, name: value or ""} if known else self._loops
            assert body is not None  # noqa: S101 - asked above
            yield from _Reader(loops, is_certain=self._is_certain and known).steps(body)

    def _call(self, node: "tree_sitter.Node") -> Call:
        words: list[Word] = []
        for child in node.named_children:
            if child.type == "command_name":
                words.append(self._word(child.named_children[0]))
            elif child.type not in _NO_STATEMENT | {"variable_assignment"}:
                words.append(self._word(child))
        writes = tuple(self._written(node.named_children))
        return Call(tuple(words), dict(self._assigned(node)), self._is_certain, writes)

    def _assigned(self, node: "tree_sitter.Node") -> Iterator[tuple[str, Word]]:
        nodes = [node] if node.type == "variable_assignment" else node.named_children
        for each in nodes:
            if each.type == "variable_assignment":
                value = each.child_by_field_name("value")
                yield _text(each.child_by_field_name("name")), self._word(value) if value else ()

    def _word(self, node: "tree_sitter.Node") -> Word:
        kind, text = node.type, _text(node)
        if kind in {"word", "number"}:
            return (Part(_ESCAPE.sub(r"\2", text)),)
        if kind == "raw_string":
            return (Part(text[1:-1], is_quoted=True),)
        if kind in {"simple_expansion", "expansion"}:
            return (self._variable(text),)
        if kind in {"concatenation", "string"}:
            return tuple(self._quoted(node) if kind == "string" else self._joined(node))
        # Whatever else there is, only a shell can say.
        return (Part(text.removeprefix("$(").removesuffix(")").strip("` "), "output"),)

    def _joined(self, node: "tree_sitter.Node") -> Iterator[Part]:
        return (part for child in node.children for part in self._word(child))

    def _quoted(self, node: "tree_sitter.Node") -> Iterator[Part]:
        """By positions, because the grammar leaves out some blanks."""
        source, at = node.text or b"", 1
        for child in node.named_children:
            if child.type in {"simple_expansion", "expansion", "command_substitution"}:
                begin, end = child.start_byte - node.start_byte, child.end_byte - node.start_byte
                yield _in_quotes(source[at:begin])
                yield from (replace(part, is_quoted=True) for part in self._word(child))
                at = end
        yield _in_quotes(source[at:-1])

    def _variable(self, text: str) -> Part:
        found = _SIMPLE.fullmatch(text)
        name = found["name"] if found else text.removeprefix("$").strip("{}")
        if name in self._loops:
            return Part(self._loops[name], is_quoted=True)
        return Part(name, "variable", (found["default"] or "") if found else "")


def _in_quotes(text: bytes) -> Part:
    return Part(_IN_QUOTES.sub(r"\1", text.decode(errors="replace")).replace("\\\n", ""), is_quoted=True)


def _text(node: "tree_sitter.Node | None") -> str:
    return (node.text or b"").decode(errors="replace") if node else ""


def split(word: Word, known: Mapping[str, str | None]) -> Sequence[str] | None:
    """The words that one becomes when its variables are filled in; None where that is not known."""
    text = plain(word, known)
    if text is None:
        return None
    is_split = len(word) == 1 and word[0].kind == "variable" and not word[0].is_quoted
    return text.split() if is_split else [text]
