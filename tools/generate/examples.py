"""What the pages show of reports and tables: made from a recorded preview, so that it stays true."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from carbide_infra.cli.up import print_images
from carbide_infra.report.terminal import print_report
from carbide_infra.stack.summary import Outcome
from tests.support.expected_reports import expected_report, recorded, reported
from tools.generate.regions import between_markers

_WIDTH = 80
_CHANGED = ("carbide-rest-api", "carbide-rest-ipam")
# As measured once; a recorded preview has no sizes.
_MEGABYTES = {
    "carbide-rest-api": (4.9, 4.5),
    "carbide-rest-cert-manager": (4.2, 3.9),
    "carbide-rest-db": (4.7, 4.4),
    "carbide-rest-ipam": (4.2, 3.9),
    "carbide-rest-site-manager": (4.3, 4.0),
    "carbide-rest-workflow": (4.1, 3.9),
    "carbide-site-agent": (4.1, 3.8),
}
_SECONDS = dict(zip(_MEGABYTES, (100, 102, 101, 103, 102, 95, 99), strict=True))


def pages(project: Path) -> Mapping[Path, str]:
    """README and the pages, with their examples."""
    first = Outcome(_SECONDS, dict.fromkeys(_SECONDS, True))
    again = Outcome(dict.fromkeys(_CHANGED, 5), dict.fromkeys(_CHANGED, False))
    parts: Mapping[str, Mapping[str, str]] = {
        "README.md": {"table": _block(_table(first))},
        "docs/newcomer.md": {
            "first": _block(f"{_table(first)}{first.sentence}\n"),
            "report": _block(f"$ make report\nPreviewing stack dev…\n{_report('shared_package')}"),
            "again": _block(f"{_table(again)}{again.sentence}\n"),
        },
        "docs/pull-request-author.md": {
            "comment": _block(expected_report("shared_package"), "markdown"),
            "terminal": _block(_report("shared_package")),
            "failed": _block(expected_report("go_mod_with_an_error"), "markdown"),
        },
    }
    return {project / name: _with(project / name, examples) for name, examples in parts.items()}


def _with(page: Path, examples: Mapping[str, str]) -> str:
    text = page.read_text(encoding="utf-8")
    for name, example in examples.items():
        text = between_markers(text, name, example)
    return text


def _block(text: str, language: str = "") -> str:
    return f"````{language}\n{text}````\n"


def _report(scene: str) -> str:
    stream = io.StringIO()
    print_report(reported(scene), Console(file=stream, width=_WIDTH, highlight=False, color_system=None))
    return stream.getvalue()


def _table(outcome: Outcome) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=_WIDTH, highlight=False, color_system=None, force_terminal=True)
    platforms = ("linux/amd64", "linux/arm64")
    sizes = {
        name: {platform: int(size * 1e6) for platform, size in zip(platforms, both, strict=True)}
        for name, both in _MEGABYTES.items()
    }
    print_images(_images(), outcome, sizes, console, wide=False)
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def _images() -> Mapping[str, Any]:
    (stack,) = (step for step in recorded("nothing")["steps"] if "pulumi:pulumi:Stack" in step["urn"])
    images: Mapping[str, Any] = stack["oldState"]["outputs"]["images"]
    return images
