"""Why a build could not get a private module: which module, which host, and which of the usual causes it is."""

import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import certifi

from carbide_infra.source.go_command import ModuleAccess, with_agent

_MODULE = re.compile(r"(?:^|[\s(])(?P<module>(?P<path>[\w.-]+\.[a-z0-9]+(?:/[\w.~-]+)+)(?:@v[\w.+-]+:?|:))\s")
# Where the error itself names the importing file only.
_DOWNLOADED = re.compile(r"go: downloading (?P<path>\S+) (?P<version>v\S+)")
_URL = re.compile(r"(?:https://|ssh://(?:[\w-]+@)?|(?<![\w.])git@)(?P<host>[\w.-]+)[:/]?(?P<path>[\w./~-]*)")
_PROMPT = re.compile(
    r"no secure protocol found for repository|could not read (Username|Password)|terminal prompts disab"
)
_PUBLIC_HOST = r"(sum|proxy)\.golang\.org"
_PUBLIC = re.compile(rf"{_PUBLIC_HOST}\S* (404|410)")
_SECONDS = 20

_REFUSES = "{host} refuses the login that gitcreds has for it; give it one that may read this repository"
# In this order: the first that the words show is the cause.
_CAUSES: Sequence[tuple[str, str]] = (
    (
        r"Host key verification failed|No \S+ host key is known|key is not known by",
        "{host} has a host key that sshKnownHosts does not name; add the lines that its owner publishes",
    ),
    (
        r"Permission denied \(publickey|Could not open a connection to your authentication agent",
        "the ssh agent has no key that {host} takes; `ssh-add -l` lists those that it has",
    ),
    (
        r"x509|certificate signed by unknown|SSL certificate problem|certificate verif",
        "the certificate of {host} is of a CA that builds do not trust; let extraCaFile name its PEM file",
    ),
    (
        r"Authentication failed|HTTP Basic: Access denied|\b40[13]\b|invalid credentials",
        _REFUSES,
    ),
    (
        r"no such host|Could not resolve host|connection refused|Failed to connect|Connection timed out|i/o timeout",
        "{host} cannot be reached over https; check its name and the network, or use ssh: sshAgent, sshKnownHosts",
    ),
    (
        r"[Rr]epository .*not found|does not exist",
        "{host} has no such repository, or none that the login in gitcreds may see",
    ),
)


@dataclass(frozen=True)
class _Wanted:
    """A module that could not be had: the host that it is named after or fetched from, and who was asked for it."""

    module: str
    host: str
    path: str
    asked: str


def cause_of(
    output: Sequence[str], gitcreds: str, *, ssh: bool, ask: Callable[[str, str], str] | None = None
) -> str | None:
    """A sentence with module, host and cause; None where the output is not about a module that could not be had.

    Args:
        output: what the failed step printed.
        gitcreds: the stack's .netrc; empty where there is none.
        ssh: whether the stack forwards an agent.
        ask: asks for a repository by host and path with the stack's own login; gives git's words.
    """
    text = "\n".join(output)
    wanted = _wanted(text)
    if wanted is None:
        return None
    cause = _cause(text, wanted, gitcreds, ssh=ssh, ask=ask or (lambda *_: ""))
    return f"{wanted.module}: {cause}" if cause else None


def _cause(text: str, wanted: _Wanted, gitcreds: str, *, ssh: bool, ask: Callable[[str, str], str]) -> str | None:
    no_login = None if ssh else _no_login(gitcreds, wanted.host)
    if known := _known(text, wanted.asked):
        # Of a host that was told no login, the same answer asks for one.
        return (no_login or known) if known == _REFUSES.format(host=wanted.asked) else known
    if _PUBLIC.search(text):
        return (
            f"the public module proxy or checksum database does not know it; where {wanted.host} is private, "
            f"set goPrivate to {'/'.join(wanted.module.split('/')[:2])}/*"
        )
    if not _PROMPT.search(text):
        return None
    # Go tells neither git's words nor the cause.
    return no_login or _of_git(ask(wanted.host, wanted.path), wanted.host, ssh=ssh)


def _of_git(words: str, host: str, *, ssh: bool) -> str:
    if known := _known(words, host):
        return known
    if _PROMPT.search(words) and not ssh:
        # git asks for another login where the one that it has is refused.
        return _REFUSES.format(host=host)
    return f"{host} takes no login of gitcreds for it, or speaks ssh only (sshAgent, sshKnownHosts)"


def _no_login(gitcreds: str, host: str) -> str | None:
    if not gitcreds:
        return f"{host} wants a login, and gitcreds is not set; pulumi config set --secret gitcreds < ~/.netrc"
    return None if _has_login(gitcreds, host) else f"{host} wants a login, and gitcreds has no entry `machine {host}`"


def _known(text: str, host: str) -> str | None:
    return next((cause.format(host=host) for words, cause in _CAUSES if re.search(words, text)), None)


def _wanted(text: str) -> _Wanted | None:
    found = _MODULE.search(text)
    if found:
        module = found["module"].removesuffix(":")
    elif _PROMPT.search(text) and (found := next(reversed(list(_DOWNLOADED.finditer(text))), None)):
        module = f"{found['path']}@{found['version']}"
    else:
        return None
    url = _URL.search(text)
    host, _, path = found["path"].partition("/")
    if url and not re.fullmatch(rf"{_PUBLIC_HOST}|golang\.org", url["host"]):
        host = url["host"]
    return _Wanted(module, host, path, asked=url["host"] if url else host)


def _has_login(netrc: str, host: str) -> bool:
    words = netrc.split()
    return "default" in words or ("machine", host) in pairwise(words)


def git_says(access: ModuleAccess, environment: Mapping[str, str]) -> Callable[[str, str], str]:
    """Asks for a repository as the build would, with this access alone, from this machine."""

    def ask(host: str, path: str) -> str:
        with tempfile.TemporaryDirectory() as home:
            netrc = Path(home) / ".netrc"
            netrc.touch(mode=0o600)
            netrc.write_text(access.netrc, encoding="utf-8")
            alone = {"HOME": home, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
            trusted = Path(home) / "ca.pem"
            # As a builder image does: the public CAs, and those that it is given.
            trusted.write_text(
                Path(certifi.where()).read_text(encoding="utf-8") + access.certificates, encoding="utf-8"
            )
            alone |= {"GIT_SSL_CAINFO": str(trusted), **access.environment}
            if access.known_hosts:
                alone |= with_agent(access, Path(home))
            command = ["git", "-c", "credential.helper=", "ls-remote", "-q", f"https://{host}/{path}", "HEAD"]
            kept = {
                name: value for name, value in environment.items() if not name.startswith(("GIT_CONFIG", "GIT_ASK"))
            }
            try:
                done = subprocess.run(
                    command, env=kept | alone, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                    check=False, timeout=_SECONDS, errors="replace",
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                return "Connection timed out"
            except OSError:
                return ""
            return done.stderr

    return ask
