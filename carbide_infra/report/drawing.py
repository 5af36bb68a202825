"""Drawings of the page, as SVG: causes with arrows to images, and what an image is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from carbide_infra.report import words
from carbide_infra.report.causes import Cause
from carbide_infra.report.safe_text import shortened, visible
from carbide_infra.report.treemap import Box, squarified

_ROW, _GAP, _LETTER, _PADDING = 30, 8, 7.3, 10
_ROUNDS, _COLUMN = 4, 0.42
_MOST_FILES = 150
_LINE, _SMALLEST_LABEL = 16, 40
_FOLDERS_WITH_A_TINT = 6


@dataclass(frozen=True)
class _Node:
    x: float
    y: float
    width: float
    key: str
    text: str

    @property
    def middle(self) -> float:
        return self.y + _ROW / 2


def graph(causes: Sequence[Cause], width: int, *, short: bool) -> str:
    """Causes on the left, the images that they reach on the right, and arrows between the two columns.

    Args:
        causes: all of them.
        width: in pixels.
        short: whether files are told by their last name, as a narrow column has no room for a path.
    """
    if not causes:
        return ""
    images = sorted({name for cause in causes for name in cause.images})
    reached = [[images.index(name) for name in cause.images] for cause in causes]
    left, right = _untangled(reached, len(images))
    column = width * _COLUMN
    marks = words.Marks(_last_name) if short else words.PLAIN
    texts = [words.cause(cause, marks) for cause in causes]
    sources = {at: _Node(0, _top(row), column, f"c{at}", texts[at]) for row, at in enumerate(left)}
    targets = {at: _Node(width - column, _top(row), column, f"i{at}", images[at]) for row, at in enumerate(right)}
    edges = [_edge(sources[at], targets[to]) for at in left for to in reached[at]]
    nodes = [_node(node) for node in (*sources.values(), *targets.values())]
    height = _top(max(len(left), len(right)))
    head = f'<svg class="graph" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="group"'
    return f'{head} aria-label="{escape(words.GRAPH)}">{"".join([*edges, *nodes])}</svg>'


def _untangled(reached: Sequence[Sequence[int]], images: int) -> tuple[list[int], list[int]]:
    """Both columns in an order in which arrows cross less: each node near the mean of its neighbours."""
    left, right = list(range(len(reached))), list(range(images))
    for _ in range(_ROUNDS):
        place = {at: row for row, at in enumerate(left)}
        right.sort(key=lambda to: _mean([place[at] for at in left if to in reached[at]]))
        place = {to: row for row, to in enumerate(right)}
        left.sort(key=lambda at: _mean([place[to] for to in reached[at]]))
    return left, right


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else 0


def _last_name(path: str) -> str:
    return path.rpartition("/")[2]


def _top(row: int) -> int:
    return row * (_ROW + _GAP)


def _node(node: _Node) -> str:
    most = int((node.width - 2 * _PADDING) / _LETTER)
    text = visible(node.text)
    cut = text if len(text) <= most else f"…{text[1 - most :]}" if node.key.startswith("i") else f"{text[: most - 1]}…"
    shown = f'<text x="{node.x + _PADDING}" y="{node.middle + 4}">{escape(cut)}</text>'
    box = f'<rect x="{node.x + 0.5}" y="{node.y + 0.5}" width="{node.width - 1}" height="{_ROW - 1}" rx="6"/>'
    return f'<g class="node" tabindex="0" data-key="{node.key}"><title>{escape(text)}</title>{box}{shown}</g>'


def _edge(source: _Node, target: _Node) -> str:
    start, end = source.x + source.width, target.x
    middle = (start + end) / 2
    curve = f"M{start} {source.middle} C{middle} {source.middle} {middle} {target.middle} {end} {target.middle}"
    return f'<path class="edge" data-from="{source.key}" data-to="{target.key}" d="{curve}"/>'


def treemap(sizes: Mapping[str, int], changed: frozenset[str], width: int, height: int) -> str:
    """The files of an image by size; a changed one has a thick edge and says so."""
    ordered = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    shown = [(path, max(size, 1)) for path, size in ordered[:_MOST_FILES]]
    if not shown:
        return ""
    folders = list(dict.fromkeys(path.rpartition("/")[0] for path, _ in shown))
    boxes = squarified([size for _, size in shown], Box(0, 0, width, height))
    drawn = [
        _file(path, sizes[path], box, folders.index(path.rpartition("/")[0]), is_changed=path in changed)
        for (path, _), box in zip(shown, boxes, strict=True)
    ]
    label = escape(words.TREEMAP)
    head = f'<svg class="treemap" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
    return f'{head} aria-label="{label}">{"".join(drawn)}</svg>'


def _file(path: str, size: int, box: Box, folder: int, *, is_changed: bool) -> str:
    text = visible(path)
    told = f"{text}, {words.bytes_of(size)}{words.CHANGED_FILE if is_changed else ''}"
    kind = f"file tint{folder % _FOLDERS_WITH_A_TINT}{' changed' if is_changed else ''}"
    rect = (
        f'<rect x="{box.x + 1:.1f}" y="{box.y + 1:.1f}" '
        f'width="{max(box.width - 2, 0.5):.1f}" height="{max(box.height - 2, 0.5):.1f}"/>'
    )
    most = int((box.width - _PADDING) / _LETTER)
    label = ""
    if box.width >= _SMALLEST_LABEL and box.height >= _LINE + 2:
        # A file's own name tells more than its folder.
        short = shortened(text.rpartition("/")[2], most)
        label = f'<text x="{box.x + 5:.1f}" y="{box.y + _LINE:.1f}">{escape(short)}</text>'
    return f'<g class="{kind}"><title>{escape(told)}</title>{rect}{label}</g>'
