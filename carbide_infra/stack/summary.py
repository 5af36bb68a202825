"""The summary of an update: each image with its reference, digest, sizes and seconds."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.errors import RegistryError
from carbide_infra.registry.images import PARALLEL, compressed_sizes, split_reference

IMAGE_TYPE = "docker-build:index:Image"
# Wide enough for a reference and a whole digest.
FILE_WIDTH = 260
# "sha256:" and twelve digits, as Docker abbreviates it.
SHORT_DIGEST = 19
# Of a failed build step; the compiler itself stops after ten errors a package.
LAST_LINES = 40


def image_seconds(event_log: Path) -> dict[str, int]:
    """How long the engine worked on each image, by image name; images left alone are absent."""
    started: dict[str, int] = {}
    seconds: dict[str, int] = {}
    for event in _events(event_log):
        before = event.get("resourcePreEvent", {}).get("metadata", {})
        after = event.get("resOutputsEvent", {}).get("metadata", {})
        if before.get("type") == IMAGE_TYPE and before.get("op") != "same":
            started[before["urn"]] = event["timestamp"]
        if after.get("urn") in started:
            name = after["urn"].rsplit("::", 1)[1]
            seconds[name] = event["timestamp"] - started[after["urn"]]
    return seconds


def build_failures(event_log: Path) -> dict[str, list[str]]:
    """What the failed build step of each failed image printed, by image name.

    The provider shows it while it builds; what it repeats at the end gets lost on the way to the engine.
    """
    events = list(_events(event_log))
    failed = {event["resOpFailedEvent"]["metadata"]["urn"] for event in events if "resOpFailedEvent" in event}
    told = [event["diagnosticEvent"] for event in events if "diagnosticEvent" in event]
    return {
        urn.rsplit("::", 1)[1]: _failed_step([entry["message"] for entry in told if entry.get("urn") == urn])
        for urn in sorted(failed)
        if f"${IMAGE_TYPE}::" in urn
    }


def _failed_step(messages: Sequence[str]) -> list[str]:
    """The output of the BuildKit steps that came to no good end, as in "#13 0.659 main.go:87:24: undefined: x"."""
    lines = [line for message in messages for line in message.splitlines()]
    ended = {match[1] for line in lines if (match := re.match(r"#(\d+) (DONE|CACHED)\b", line))}
    output = [match for line in lines if (match := re.match(r"#(\d+) \d+\.\d+ (.*)", line))]
    # Both platforms fail with the same words.
    return list(dict.fromkeys(match[2] for match in output if match[1] not in ended))[-LAST_LINES:]


def has_changes(event_log: Path) -> bool:
    """Whether the update did anything but find every resource as it was."""
    summaries = [event["summaryEvent"] for event in _events(event_log) if "summaryEvent" in event]
    return any(set(summary.get("resourceChanges", {})) - {"same"} for summary in summaries)


def _events(event_log: Path) -> Iterator[dict[str, Any]]:
    if event_log.exists():
        for line in event_log.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def image_sizes(images: Mapping[str, Mapping[str, Any]], client: RegistryClient) -> dict[str, dict[str, int]]:
    """Compressed bytes for each platform of each image; nothing where the registry does not tell."""

    def sizes(image: Mapping[str, Any]) -> dict[str, int]:
        try:
            return compressed_sizes(client, split_reference(image["repository"])[1], image["digest"])
        except (RegistryError, KeyError):
            return {}

    with ThreadPoolExecutor(PARALLEL) as pool:
        return dict(zip(images, pool.map(sizes, images.values()), strict=True))


def print_summary(
    images: Mapping[str, Mapping[str, Any]],
    seconds: Mapping[str, int],
    failed: Collection[str],
    sizes: Mapping[str, Mapping[str, int]],
) -> None:
    """Print the table to stdout, whole digests where it is not a terminal; a failed image as it was before."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    table = Table("Image", "Reference", "Digest", "Platforms", "Compressed size", "Seconds", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for name, image in images.items():
        table.add_row(
            name,
            f"{image['repository']}:{image['tags'][0]}",
            f"{image['digest'][:SHORT_DIGEST]}…" if console.is_terminal else image["digest"],
            "\n".join(image["platforms"]),
            "\n".join(_megabytes(sizes.get(name, {}).get(platform)) for platform in image["platforms"]),
            _told(name, seconds, failed),
        )
    console.print(table)


def markdown_summary(
    images: Mapping[str, Mapping[str, Any]], seconds: Mapping[str, int], failed: Collection[str]
) -> str:
    """The table for a page, such as a CI job's."""
    rows = [
        [name, f"`{image['repository']}:{image['tags'][0]}`", f"`{image['digest']}`", _told(name, seconds, failed)]
        for name, image in images.items()
    ]
    head = [["Image", "Reference", "Digest", "Seconds"], ["---"] * 4]
    return "".join(f"| {' | '.join(row)} |\n" for row in [*head, *rows])


def _told(image: str, seconds: Mapping[str, int], failed: Collection[str]) -> str:
    return "failed" if image in failed else str(seconds.get(image, "unchanged"))


def _megabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 1e6:.1f} MB"
