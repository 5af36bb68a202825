"""Reads YAML as data that remember their lines, and finds what YAML itself would take without a word."""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from carbide_infra.catalogue.problems import Key

_MAX_DEPTH = 20
_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(f"{_TAG}{kind}" for kind in ("null", "bool", "int", "float", "str", "timestamp"))
_INT = f"{_TAG}int"
_OLD_NUMBER = re.compile(r"[-+]?(0[0-7_]+|.*:.*)")
_SHOWN = 40


class UnreadableError(Exception):
    """The text is not YAML, or uses what the language leaves out.

    Attributes:
        line: where, counted from 1.
    """

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        super().__init__(text)


@dataclass
class Document:
    """A YAML text as plain data.

    Attributes:
        data: maps, lists, texts, numbers, booleans, None.
        lines: line of each key and list item, counted from 1.
        written: each scalar as its author wrote it.
        spans: where each scalar begins and ends in the text, quotes included.
        duplicates: keys that a map has twice.
    """

    data: Any = None
    lines: dict[Key, int] = field(default_factory=dict)
    written: dict[Key, str] = field(default_factory=dict)
    spans: dict[Key, tuple[int, int]] = field(default_factory=dict)
    duplicates: list[Key] = field(default_factory=list)

    def line(self, key: Key) -> int:
        """The line of a key, or of the innermost map around it that is there."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 1)


def parse(text: str) -> Document:
    """Read one YAML document.

    Raises:
        UnreadableError: it is not YAML, holds several documents, or has anchors, tags or very deep nesting.
    """
    document = Document()
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            document.data = _Reader(loader, document).value(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = str(error.problem or error.context)
        # PyYAML's sentence, of which it gives the second half here.
        whole = f"{error.context}, {problem}" if problem.startswith("but ") else problem
        raise UnreadableError(mark.line + 1 if mark else 1, whole) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UnreadableError(line, f"the character {error.character!r} is not allowed") from None
    return document


class _Loader(yaml.SafeLoader):
    """Refuses tricks: an anchor could make a small file huge, and `defaults` serves for what images share."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if event.anchor:
            raise UnreadableError(line, "anchors and aliases are not read; write it out, or use defaults")
        self._depth += 1
        if self._depth > _MAX_DEPTH + 1:
            raise UnreadableError(line, "is nested too deeply")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Reader:
    def __init__(self, loader: yaml.SafeLoader, document: Document) -> None:
        self._loader, self._document = loader, document

    def value(self, node: yaml.Node, key: Key) -> Any:  # noqa: ANN401
        self._document.lines.setdefault(key, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._map(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*key, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, key)

    def _map(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                raise UnreadableError(line, "a key is a map or a list; write a text")
            # As written: `on` and `1` are keys like others, and not true and 1.
            name = name_node.value
            place = (*key, name)
            if name in found:
                self._document.duplicates.append(place)
            self._document.lines[place] = line
            found[name] = self.value(value_node, place)
        return found

    def _scalar(self, node: yaml.Node, key: Key) -> Any:  # noqa: ANN401
        self._document.written[key] = node.value
        self._document.spans[key] = (node.start_mark.index, node.end_mark.index)
        if node.tag not in _SCALARS:
            raise UnreadableError(node.start_mark.line + 1, f"the tag {node.tag} is not read; leave it out")
        # As YAML 1.2 has it: 22:22 is no number of seconds, and 010 no octal one. A mode has a sentence of its own.
        if node.tag == _INT and _OLD_NUMBER.fullmatch(node.value) and key[-1:] != ("mode",):
            return node.value
        try:
            return self._loader.construct_object(node)
        except ValueError as error:
            raise UnreadableError(node.start_mark.line + 1, f"{node.value[:_SHOWN]}: {error}") from None
