"""Why a module could not be had: Go's and git's words in, one sentence with module, host and cause out."""

from collections.abc import Callable

import pytest

from carbide_infra.source.go_command import ModuleAccess
from carbide_infra.source.private_modules import cause_of, git_says

MODULE = "github.com/corp/private@v1.2.3"
LOGIN = "machine github.com login me password hunter2"
FETCH = (
    'go: git.corp.test/team/mod@v1.0.0: unrecognized import path "git.corp.test/team/mod": https fetch: '
    'Get "https://git.corp.test/team/mod?go-get=1": '
)
PUBLIC = "https://{}.golang.org"
PING = (f"go: {MODULE}: no secure protocol found for repository",)
PROMPT = (
    f"main.go:5:2: {MODULE}: invalid version: git ls-remote -q https://github.com/corp/private: exit status 128:",
    "\tfatal: could not read Username for 'https://github.com': terminal prompts disabled",
)


def git(words: str) -> Callable[[str, str], str]:
    def ask(host: str, path: str) -> str:
        assert (host, path) == ("github.com", "corp/private")
        return words

    return ask


@pytest.mark.parametrize("output", [PING, PROMPT])
def test_no_credentials_and_none_for_this_host_are_two_sentences(output: tuple[str, ...]) -> None:
    assert cause_of(output, "", ssh=False) == (
        f"{MODULE}: github.com wants a login, and gitcreds is not set; pulumi config set --secret gitcreds < ~/.netrc"
    )
    other = "machine gitlab.com login a password github.com"
    assert cause_of(output, other, ssh=False) == (
        f"{MODULE}: github.com wants a login, and gitcreds has no entry `machine github.com`"
    )


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("remote: Invalid\nfatal: Authentication failed for 'https://github.com/corp/private/'", "refuses the login"),
        ("fatal: SSL certificate problem: self-signed certificate", "let extraCaFile name its PEM file"),
        ("fatal: unable to access: Could not resolve host: github.com", "cannot be reached over https"),
        ("fatal: repository 'https://github.com/corp/private/' not found", "has no such repository"),
        ("fatal: could not read Username for 'https://github.com': terminal prompts disabled", "refuses the login"),
        ("", "takes no login of gitcreds for it, or speaks ssh only"),
    ],
)
def test_what_go_hides_git_is_asked_for(words: str, cause: str) -> None:
    told = cause_of(PING, LOGIN, ssh=False, ask=git(words))
    assert told is not None
    assert told.startswith(f"{MODULE}: ")
    assert cause in told
    assert "github.com" in told
    assert "hunter2" not in told
    assert cause_of(PING, "default login a password b", ssh=False, ask=git(words)) == told


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            f"{FETCH}tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "git.corp.test/team/mod@v1.0.0: the certificate of git.corp.test is of a CA that builds do not trust",
        ),
        (
            f"{FETCH}dial tcp: lookup git.corp.test: no such host",
            "git.corp.test/team/mod@v1.0.0: git.corp.test cannot be reached over https",
        ),
        (
            f"go: {MODULE}: reading {PUBLIC.format('proxy')}/github.com/corp/private/@v/v1.2.3.mod: 404 Not Found",
            "set goPrivate to github.com/corp/*",
        ),
        (
            f"go: {MODULE}: verifying module: reading {PUBLIC.format('sum')}/lookup/x@v1: 410 Gone",
            "set goPrivate to github.com/corp/*",
        ),
        (
            f'x.go:14:2: {MODULE}: Get "{PUBLIC.format("proxy")}/x.zip": tls: x509: unknown',
            f"the certificate of {PUBLIC.format('proxy').removeprefix('https://')} is of a CA that builds do not trust",
        ),
        (f"go: {MODULE}: git fetch: git@github.com: Permission denied (publickey).", "the ssh agent has no key that"),
        (f"go: {MODULE}: git fetch: Host key verification failed.", "host key that sshKnownHosts does not name"),
    ],
)
def test_what_go_says_is_recognised(line: str, cause: str) -> None:
    told = cause_of([line + " "], "", ssh=False)
    assert told is not None
    assert cause in told


PAGE = f"{FETCH.partition(': https fetch')[0]}: reading https://git.corp.test/team/mod?go-get=1: 401 Unauthorized"


@pytest.mark.parametrize(
    ("gitcreds", "cause"),
    [
        ("", "wants a login, and gitcreds is not set"),
        (LOGIN, "wants a login, and gitcreds has no entry `machine git.corp.test`"),
        ("machine git.corp.test login me password old", "refuses the login that gitcreds has for it"),
    ],
)
def test_a_host_that_was_told_no_login_refuses_none(gitcreds: str, cause: str) -> None:
    told = cause_of([PAGE], gitcreds, ssh=False)
    assert told is not None
    assert told.startswith(f"git.corp.test/team/mod@v1.0.0: git.corp.test {cause}")


def test_a_host_may_have_no_name() -> None:
    told = cause_of(["go: 10.0.0.1/a.git@v1.0.0: git fetch: Host key verification failed."], "", ssh=True)
    assert told is not None
    assert told.startswith("10.0.0.1/a.git@v1.0.0: 10.0.0.1 has a host key")


def test_what_a_preview_could_not_have_has_no_version() -> None:
    reason = "Go's modules are not all at hand (github.com/corp/private: no secure protocol found for repository), so"
    told = cause_of([reason], "", ssh=False)
    assert told is not None
    assert told.startswith("github.com/corp/private: github.com wants a login, and gitcreds is not set")


def test_a_build_names_the_module_only_as_it_begins_to_fetch_it() -> None:
    said = ("go: downloading github.com/corp/private v1.2.3", "main.go:3:8: no secure protocol found for repository")
    told = cause_of(said, LOGIN, ssh=False, ask=git("fatal: SSL certificate problem: self-signed certificate"))
    assert told is not None
    assert told.startswith(f"{MODULE}: the certificate of github.com is of a CA that builds do not trust")


@pytest.mark.parametrize("output", [(), ("main.go:87:24: undefined: x",), (f"go: downloading {MODULE} ",)])
def test_of_other_failures_nothing_is_said(output: tuple[str, ...]) -> None:
    assert cause_of(output, "", ssh=False) is None


def test_git_is_asked_with_the_stack_s_login_alone() -> None:
    said = git_says(ModuleAccess(netrc=LOGIN), {"PATH": "/usr/bin:/bin", "https_proxy": "http://127.0.0.1:1"})(
        "github.invalid", "a/b"
    )
    assert "github.invalid" in said
    assert git_says(ModuleAccess(netrc=LOGIN), {"PATH": "/nonexistent"})("github.invalid", "a/b") == ""
