"""Files that somebody or something has damaged: staged contexts, caches, and what a checkout keeps."""

from collections.abc import Iterable
from itertools import cycle
from pathlib import Path

import pytest

from tests.faults.site import IMAGE, Site

slow = pytest.mark.slow
DAMAGES = (b"", b"{", b"null", b"[]", b'{"a": 1}', b"\xff\xfe\x00", b'"text"', b'[{"files": 7}]')


def damage(files: Iterable[Path]) -> int:
    """Write what is no such file over each; gives how many."""
    found = list(files)
    for file, content in zip(found, cycle(DAMAGES), strict=False):
        file.write_bytes(content)
    return len(found)


@slow
def test_a_staged_context_is_damaged(site: Site) -> None:
    site.edit()
    assert site.make("preview").code == 0
    contexts = sorted((site.local / f"contexts/{IMAGE}").glob("*/ipam/cmd/server/main.go"))
    newest = max(contexts, key=lambda file: file.stat().st_ctime)
    assert newest.read_text() == site.main.read_text()
    newest.write_text(newest.read_text() + "\nvar foreign = 1\n")
    site.settle()
    rebuilt = site.carbide("verify", "--rebuild", "--image", IMAGE)
    assert rebuilt.code == 0, rebuilt.text


@slow
def test_every_file_of_the_cache_is_damaged(site: Site) -> None:
    site.edit()
    assert site.make("preview").code == 0
    shared = {entry.name for entry in site.cache.iterdir() if entry.is_symlink()}
    found = (file for entry in site.cache.iterdir() if entry.name not in shared for file in [entry, *entry.rglob("*")])
    assert damage(file for file in list(found) if file.is_file()) > 3
    preview = site.make("preview")
    assert preview.code == 0, preview.text
    assert "Traceback" not in preview.text
    site.settle()


@slow
@pytest.mark.parametrize("content", DAMAGES[:1], ids=["empty"])
def test_what_a_checkout_keeps_is_damaged(site: Site, content: bytes) -> None:
    for name in ("endpoint.json", "registry.json", "buildkit.json", "run/buildkitd.json", "updates/dev.json"):
        assert (site.local / name).exists(), name
        (site.local / name).write_bytes(content)
    site.settle()
