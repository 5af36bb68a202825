"""Pin every action of .github to its newest release: `owner/name@<commit> # <version>`; `make pin-actions` calls it.

It asks GitHub's API, with GITHUB_TOKEN where that is set. Either all pins are renewed or none is.
"""

import json
import os
import re
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / ".github"
API = "https://api.github.com"
SECONDS = 30
# A pin that nobody knows yet is empty: `owner/name@`.
USES = re.compile(
    r"(?P<action>\buses: (?P<name>[\w.-]+/[\w.-]+)(?:/[\w.-]+)*@)(?P<commit>[0-9a-f]*)(?: # (?P<version>\S+))?$",
    re.MULTILINE,
)
VERSION, COMMIT = re.compile(r"v(\d+)\.(\d+)\.(\d+)"), re.compile(r"[0-9a-f]{40}")


class PinError(Exception):
    """The pins stay as they are; the message says why."""


@dataclass(frozen=True)
class Pin:
    """A release and its commit; both are empty where they are not known."""

    version: str
    commit: str

    @property
    def number(self) -> tuple[int, ...]:
        """The version to compare; nothing is older than anything."""
        match = VERSION.fullmatch(self.version)
        return tuple(map(int, match.groups())) if match else ()


@dataclass(frozen=True)
class GitHub:
    """GitHub's API."""

    api: str
    token: str

    def newest(self, name: str) -> Pin:
        """Give a repository's newest release that is not a preview.

        Raises:
            PinError: GitHub does not say.
        """
        version = str(self._ask(f"/repos/{name}/releases/latest").get("tag_name"))
        if not VERSION.fullmatch(version):
            message = f"{name}: the newest release is {version}, which is not a full version such as v1.2.3"
            raise PinError(message)
        return Pin(version, self.commit(name, version))

    def commit(self, name: str, tag: str) -> str:
        """Give the commit that a tag names, be it annotated or not."""
        commit = str(self._ask(f"/repos/{name}/commits/{tag}").get("sha"))
        if not COMMIT.fullmatch(commit):
            message = f"{name}: GitHub gives no commit for {tag}"
            raise PinError(message)
        return commit

    def _ask(self, path: str) -> dict[str, Any]:
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.api + path, headers=headers)  # noqa: S310 - the API that the caller chose
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            advice = "; GITHUB_TOKEN raises the limit" if error.code in {403, 429} and not self.token else ""
            message = f"{self.api}{path}: {error.code} {error.reason}{advice}"
            raise PinError(message) from error
        except (OSError, ValueError, TypeError) as error:
            message = f"GitHub cannot be reached at {self.api} ({error}): check the network, or set GITHUB_API_URL"
            raise PinError(message) from error


def renewed(name: str, pinned: set[Pin], github: GitHub) -> Pin:
    """Give the pin to have; an older release than the one in use is not taken.

    Raises:
        PinError: GitHub does not say, or the release in use was moved to another commit.
    """
    current = max(pinned, key=lambda pin: pin.number)
    newest = github.newest(name)
    if newest.number < current.number:
        return current
    if newest.version == current.version and newest.commit != current.commit:
        message = (
            f"{name}: {current.version} is pinned as {current.commit}, but now names {newest.commit}: "
            "a release was moved, find out why before you trust it"
        )
        raise PinError(message)
    return newest


def pin_actions(folder: Path, github: GitHub) -> list[str]:
    """Renew the pins in all files of a folder, and tell of each action what was done.

    Raises:
        PinError: for one action it cannot be said; no file was changed.
    """
    files = {file: file.read_text(encoding="utf-8") for file in sorted(folder.rglob("*.yml"))}
    pinned: dict[str, set[Pin]] = {}
    for text in files.values():
        for match in USES.finditer(text):
            pinned.setdefault(match["name"], set()).add(Pin(match["version"] or "", match["commit"]))
    new = {name: renewed(name, pins, github) for name, pins in sorted(pinned.items())}
    for file, text in files.items():
        file.write_text(USES.sub(lambda match: _line(match["action"], new[match["name"]]), text), encoding="utf-8")
    return [_told(name, pinned[name], pin) for name, pin in new.items()]


def _line(action: str, pin: Pin) -> str:
    return f"{action}{pin.commit} # {pin.version}"


def _told(name: str, before: set[Pin], pin: Pin) -> str:
    old = sorted({was.version or "no pin" for was in before if was != pin})
    if not old:
        return f"{name} {pin.version}: is the newest"
    is_major = any(was.number[:1] != pin.number[:1] for was in before if was.number)
    return f"{name} {', '.join(old)} → {pin.version}{'; a major version: read its notes' if is_major else ''}"


def main() -> int:
    """Give the exit code."""
    github = GitHub(os.environ.get("GITHUB_API_URL") or API, os.environ.get("GITHUB_TOKEN", ""))
    try:
        sys.stdout.writelines(f"{line}\n" for line in pin_actions(FOLDER, github))
    except PinError as error:
        sys.stderr.write(f"error: {error}. No pin was changed.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
