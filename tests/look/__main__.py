"""Renders every recorded report as GitHub and a browser show it, and fails on what a person would stumble over.

Usage: make test-look, or python -m tests.look [SCENE…]

At 860 and 390 pixels, in light and dark: no bar to scroll sideways, no name in two lines, no diagram that GitHub
would have to draw, no arrow behind a box, no text of low contrast. Pictures for a person are written to .local/look.
The browser is Debian's, installed where it is missing and we may; the style sheet is GitHub's, from npm. What is not
to be had is "not run", which CARBIDE_REQUIRE_ALL=1 makes a failure.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from carbide_infra.paths import cache_dir, project_root, state_dir
from carbide_infra.report.page import page
from tests.look.rendering import FOLDER, WIDTHS, chromium, comment_page, measured
from tests.support.expected_reports import SCENES, expected_report, reported

THEMES = ("light", "dark")
SHOWN = ("five_files", "one_file", "module_bump", "go_mod_with_an_error")
"""Scenes of which there are pictures: a person looks at a few."""

_DARK = "@media (prefers-color-scheme: dark)"
_FAULTS = {
    "scrolls": "scrolls sideways",
    "wide": "has a part that scrolls sideways",
    "broken": "breaks a name",
    "pale": "has text of low contrast",
    "mermaid": "has a diagram that GitHub has to draw",
    "hidden": "has arrows behind boxes",
}


class NotRunError(Exception):
    """What it takes is not to be had here."""


def main(scenes: list[str]) -> int:
    """Give the exit code."""
    try:
        browser, styles = _browser(), _styles()
    except NotRunError as reason:
        print(f"not run: {reason}")  # noqa: T201
        return int(os.environ.get("CARBIDE_REQUIRE_ALL") == "1")
    folder = state_dir(project_root()) / "look"
    folder.mkdir(parents=True, exist_ok=True)
    faults, count = list[str](), 0
    for theme in THEMES:
        for kind, pages in (("comments", _comments(scenes, styles, theme)), ("pages", _pages(scenes, theme))):
            found = measured(pages, browser)
            count += len(found)
            faults += [f"{kind}: {fault}" for fault in _faults(found)]
            shown = {name: page for name, page in pages.items() if name.split()[0] in SHOWN}
            if shown:
                height = sum(found[name]["height"] + 60 for name in shown) + 100
                measured(shown, browser, folder / f"{kind}-{theme}.png", height)
    for fault in faults:
        print(fault)  # noqa: T201
    print(f"Pictures are in {folder}")  # noqa: T201
    print(f"look: {count} renderings of {len(scenes)} changes, {len(faults)} faults")  # noqa: T201
    return int(bool(faults))


def _comments(scenes: list[str], styles: Mapping[str, str], theme: str) -> dict[str, tuple[str, int]]:
    return {
        f"{scene} {theme} {width}": (comment_page(expected_report(scene), styles[theme], theme), width)
        for scene in scenes
        for width in WIDTHS
    }


def _pages(scenes: list[str], theme: str) -> dict[str, tuple[str, int]]:
    """The theme is the reader's choice: here it is made for them."""
    chosen = "@media all" if theme == "dark" else "@media not all"
    return {
        f"{scene} {theme} {width}": (page(reported(scene)).replace(_DARK, chosen), width)
        for scene in scenes
        for width in WIDTHS
    }


def _faults(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, seen in found.items():
        yield from (f"{name} {told}: {seen[key]}" for key, told in _FAULTS.items() if seen[key])


def _browser() -> str:
    if chromium() is None and not os.getuid() and shutil.which("apt-get"):
        command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium", "fonts-liberation"]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = chromium()
    if found is None:
        message = "there is no chromium; apt-get install chromium fonts-liberation"
        raise NotRunError(message)
    return found


def _styles() -> dict[str, str]:
    """GitHub's style sheets, by theme."""
    if shutil.which("npm") is None:
        message = "there is no npm, which brings GitHub's style sheet; apt-get install npm"
        raise NotRunError(message)
    folder = cache_dir() / "look"
    installed = folder / "node_modules/github-markdown-css"
    lock = (FOLDER / "package-lock.json").read_bytes()
    if not installed.is_dir() or (folder / "package-lock.json").read_bytes() != lock:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(FOLDER / name, folder / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
        if done.returncode:
            message = f"npm does not bring GitHub's style sheet: {done.stderr.strip().splitlines()[-1:]}"
            raise NotRunError(message)
    return {theme: Path(installed / f"github-markdown-{theme}.css").read_text(encoding="utf-8") for theme in THEMES}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or SCENES))
