"""Treemaps: rectangles whose areas are as sizes, each as near to a square as may be (Bruls, Huizing, van Wijk 2000)."""

from collections.abc import Sequence
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle by its upper left corner."""

    x: float
    y: float
    width: float
    height: float


def squarified(sizes: Sequence[float], within: Box) -> list[Box]:
    """A box for each size, in their order, which has to be that of falling size; together they fill the whole."""
    total = sum(sizes)
    if not total:
        return []
    scale = within.width * within.height / total
    areas, boxes, free = [size * scale for size in sizes], list[Box](), within
    while areas:
        side = min(free.width, free.height)
        count = _row(areas, side)
        placed, free = _placed(areas[:count], free)
        boxes += placed
        areas = areas[count:]
    return boxes


def _row(areas: Sequence[float], side: float) -> int:
    """How many of the first ones stand best in one row along the side."""
    count = 1
    while count < len(areas) and _worst(areas[: count + 1], side) <= _worst(areas[:count], side):
        count += 1
    return count


def _worst(areas: Sequence[float], side: float) -> float:
    """The worst ratio of a box's sides in such a row."""
    total = sum(areas)
    if not total or not side or not areas[-1]:
        return 1.0
    return max(side**2 * areas[0] / total**2, total**2 / (side**2 * areas[-1]))


def _placed(row: Sequence[float], free: Box) -> tuple[list[Box], Box]:
    """The boxes of a row along the shorter side, and what is left."""
    total, boxes = sum(row), []
    if free.width >= free.height:
        depth, at = (total / free.height if free.height else 0), free.y
        for area in row:
            length = area / depth if depth else 0
            boxes.append(Box(free.x, at, depth, length))
            at += length
        return boxes, Box(free.x + depth, free.y, max(free.width - depth, 0), free.height)
    depth, at = (total / free.width if free.width else 0), free.x
    for area in row:
        length = area / depth if depth else 0
        boxes.append(Box(at, free.y, length, depth))
        at += length
    return boxes, Box(free.x, free.y + depth, free.width, max(free.height - depth, 0))
