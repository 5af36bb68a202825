"""What somebody or something has damaged: contexts, caches, what a checkout keeps, the state, a registry."""

import json
import re
import shutil
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path

import pytest

from tests.faults.site import IMAGE, Site

slow = pytest.mark.slow
DAMAGES = (b"", b"{", b"null", b"[]", b'{"a": 1}', b"\xff\xfe\x00", b'"text"', b'[{"files": 7}]')


def damage(files: Iterable[Path]) -> None:
    """Write what is no such file over each."""
    for file, content in zip(files, cycle(DAMAGES), strict=False):
        file.write_bytes(content)


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
    own = (entry for entry in site.cache.iterdir() if entry.name not in shared)
    files = [file for entry in own for file in [entry, *entry.rglob("*")] if file.is_file()]
    # What is kept of the import graph is in the answers.
    assert {"answer", "blobs", "hashes"} <= {file.name.partition("-")[0] for file in files}
    damage(files)
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


@slow
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"null"], ids=["half", "empty", "binary", "null"])
def test_row_20_the_state_is_damaged(site: Site, content: bytes | None) -> None:
    state = site.local / "state/.pulumi/stacks/carbide-infra/dev.json"
    whole = state.read_bytes()
    damaged = whole[: len(whole) // 2] if content is None else content
    state.write_bytes(damaged)
    before = state.with_name("dev.json.bak").read_bytes()
    for command in ("up", "preview", "report", "refresh", "verify", "images"):
        refused = site.make(command)
        assert refused.code != 0, command
        assert f"the state in {state} is damaged" in refused.text, refused.text
        assert f"{state}.bak, is whole" in refused.text
        assert f"\n    cp {state}.bak {state}" in refused.text
        assert "Traceback" not in refused.text
    told = json.loads(site.carbide("doctor", "--json").text)
    found = next(finding for finding in told if finding["subject"] == "state")
    assert (found["level"], str(state) in found["told"]) == ("fail", True)
    assert re.search(r"^FAIL +state ", site.make("doctor").text, re.MULTILINE | re.IGNORECASE)
    assert (state.read_bytes(), state.with_name("dev.json.bak").read_bytes()) == (damaged, before)
    assert site.run("sh", "-c", found["fix"].splitlines()[-1]).code == 0
    site.settle()


@slow
def test_the_registry_has_lost_a_manifest(site: Site) -> None:
    image = site.images()[IMAGE]
    digest = image["digest"].removeprefix("sha256:")
    repository = site.local / f"registry/docker/registry/v2/repositories/carbide/{IMAGE}"
    shutil.rmtree(repository / f"_manifests/revisions/sha256/{digest}")
    for tag in (repository / "_manifests/tags").iterdir():
        if (tag / "current/link").read_text().strip() == image["digest"]:
            shutil.rmtree(tag)
    lost = site.make("verify")
    assert lost.code != 0
    assert IMAGE in lost.text
    found = site.make("refresh")
    assert found.code == 0, found.text
    assert IMAGE in found.text
    site.settle()
    assert site.images()[IMAGE]["digest"] == image["digest"]
