"""The report as one page: nothing from elsewhere, in light and dark, by mouse, keyboard or finger."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib import resources

from carbide_infra.images.record import INPUTS, MODULES
from carbide_infra.report import words
from carbide_infra.report.causes import Cause, causes_of
from carbide_infra.report.changes import Action, ImageChange, Report
from carbide_infra.report.drawing import graph, treemap
from carbide_infra.report.failure import failure_of
from carbide_infra.report.files import sizes
from carbide_infra.report.reasons import modules_in
from carbide_infra.report.safe_text import visible

_WIDE, _NARROW = 800, 340
_MOST_CAUSES, _MOST_IMAGES, _OPEN = 60, 100, 3


def _code(text: str) -> str:
    return f"<code>{escape(visible(text))}</code>"


def _name(text: str) -> str:
    shown = escape(visible(text))
    return f'<span class="name" data-name title="{shown}">{shown}</span>'


def _quote(text: str) -> str:
    return escape(" ".join(visible(part) for part in text.split()))


def _link(text: str, address: str) -> str:
    return f'<a href="{escape(address)}">{text}</a>'


MARKS = words.Marks(_code, _name, _quote, _link)


def page(report: Report) -> str:
    """The whole page."""
    style, script = (_resource(f"page.{kind}") for kind in ("css", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    title = re.sub(r"<[^>]*>", "", words.verdict(report, MARKS))
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{title}</title><style>{style}</style></head><body><main>",
            *_body(report),
            f"</main><script>{script}</script></body></html>\n",
        ]
    )


def _resource(name: str) -> str:
    return (resources.files("carbide_infra.report") / name).read_text(encoding="utf-8")


def _body(report: Report) -> Iterator[str]:
    yield f"<h1>{words.verdict(report, MARKS)}</h1>"
    yield f'<p class="who">{words.explanation(report, MARKS)}</p>'
    if report.errors:
        yield f"<p>{words.next_step(report, MARKS)}</p>"
        said = "\n".join(visible(line.expandtabs(4)) for line in failure_of(report.errors).text.splitlines())
        yield f"<h2>{words.ALL_SAID}</h2><pre>{escape(said)}</pre>"
        return
    yield f"<p>{words.compared(report, MARKS)}</p>"
    yield from (
        f'<p class="warning"><strong>{words.WARNING}</strong>: {words.warning(warned, MARKS)}</p>'
        for warned in report.warnings
        if not warned.stands
    )
    causes = causes_of(report)
    yield from _causes(report, causes)
    yield from _images(report, causes)
    yield from _moved(report)
    standing = [words.warning(warned, MARKS) for warned in report.warnings if warned.stands]
    yield from _section(words.STANDING, _list(standing))
    meanings = [f"<strong>{word}</strong>: {_with_code(text)}" for word, text in words.MEANINGS.items()]
    yield from _section(words.MEANINGS_TITLE, _list(meanings))


def _causes(report: Report, causes: Sequence[Cause]) -> Iterator[str]:
    if not causes:
        return
    shown = causes[:_MOST_CAUSES]
    lines = [words.reached(cause, report, MARKS) for cause in shown]
    lines += [words.more(len(causes) - len(shown), "cause")] if len(causes) > len(shown) else []
    drawn = [
        f'<div class="{kind}">{graph(shown, width, short=kind == "narrow")}</div>'
        for kind, width in (("wide", _WIDE), ("narrow", _NARROW))
    ]
    yield from _section(words.GRAPH, f'<p class="hint">{words.GRAPH_HINT}</p>', *drawn, _list(lines))


def _images(report: Report, causes: Sequence[Cause]) -> Iterator[str]:
    shown = [*report.having(Action.NEW, Action.REBUILT), *report.having(Action.RETAGGED, Action.UNCHANGED)]
    known = [image for image in shown if image.record.get(INPUTS)][:_MOST_IMAGES]
    if known:
        hint = f'<p class="hint">{words.INPUTS_HINT}</p>'
        yield from _section(words.INPUTS, hint, *(_image(image, causes, at) for at, image in enumerate(known)))


def _image(image: ImageChange, causes: Sequence[Cause], at: int) -> str:
    files, modules = sizes(str(image.record[INPUTS])), modules_in(image.record.get(MODULES))
    changed = frozenset(file.path for file in image.files)
    why = words.causes_of_image(image, causes, MARKS) or words.STAYS
    bumped = {reason.name for reason in image.reasons if reason.kind == "module"}
    chips = [
        f"<li{' class=changed' if module in bumped else ''}>{_code(f'{module} {version}')}</li>"
        for module, version in sorted(modules.items())
    ]
    is_open = " open" if at < _OPEN and (image.files or image.reasons) else ""
    drawn = [
        f'<div class="{kind}">{treemap(files, changed, width, height)}</div>'
        for kind, width, height in (("wide", _WIDE, 260), ("narrow", _NARROW, 300))
    ]
    total = words.inputs_of(len(files), sum(files.values()), len(modules))
    listed = f'<ul class="chips">{"".join(chips)}</ul>' if chips else ""
    head = f"<summary>{_name(image.name)}<span class=total>{total}</span></summary>"
    lines = [f"{_code(path)} {words.bytes_of(size)}" for path, size in sorted(files.items(), key=lambda item: -item[1])]
    all_files = f"<details><summary>{words.FILES}</summary>{_list(lines)}</details>"
    return f"<details{is_open}>{head}<p>{why}.</p>{''.join(drawn)}{listed}{all_files}</details>"


def _moved(report: Report) -> Iterator[str]:
    files = {file.path: file for image in report.images for file in image.files}
    lines = [*words.tags(report, MARKS), *(words.file_with_size(files[path], MARKS) for path in sorted(files))]
    kept = [image.name for image in report.having(Action.RETAGGED, Action.UNCHANGED)]
    lines += [f"{words.kept(len(kept))}: {', '.join(map(_name, kept))}"] if kept else []
    yield from _section(words.MOVED, _list(lines))


def _section(title: str, *parts: str) -> Iterator[str]:
    if any(parts):
        yield f"<section><h2>{title}</h2>{''.join(parts)}</section>"


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _with_code(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
