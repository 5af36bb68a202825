"""The picture: changed source folders and other causes, with arrows to the images that they reach, in Mermaid."""

import re
from collections.abc import Iterable, Mapping

from carbide_infra.report import words
from carbide_infra.report.changes import Action, ImageChange, Report

MOST_NODES = 12
_NAMES_IN_A_NODE = 4
_LONGEST_NAME = 60
_IMAGE_CAUSES = frozenset({"unfinished", "missing", "other", "fallback"})


def mermaid(report: Report) -> str | None:
    """The graph as Mermaid's source; None where no cause is to be drawn."""
    causes = {image.name: frozenset(_causes(image)) for image in report.having(Action.REBUILT)}
    causes = {name: found for name, found in causes.items() if found}
    if not causes:
        return None
    reached: dict[str, set[str]] = {}
    for image, found in causes.items():
        for cause in found:
            reached.setdefault(cause, set()).add(image)
    # What has the same arrows shares a node.
    left = _limited(_grouped({cause: frozenset(images) for cause, images in reached.items()}))
    right = _limited(_grouped(causes))
    lines = ["graph LR"]
    lines += [f'  s{index}["{_label(names)}"]' for index, names in enumerate(left)]
    lines += [f'  i{index}(["{_label(names)}"])' for index, names in enumerate(right)]
    lines += [
        f"  s{source} --> i{target}"
        for source, names in enumerate(left)
        for target, images in enumerate(right)
        if any(reached[name] & set(images) for name in names)
    ]
    return "\n".join(lines)


def _causes(image: ImageChange) -> Iterable[str]:
    yield from (file.place for file in image.files)
    yield from (words.cause(reason) for reason in image.reasons if reason.kind not in _IMAGE_CAUSES)


def _grouped(arrows: Mapping[str, frozenset[str]]) -> list[list[str]]:
    groups: dict[frozenset[str], list[str]] = {}
    for name in sorted(arrows):
        groups.setdefault(arrows[name], []).append(name)
    return sorted(groups.values(), key=lambda names: (-len(names), names))


def _limited(groups: list[list[str]]) -> list[list[str]]:
    """At most so many groups: the small ones share the last node."""
    rest = [name for names in groups[MOST_NODES - 1 :] for name in names]
    return groups if len(groups) <= MOST_NODES else [*groups[: MOST_NODES - 1], rest]


def _label(names: list[str]) -> str:
    shown = [_escaped(name) for name in names[:_NAMES_IN_A_NODE]]
    rest = len(names) - len(shown)
    return "<br/>".join([*shown, words.more(rest)] if rest else shown)


def _escaped(name: str) -> str:
    """A name as plain text of a label: Mermaid reads HTML, Markdown and its own entities there."""
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME // 2]}…{name[-_LONGEST_NAME // 2 :]}"
    # A label may not be empty.
    return re.sub(r"[^\w ./:…→-]", lambda match: f"#{ord(match[0])};", short) or "?"
