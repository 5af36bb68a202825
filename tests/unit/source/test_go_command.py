"""How Go is asked: which release, with whose settings, and what it must not meet."""

import os
import shlex
import stat
from pathlib import Path

import pytest

from carbide_infra.source import go_command as go_command_module
from carbide_infra.source.go_command import (
    GoCommand,
    GoError,
    GoUnavailableError,
    ModuleAccess,
    go_command,
    last_line,
    line_of,
)

OWN = "go1.26.8"


class FakeGo:
    """A go command that notes what it is asked, of release 1.26.8, with 1.25.3 and 1.25.14 to be had.

    Args:
        folder: for the program and its notes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        self.modules = folder / "modules"
        program = folder / "bin/go"
        program.write_text(
            f"""#!/bin/sh
env > {folder}/environment
echo "$GOTOOLCHAIN $GOPROXY: $*" >> {folder}/asked
if [ -n "$NETRC" ]; then cat "$NETRC" > {folder}/netrc; cat "$HOME/.netrc" > {folder}/home-netrc; fi
case "$*" in
    "env GOVERSION") if [ "$GOTOOLCHAIN" = local ]; then echo {OWN}; else echo "$GOTOOLCHAIN"; fi ;;
    "env GOMODCACHE") echo {self.modules} ;;
    "env GOCACHE GOPATH GOMODCACHE") printf '/c\\n/p\\n/m\\n' ;;
    "list -m -versions go") echo go 1.24.1 1.25rc1 1.25.3 1.25.14 1.25.9 1.26.0 ;;
    *) echo broken >&2; exit 3 ;;
esac
"""
        )
        program.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()

    def environment(self) -> dict[str, str]:
        lines = (self.folder / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    fake = FakeGo(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return fake


@pytest.mark.parametrize(
    ("version", "toolchain"),
    [(None, "local"), ("1.26", "local"), ("1.26.2", "local"), ("1.25.9", "go1.25.9"), ("1.25", "go1.25.14")],
)
def test_the_stack_s_own_release_is_asked(fake: FakeGo, tmp_path: Path, version: str | None, toolchain: str) -> None:
    with go_command(version, ModuleAccess(), tmp_path) as go:
        assert go.toolchain == toolchain
    assert fake.asked[0] == "local off: env GOVERSION"


def test_a_release_that_is_there_needs_no_list(fake: FakeGo, tmp_path: Path) -> None:
    for release in ("1.25.3", "1.25.4", "1.25rc2", "1.24.99"):
        (fake.modules / f"golang.org/toolchain@v0.0.1-go{release}.linux-amd64").mkdir(parents=True)
    with go_command("1.25", ModuleAccess(), tmp_path) as go:
        assert go.toolchain == "go1.25.4"
    assert not [line for line in fake.asked if "list" in line]


def test_a_line_without_a_release(fake: FakeGo, tmp_path: Path) -> None:
    with (
        pytest.raises(GoUnavailableError, match=r"^Go 1\.99 cannot be had here \(there is no release of Go 1\.99\)$"),
        go_command("1.99", ModuleAccess(), tmp_path),
    ):
        pass
    assert "local : list -m -versions go" in fake.asked  # with the proxy that holds here


def test_without_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(GoUnavailableError, match=r"^the go command is not on PATH$"),
        go_command(None, ModuleAccess(), tmp_path),
    ):
        pass


def test_nothing_of_the_user_or_the_tree_changes_an_answer(
    fake: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOFLAGS", "GOROOT", "GOENV", "GOEXPERIMENT", "GOOS", "CGO_ENABLED", "GOWORK", "GIT_DIR", "TMPDIR"):
        monkeypatch.setenv(name, "of the user")
    with go_command(None, ModuleAccess({"GOPRIVATE": "ex.com"}), tmp_path) as go:
        temporary = go.environment["TMPDIR"]
    told = fake.environment()
    assert not [name for name, value in told.items() if value == "of the user"]
    assert (told["GOENV"], told["CGO_ENABLED"], told["GOPRIVATE"], told["GOPROXY"]) == ("off", "0", "ex.com", "off")
    assert told["TMPDIR"] == temporary
    assert not Path(temporary).exists()


@pytest.mark.parametrize("is_there", [False, True])
def test_a_home_that_go_never_saw_stays_as_it_is(
    fake: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_there: bool
) -> None:
    home = tmp_path / "home"
    (home / "go/pkg/mod" if is_there else home).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    for name in ("GOPATH", "GOMODCACHE"):
        monkeypatch.delenv(name, raising=False)
    with go_command(None, ModuleAccess(), tmp_path / "cache"):
        told = fake.environment()
    assert told.get("GOPATH") == (None if is_there else str(tmp_path / "cache/go"))
    assert told["GOFLAGS"] == ("" if is_there else "-modcacherw")


def test_a_home_that_does_not_exist_is_not_made(fake: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    for name in ("GOCACHE", "GOPATH", "GOMODCACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with go_command(None, ModuleAccess(), tmp_path / "cache"):
        told = fake.environment()
    assert "HOME" not in told
    assert told["GOCACHE"] == str(tmp_path / "cache/go-build")


def test_credentials_are_for_go_and_git_alone_and_gone_afterwards(fake: FakeGo, tmp_path: Path) -> None:
    access = ModuleAccess(netrc="machine ex.com login me password hunter2")
    assert "hunter2" not in repr(access)
    with go_command(None, access, tmp_path) as go:
        home = Path(go.environment["HOME"])
        assert stat.S_IMODE((home / ".netrc").stat().st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert not home.exists()
    assert (fake.folder / "netrc").read_text() == (fake.folder / "home-netrc").read_text() == f"{access.netrc}\n"
    told = fake.environment()
    assert (told["GOCACHE"], told["GOPATH"], told["GOMODCACHE"]) == ("/c", "/p", "/m")
    assert "hunter2" not in str(told)


def test_what_a_build_gets_as_secrets_serves_go() -> None:
    access = ModuleAccess.of_secrets(
        {"goenv": "GOPROXY='https://a b'\nGOPRIVATE=ex.com\n", "gitcreds": "machine x", "extra_ca": "PEM"}
    )
    assert access == ModuleAccess({"GOPROXY": "https://a b", "GOPRIVATE": "ex.com"}, "machine x", "PEM")


def test_without_secrets_modules_are_fetched_as_the_machine_does() -> None:
    assert ModuleAccess.of_secrets({}) == ModuleAccess({}, "", "")


def test_what_go_says_is_handed_on(fake: FakeGo, tmp_path: Path) -> None:
    with go_command(None, ModuleAccess(), tmp_path) as go, pytest.raises(GoError, match=r"^broken$"):
        go.run(tmp_path, "nonsense")
    (fake.folder / "bin/go").unlink()
    with pytest.raises(GoUnavailableError, match=r"^`go env` did not run: No such file or directory$"):
        go.run(tmp_path, "env")


def test_modules_by_ssh_have_the_agent_and_none_of_the_users_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    access = ModuleAccess.of_secrets({"known_hosts": "h ssh-ed25519 AAAA\n", "gitconfig": "[url]\n"})
    with go_command(None, access, tmp_path) as go:
        ssh = shlex.split(go.environment["GIT_SSH_COMMAND"])
        assert Path(go.environment["GIT_CONFIG_GLOBAL"]).read_text() == "[url]\n"
        known = next(option for option in ssh if option.startswith("-oUserKnownHostsFile="))
        assert Path(known.partition("=")[2]).read_text() == "h ssh-ed25519 AAAA\n"
    assert {"-oIdentityFile=none", "-oStrictHostKeyChecking=yes", "-oBatchMode=yes"} <= set(ssh)
    assert go.environment["SSH_AUTH_SOCK"] == "/run/agent"
    with go_command(None, ModuleAccess(), tmp_path) as go:
        assert not {"GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL", "SSH_AUTH_SOCK"} & go.environment.keys()


def test_certificates_are_trusted_beside_the_machine_s(
    fake: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = tmp_path / "machine.pem"
    machine.write_text("MACHINE")
    monkeypatch.setenv("SSL_CERT_FILE", str(machine))
    with go_command(None, ModuleAccess(certificates="OURS\n"), tmp_path):
        told = fake.environment()
        assert told["SSL_CERT_FILE"] == told["GIT_SSL_CAINFO"]
        assert Path(told["SSL_CERT_FILE"]).read_text() == "MACHINE\nOURS\n"


def test_a_temporary_folder_that_does_not_exist(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile  # noqa: PLC0415 - it remembers its folder

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    with go_command(None, ModuleAccess(), cache) as go:
        assert os.path.isdir(go.environment["TMPDIR"])  # noqa: PTH112


# ---- One run of it.


@pytest.fixture
def shell() -> GoCommand:
    """A shell in the place of Go, so that each test says what it does."""
    return GoCommand("/bin/sh", "go1.25.4", {"PATH": "/usr/bin:/bin", "A": "own", "B": "own"})


def test_a_run_gets_folder_text_and_variables_and_no_network(shell: GoCommand, tmp_path: Path) -> None:
    script = 'cat; echo "$A $B $GOTOOLCHAIN $GOPROXY"; pwd'
    told = shell.run(tmp_path, "-c", script, variables={"B": "given"}, given="é\n")
    assert told == f"é\nown given go1.25.4 off\n{tmp_path}\n"
    assert shell.run(tmp_path, "-c", 'cat; echo "$GOPROXY"', network=True) == "\n"


def test_a_name_that_is_no_text_comes_through(shell: GoCommand, tmp_path: Path) -> None:
    assert os.fsencode(shell.run(tmp_path, "-c", "printf '\\377'")) == b"\xff"


def test_a_failure_is_told_whatever_is_in_it(shell: GoCommand, tmp_path: Path) -> None:
    with pytest.raises(GoError, match=r"^a\ufffdb$"):
        shell.run(tmp_path, "-c", "printf ' a\\377b\\n' >&2; exit 1")
    with pytest.raises(GoError, match=r"^go -c: exit 3$"):
        shell.run(tmp_path, "-c", "exit 3")


@pytest.mark.parametrize(("network", "limit"), [(False, "_LOCAL_SECONDS"), (True, "_NETWORK_SECONDS")])
def test_what_does_not_end_is_ended(
    shell: GoCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, network: bool, limit: str
) -> None:
    monkeypatch.setattr(go_command_module, limit, 0.1)
    with pytest.raises(GoUnavailableError, match=r"^`go -c` did not end within 0\.1 s$"):
        shell.run(tmp_path, "-c", "exec sleep 60", network=network)


# ---- What it is told.


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "XDG_CACHE_HOME", "GOCACHE", "GOPATH", "GOMODCACHE", "LD_LIBRARY_PATH"]
)
def test_where_go_and_git_keep_things_is_passed_on(
    fake: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    value = f"{tmp_path}/bin:/usr/bin:/bin" if name == "PATH" else str(tmp_path)
    monkeypatch.setenv("GOMODCACHE", str(tmp_path))  # else the cache is ours
    monkeypatch.setenv(name, value)
    with go_command(None, ModuleAccess(), tmp_path / "cache"):
        assert fake.environment()[name] == value


def test_what_holds_for_every_tree(fake: FakeGo, tmp_path: Path) -> None:
    with go_command(None, ModuleAccess(), tmp_path):
        told = fake.environment()
    fixed = {
        "GO111MODULE": "on",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C.UTF-8",
        "XDG_CONFIG_HOME": "/dev/null",
    }
    assert {name: told.get(name) for name in fixed} == fixed


@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME", "GOCACHE"])
def test_who_has_a_cache_for_builds_keeps_it(tmp_path: Path, name: str) -> None:
    assert "GOCACHE" not in go_command_module._own_caches({name: str(tmp_path)}, Path("/ours"))


@pytest.mark.parametrize("name", ["HOME", "GOPATH", "GOMODCACHE"])
def test_who_has_a_cache_for_modules_keeps_it_as_go_makes_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "go/pkg/mod").mkdir(parents=True)
    (tmp_path / "pkg/mod").mkdir(parents=True)
    caches = go_command_module._own_caches({name: str(tmp_path)}, Path("/ours"))
    assert (caches.get("GOPATH"), caches["GOFLAGS"]) == (None, "")


def test_who_has_no_cache_gets_ours() -> None:
    assert go_command_module._own_caches({}, Path("/ours")) == {
        "GOCACHE": "/ours/go-build",
        "GOPATH": "/ours/go",
        "GOFLAGS": "-modcacherw",
    }


def test_credentials_that_end_their_line_get_no_second_end(fake: FakeGo, tmp_path: Path) -> None:
    with go_command(None, ModuleAccess(netrc="machine a\n"), tmp_path):
        pass
    assert (fake.folder / "netrc").read_text() == "machine a\n"


def test_credentials_that_cannot_be_handed_on_are_told(fake: FakeGo, tmp_path: Path) -> None:
    program = fake.folder / "bin/go"
    program.write_text("#!/bin/sh\nexit 1\n")
    with (
        pytest.raises(GoUnavailableError, match=r"^`go env` failed: "),
        go_command(None, ModuleAccess(netrc="machine a"), tmp_path),
    ):
        pass


def test_go_s_own_folders_are_asked_for_as_everything_else(fake: FakeGo, tmp_path: Path) -> None:
    (fake.folder / "bin/go").write_text('#!/bin/sh\nprintf \'/c%s\\n/p\\n%s\\n\' "$GOENV" "$PWD"\n')
    private = tmp_path / "private"
    private.mkdir()
    access = ModuleAccess(netrc="machine a")
    told = go_command_module._environment(str(fake.folder / "bin/go"), access, tmp_path, private)
    assert (told["GOCACHE"], told["GOPATH"], told["GOMODCACHE"]) == ("/coff", "/p", str(private))


def test_a_command_that_does_not_tell_its_folders_is_ended(
    fake: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(go_command_module, "_LOCAL_SECONDS", 0.1)
    (fake.folder / "bin/go").write_text("#!/bin/sh\nexec sleep 60\n")
    with (
        pytest.raises(GoUnavailableError, match=r"^`go env` failed: .* timed out"),
        go_command(None, ModuleAccess(netrc="machine a"), tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    "place", ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"]
)
def test_the_machine_s_certificates_are_where_distributions_keep_them(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setattr(Path, "is_file", lambda path: str(path) == place)
    monkeypatch.setattr(Path, "read_text", lambda path, **_: f"of {path}")
    assert go_command_module._trusted() == f"of {place}\n"


def test_certificates_where_the_machine_s_are_nowhere(
    fake: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    with go_command(None, ModuleAccess(certificates="OURS\n"), tmp_path):
        assert Path(fake.environment()["SSL_CERT_FILE"]).read_text() == "OURS\n"


def test_a_machine_s_certificates_may_be_commented_in_any_encoding(
    fake: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "machine.pem").write_bytes(b"# \xe9\nMACHINE")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "machine.pem"))
    with go_command(None, ModuleAccess(certificates="OURS\n"), tmp_path):
        assert Path(fake.environment()["SSL_CERT_FILE"]).read_text() == "# \ufffd\nMACHINE\nOURS\n"


# ---- Releases.


@pytest.mark.parametrize(
    ("version", "line"), [("1.25.4", "1.25"), ("1.25", "1.25"), ("1.26rc1", "1.26"), ("devel", "devel")]
)
def test_the_line_of_a_release(version: str, line: str) -> None:
    assert line_of(version) == line


def test_the_last_words_of_a_command() -> None:
    assert last_line(GoError("first\nlast\n")) == "last"
    assert last_line(GoError("")) == "no message"


def test_a_command_that_does_not_know_its_release_is_none(fake: FakeGo, tmp_path: Path) -> None:
    (fake.folder / "bin/go").write_text("#!/bin/sh\necho first >&2\necho broken >&2\nexit 1\n")
    for version, told in ((None, "Go cannot"), ("1.25", r"Go 1\.25 cannot")):
        with (
            pytest.raises(GoUnavailableError, match=rf"^{told} be had here \(broken\)$"),
            go_command(version, ModuleAccess(), tmp_path),
        ):
            pass


def test_a_release_is_looked_for_where_no_go_mod_has_a_say(fake: FakeGo, tmp_path: Path) -> None:
    program = fake.folder / "bin/go"
    program.write_text(program.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\npwd >> {tmp_path}/places\n"))
    with go_command("1.25", ModuleAccess(), tmp_path) as go:
        places = (tmp_path / "places").read_text().split()
        assert set(places) == {go.environment["TMPDIR"]}
        assert len(places) == 4


def test_a_release_is_fetched_before_it_is_asked(fake: FakeGo, tmp_path: Path) -> None:
    with go_command("1.25.9", ModuleAccess(), tmp_path):
        assert fake.asked == ["local off: env GOVERSION", "go1.25.9 : env GOVERSION"]
