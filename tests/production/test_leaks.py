"""A canary for each secret, real updates that succeed and fail, and every place that these leave something."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from carbide_infra.paths import cache_dir
from devenv.build_caches import claimed_folder
from tests.production.site import BASES_USER, NETRC, SECRETS, USER, Ended, Site, Stack
from tests.production.test_private_modules import stack_with
from tests.support.canaries import Search
from tests.support.fake_github import FakeGitHub
from tests.support.git_trees import commit
from tests.support.registry_server import Fault

_PAUSE = 0.02
_LARGEST = "64M"
# In the program's text: so it has to be found where the program goes.
_DECOY = "canary-0-decoy"


class Arguments:
    """The command lines of all processes, looked at again and again."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._ended = threading.Event()

    @contextmanager
    def sampled(self) -> Iterator[None]:
        thread = threading.Thread(target=self._sample)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(_PAUSE):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    self.seen.add((process / "cmdline").read_bytes())
                except OSError:
                    continue


@pytest.fixture(scope="module")
def site(site: Site) -> Site:
    """The proxy has a secret, too."""
    return site.behind_proxy()


def written_since(stamp: Path, *folders: Path) -> list[Path]:
    """The files below folders that are newer than another, but for whole archives of a system."""
    there = [str(folder) for folder in folders if folder.exists()]
    command: list[str | Path] = ["find", *there, "-xdev", "-type", "f", "-newer", stamp, "-size", f"-{_LARGEST}"]
    return [
        Path(name)
        for name in subprocess.run(command, capture_output=True, text=True, check=False).stdout.split("\n")
        if name
    ]


def configured(site: Site, folder: Path) -> Stack:
    """A stack that has every secret, encrypted in its file or in the environment."""
    cache = f"type=registry,ref={site.nvcr.server}/acme/leaks/cache"
    stack, _ = stack_with(site, "leaks", ".git", folder, cacheTo=[f"{cache},mode=max"], cacheFrom=[cache])
    stack = stack.given(CARBIDE_REGISTRY_PASSWORD=None, TMPDIR=str(folder / "temporary"))
    (folder / "temporary").mkdir()
    main = site.folder / "leaks/tree/main.go"
    main.write_text(main.read_text().replace("println(", f"println(`{_DECOY}`, "))
    commit(main.parent)
    stack.configure("registryPassword", SECRETS["NGC key"])
    stack.configure("gitcreds", NETRC)
    login = {"username": BASES_USER, "password": SECRETS["password of another registry"]}
    stack.configure("registryLogins", json.dumps({site.bases.address: login}))
    return stack


def commented(stack: Stack, report: Path) -> tuple[Ended, FakeGitHub]:
    """The report as a comment, by the command of the workflow."""
    github = FakeGitHub()
    github.token = SECRETS["GitHub token"]
    try:
        given = stack.given(GITHUB_API_URL=github.url, GITHUB_REPOSITORY="org/repo")
        arguments = ("comment", "--file", str(report), "--pull-request", "7")
        return Ended(given.checkout.carbide(*arguments, check=False)), github
    finally:
        github.close()


def look_at_the_disk(search: Search, site: Site, own: Path, stamp: Path) -> Path:
    """Search all that lies in folders of ours; gives the builder's."""
    root, builder = site.checkout.root, claimed_folder(site.checkout.root)
    assert builder
    # Beside the local registry's login it holds the user's own, for his eyes only.
    logins = root / ".local/docker-login/config.json"
    assert logins.stat().st_mode & 0o077 == 0
    for part in sorted((root / ".local").iterdir()):
        if part.is_dir() and part.name != "registry":
            search.look_in(part, logins)
        elif part.is_file():
            search.look(f".local/{part.name}", part.read_bytes())
    search.look("the stack's file", (root / "Pulumi.leaks.yaml").read_bytes())
    search.look_in(site.nvcr.registry.data)
    search.look_in(site.folder)
    search.look_in(own / "temporary")
    # Other checkouts' builders have their folders beside this one.
    kept = [folder for folder in cache_dir().iterdir() if folder.name != "buildkit"]
    for file in written_since(stamp, builder, Path(site.checkout.environment["GOMODCACHE"]), *kept):
        if file.exists():
            search.look(f"cache {file}", file.read_bytes())
    return builder


def test_no_secret_is_anywhere_in_clear_of_real_updates(
    site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    search, stamp, arguments = Search({**SECRETS, "decoy": _DECOY}), tmp_path / "stamp", Arguments()
    stamp.touch()
    time.sleep(0.05)
    with arguments.sampled():
        stack = configured(site, tmp_path)
        main = site.folder / "leaks/tree/main.go"
        ended = {
            "a preview": stack.make("preview").well(),
            "the report as a comment": stack.make("-s", "report", "FORMAT=markdown").well(),
            "the report as a page": stack.make("-s", "report", "FORMAT=html").well(),
            "the report as JSON": stack.make("-s", "report", "FORMAT=json").well(),
            "an update": stack.up().well(),
            "verify": stack.make("verify").well(),
            "doctor": stack.make("doctor"),
            "images": stack.make("-s", "images").well(),
            "what a shell is given": stack.make("-s", "env").well(),
        }
        report = tmp_path / "report.md"
        report.write_text(ended["the report as a comment"].done.stdout)
        ended["the comment"], github = commented(stack, report)
        ended["the comment"].well()
        good, source = stack.state(), main.read_text()
        main.write_text(source + "\nfunc broken() { return undefinedThing }\n")
        commit(main.parent)
        ended["a build that fails"] = stack.up()
        main.write_text(source.replace("println(", "println(`other`, "))
        commit(main.parent)
        site.nvcr.tokens.accounts[USER].is_blocked = True
        ended["a login that is refused"] = stack.up()
        site.nvcr.tokens.accounts[USER].is_blocked = False
        site.nvcr.faults = {"PUT .*/manifests/": Fault(403, 1000)}
        ended["a push that is refused"] = stack.up()
        site.nvcr.forget()
        ended["refresh"] = stack.make("refresh").well()
        ended["the update after that"] = stack.up().well()
    failed = {"a build that fails", "a login that is refused", "a push that is refused"}
    assert {name for name in ended if name != "doctor" and ended[name].code} == failed
    assert "undefinedThing" in ended["a build that fails"].said, "it was built"
    for name, each in ended.items():
        search.look(f"{name}: stdout", each.done.stdout)
        search.look(f"{name}: stderr", each.done.stderr)
    for number, line in enumerate(sorted(arguments.seen)):
        search.look(f"arguments of process {number}: {line[:60]!r}", line.replace(b"\0", b" "))
    for number, body in enumerate(github.bodies):
        search.look(f"comment {number}", body)
    builder = look_at_the_disk(search, site, tmp_path, stamp)
    assert _leaked(search, "contexts/", "/blobs/", f"cache {builder}/") == []
    _require_that_they_were_there(site, stack, good, arguments)
    # Of the builder's cache, what this run has written: half as much where the compiler's is warm.
    assert search.places > 500
    with capfd.disabled():
        found = f"leaks: {len(SECRETS)} canaries x {search.places} places, 0 found"
        print(f"\nof real updates: {found}")  # noqa: T201 - a figure of the run


def _leaked(search: Search, *seen: str) -> list[str]:
    """What was found beside the decoy; that is in these places, or the search is blind there."""
    decoys = [found for found in search.found if found.startswith("decoy in ")]
    assert [place for place in seen if not any(place in found for found in decoys)] == []
    return [found for found in search.found if found not in decoys]


def _require_that_they_were_there(site: Site, stack: Stack, good: object, arguments: Arguments) -> None:
    """Else nothing would be found because nothing was there."""
    assert '"ciphertext"' in json.dumps(good)
    shown = stack.checkout.new_shell('pulumi stack export --stack "$STACK" --show-secrets').stdout
    decrypted = Search(SECRETS)
    decrypted.look("the decrypted state", shown)
    wanted = ("NGC key", "password of another registry", "netrc password", "proxy password")
    assert decrypted.found == [f"{name} in the decrypted state" for name in wanted]
    assert site.nvcr.registry.digests("acme/leaks/cache"), "the cache was exported"
    assert site.proxy.asked
    names = {re.sub(rb".*/", b"", line.split(b"\0")[0]) for line in arguments.seen}
    assert {b"pulumi", b"pulumi-resource-docker-build", b"buildkitd", b"git"} <= names
