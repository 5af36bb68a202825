"""Each checkout's own passphrase, and what Pulumi recorded under the one that everybody knew.

`published_passphrase/` holds a stack file and a state as Pulumi 3.259.0 wrote them.
"""

import json
import os
import re
import shutil
import stat
import subprocess
from base64 import b64decode
from collections.abc import Sequence
from hashlib import pbkdf2_hmac
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carbide_infra.errors import SetupError
from carbide_infra.paths import project_root
from carbide_infra.stack.passphrase import PUBLISHED
from devenv.passphrase import ensure_passphrase
from devenv.salt import ensure_salt, has_secrets

RECORDED = Path(__file__).parent / "published_passphrase"
NETRC, NOTE = "machine git.invalid login me password of-the-tests", '"of the tests"'
STATE = ".local/state/.pulumi"
PULUMIS_ROUNDS = 1_000_000


def decrypted(text: str, password: str) -> list[str]:
    """All secrets of a text, by the one salt in it; as Pulumi does it, and not by the code that is tested."""
    salt, check = re.findall(r"v1:([^:\s\"]+):(v1:[^:\s\"]+:[^:\s\"]+)", text)[0]
    key = AESGCM(pbkdf2_hmac("sha256", password.encode(), b64decode(salt), PULUMIS_ROUNDS, 32))

    def clear(entry: str) -> str:
        _, nonce, sealed = entry.split(":")
        return key.decrypt(b64decode(nonce), b64decode(sealed), None).decode()

    assert clear(check) == "pulumi"
    return [clear(entry) for entry in re.findall(r"(?<!:)v1:[^:\s\"]+:[^:\s\"]+(?=[\s\"]|$)", text)]


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout as it was before: its state, the one before that, a backup, and a history."""
    monkeypatch.setattr("devenv.encryption.ROUNDS", PULUMIS_ROUNDS)
    shutil.copy(RECORDED / "Pulumi.dev.yaml", tmp_path)
    for place in ("stacks/carbide-infra/dev.json", "stacks/carbide-infra/dev.json.bak", "backups/carbide-infra/dev/1"):
        file = tmp_path / STATE / place
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(RECORDED / "dev.json", file)
    secret = re.findall(r"secure: (\S+)", (RECORDED / "Pulumi.dev.yaml").read_text())[0]
    history = tmp_path / STATE / "history/carbide-infra/dev/1.history.json"
    history.parent.mkdir(parents=True)
    history.write_text(json.dumps({"config": {"carbide-infra:gitcreds": {"value": secret, "secure": True}}}))
    return tmp_path


def everything(root: Path) -> Sequence[Path]:
    return [root / "Pulumi.dev.yaml", *(file for file in (root / STATE).rglob("*") if file.is_file())]


def test_each_checkout_makes_a_passphrase_that_nobody_else_reads(tmp_path: Path) -> None:
    made = {ensure_passphrase(tmp_path / name).read_text() for name in ("a", "b")}
    assert len(made) == 2
    assert all(len(text.strip()) >= 40 for text in made)
    file = ensure_passphrase(tmp_path / "a")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() in made, "it stays"


def test_a_state_of_the_published_passphrase_is_encrypted_anew_and_loses_nothing(old: Path) -> None:
    before = {file: file.read_text() for file in everything(old)}
    new = ensure_passphrase(old).read_text().strip()
    for name, secret in (("stacks/carbide-infra/dev.json", NOTE), ("backups/carbide-infra/dev/1", NOTE)):
        assert decrypted((old / STATE / name).read_text(), new) == [secret]
    assert decrypted((old / "Pulumi.dev.yaml").read_text(), new) == [NETRC]
    for file, text in before.items():
        now = re.sub(r"v1:[A-Za-z0-9+/=:]+", "", file.read_text())
        assert now == re.sub(r"v1:[A-Za-z0-9+/=:]+", "", text), "all else is as it was"


def test_nothing_is_left_that_the_published_passphrase_opens(old: Path) -> None:
    ensure_passphrase(old)
    known = set(re.findall(r"v1:[A-Za-z0-9+/=:]+", (RECORDED / "dev.json").read_text()))
    known |= set(re.findall(r"v1:[A-Za-z0-9+/=:]+", (RECORDED / "Pulumi.dev.yaml").read_text()))
    assert len(known) == 3
    for file in everything(old):
        assert not known & set(re.findall(r"v1:[A-Za-z0-9+/=:]+", file.read_text())), file


def test_other_stacks_and_other_passphrases_stay_as_they_are(old: Path) -> None:
    prod = old / STATE / "stacks/carbide-infra/prod.json"
    shutil.copy(RECORDED / "dev.json", prod)
    own = old / STATE / "stacks/other/dev.json"
    own.parent.mkdir()
    own.write_text('{"salt":"v1:AAAAAAAAAAA=:v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==","é":1}')
    before = prod.read_bytes(), own.read_bytes()
    ensure_passphrase(old)
    assert (prod.read_bytes(), own.read_bytes()) == before


def test_what_was_broken_off_is_gone_on_with(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, done = Path.replace, list[Path]()

    def killed(self: Path, target: Path) -> Path:
        if "dev" in target.name and done:
            raise KeyboardInterrupt
        done.extend([target] * ("dev" in target.name))
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            ensure_passphrase(old)
    new = ensure_passphrase(old).read_text().strip()
    assert decrypted((old / STATE / "stacks/carbide-infra/dev.json").read_text(), new) == [NOTE]
    assert decrypted((old / "Pulumi.dev.yaml").read_text(), new) == [NETRC]


def test_an_update_that_runs_is_waited_for(old: Path) -> None:
    lock = old / STATE / "locks/organization/carbide-infra/dev/1.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"pid": os.getpid(), "hostname": "elsewhere", "username": "me"}))
    with pytest.raises(SetupError, match="another update runs since"):
        ensure_passphrase(old)
    assert (old / STATE / "stacks/carbide-infra/dev.json").read_bytes() == (RECORDED / "dev.json").read_bytes()


def test_the_salt_of_a_deleted_passphrase_goes_unless_secrets_need_it(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    strange = "encryptionsalt: v1:AAAAAAAAAAA=:v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n"
    file.write_text(f"# Mine.\nconfig:\n  a: b\n{strange}")
    ensure_passphrase(tmp_path)
    assert file.read_text() == "# Mine.\nconfig:\n  a: b\n"
    with_secret = f"config:\n  a:\n    secure: v1:AAAAAAAAAAAAAAAA:AAAA\n{strange}"
    file.write_text(with_secret)
    (tmp_path / ".local/passphrase").unlink()
    ensure_passphrase(tmp_path)
    assert has_secrets(file)
    assert file.read_text() == with_secret


def test_git_sees_no_salt_and_all_else(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.invalid", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    file = tmp_path / "Pulumi.dev.yaml"
    for name in (".gitattributes", "Pulumi.dev.yaml"):
        shutil.copy(project_root() / name, tmp_path)
    file.write_text(re.sub("encryptionsalt:.*\n", "", file.read_text()))  # as a clone has it
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "All")
    committed = file.read_text()
    ensure_salt(tmp_path, ensure_passphrase(tmp_path))
    salted = file.read_text()
    assert re.fullmatch(rf"{re.escape(committed)}encryptionsalt: v1:\S+\n", salted)
    assert git("status", "--porcelain") == "?? .local/\n"
    file.write_text(committed)
    ensure_salt(tmp_path, ensure_passphrase(tmp_path))
    assert file.read_text() == salted, "put back after git has put back the file"
    file.write_text(salted.replace("config:\n", "config:\n  carbide-infra:tagLatest: true\n"))
    assert git("status", "--porcelain") == " M Pulumi.dev.yaml\n?? .local/\n"
    git("commit", "--quiet", "--all", "-m", "Mine")
    assert "encryptionsalt" not in git("show", "HEAD:Pulumi.dev.yaml")
    assert "tagLatest" in git("show", "HEAD:Pulumi.dev.yaml")


def test_a_change_of_the_users_own_is_not_staged_for_him(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.invalid", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    shutil.copy(project_root() / ".gitattributes", tmp_path)
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "All")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  a: b\n")
    ensure_salt(tmp_path, ensure_passphrase(tmp_path))
    assert git("diff", "--cached") == ""
    assert "+  a: b" in git("diff")


def test_no_passphrase_is_published() -> None:
    listing = ["git", "ls-files", "-z", "docs", "README.md", "examples", "Makefile", "Pulumi.dev.yaml"]
    files = subprocess.run(listing, cwd=project_root(), capture_output=True, text=True, check=True).stdout.split("\0")
    found = [name for name in filter(None, files) if PUBLISHED in (project_root() / name).read_text("utf-8")]
    assert found == ["docs/troubleshooting.md"], "which tells how to get away from it"
    head = ["git", "show", ":Pulumi.dev.yaml"]
    committed = subprocess.run(head, cwd=project_root(), capture_output=True, text=True, check=True).stdout
    assert "encryptionsalt" not in committed
