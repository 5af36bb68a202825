"""Markdown as GitHub shows it, and pages in a real browser that say what they measured."""

import base64
import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cmarkgfm
from cmarkgfm.cmark import Options

FOLDER = Path(__file__).parent
WIDTHS = (860, 390)
"""A comment on a wide screen and on a phone."""

# Of a comment, on either side.
_PADDING = 16


def comment_html(markdown: str) -> str:
    """What GitHub's own parser makes of a comment."""
    return str(cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE))


def comment_page(markdown: str, style: str, theme: str) -> str:
    """A page with the comment alone, as wide as its frame."""
    ground = {"light": "#ffffff", "dark": "#0d1117"}[theme]
    padding = f"padding:{_PADDING}px;font-size:14px"
    body = f'<body style="margin:0;background:{ground}"><article class="markdown-body" style="{padding}">'
    return f"<!doctype html><meta charset=utf-8><style>{style}</style>{body}{comment_html(markdown)}</article>"


def chromium() -> str | None:
    """The browser on this machine."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def measured(
    pages: Mapping[str, tuple[str, int]], browser: str, picture: Path | None = None, height: int = 1000
) -> dict[str, Any]:
    """What measure.js finds of each page, shown in a frame of its width."""
    frames = "".join(
        f'<p>{html.escape(name)}</p><iframe id="{html.escape(name)}" width="{width}" height="100" '
        f'style="border:1px solid #888" srcdoc="{html.escape(page, quote=True)}"></iframe>'
        for name, (page, width) in pages.items()
    )
    script = (FOLDER / "measure.js").read_text(encoding="utf-8")
    text = f"<!doctype html><meta charset=utf-8><body>{frames}<pre id=result></pre><script>{script}</script>"
    with TemporaryDirectory() as folder:
        file = Path(folder) / "look.html"
        file.write_text(text, encoding="utf-8")
        if picture is not None:
            _run(browser, folder, f"--screenshot={picture}", f"--window-size=920,{height}", file)
        dumped = _run(browser, folder, "--dump-dom", "--window-size=1000,1000", file)
    found = re.search(r'<pre id="result">(.*?)</pre>', dumped, re.DOTALL)
    assert found, dumped[-2000:]
    return dict(json.loads(base64.b64decode(found[1])))


def _run(browser: str, profile: str, *arguments: str | Path) -> str:
    how: Sequence[str] = ("--headless", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=4000")
    # Root has no sandbox, and the pages are our own.
    how = (*how, *(("--no-sandbox",) if not os.getuid() else ()), f"--user-data-dir={profile}/profile")
    command = [browser, *how, *map(str, arguments[:-1]), Path(str(arguments[-1])).as_uri()]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
