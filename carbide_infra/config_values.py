"""Grammars of single values in a stack's configuration: what names a registry, a cache, a version, a login."""

import csv
import re
from typing import Annotated

from pydantic import StringConstraints

from carbide_infra.catalogue.values import Grammar, port_problem, reference_problem
from carbide_infra.names import RELEASE_MARK
from carbide_infra.registry.reference import Reference, is_repository, is_server

LOCAL = "local"
"""Value of `registryServer` that stands for the registry that `make local-up` runs."""

VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,99}")
"""What may be a version: it goes into tags, labels and a linker flag."""

Text = Annotated[str, StringConstraints(strip_whitespace=True)]

_LED_BY_V = re.compile(r"[vV](\d.*)")
_REVISION = re.compile(r"(.*[-+])?[0-9a-f]{40}")
# What a day or a time looks like is no hash that anybody would take it for.
_OWN_TAG = re.compile(r".*[-+](?!\d{12}$)[0-9a-f]{12}")
_HOST_NAME = r"(?:[A-Za-z0-9.-]+|\[[A-Za-z0-9.:-]+\]:\d{1,5})"
_KNOWN_HOST = re.compile(
    rf"{_HOST_NAME}(?:,{_HOST_NAME})*\s+(?:ssh|ecdsa|sk)-[\w@.-]+\s+[A-Za-z0-9+/=]{{16,}}(?:\s.*)?"
)
_OF_ALL = "library/"
_CACHES = {"registry": "ref", "local": "src", "gha": None, "s3": "bucket", "azblob": "name"}
_MADE_CACHES = {**_CACHES, "local": "dest", "inline": None}


def version_problem(text: str) -> str | None:  # noqa: PLR0911 - one answer for each mistake
    """What is wrong with a version; None where it can be one, and a tag that no other kind of tag can be."""
    if not VERSION.fullmatch(text):
        return "is not a version"
    if led := _LED_BY_V.fullmatch(text):
        return f"begins with a v; write {led[1]}; the git tag is v{led[1]}"
    if text == "latest":
        return "is the name of another tag, which tagLatest moves"
    if text.startswith(RELEASE_MARK):
        return f"begins with {RELEASE_MARK}, as the tag does that keeps what was released"
    if _REVISION.fullmatch(text):
        return "looks like the tag of a git SHA, which tagRevision gives"
    if _OWN_TAG.fullmatch(text):
        return "ends as an image's own tag does, <version>-<build key>, which never moves"
    return None


def _server_problem(text: str) -> str | None:
    if text == LOCAL:
        return None
    if not is_server(text):
        return "is not a host or host:port, without scheme and folders"
    if not {".", ":"} & set(text) and text != "localhost":
        return "has neither a dot nor a port, so every program takes it for a user of Docker Hub, and would push there"
    return port_problem(text)


def _repository_problem(text: str) -> str | None:
    return None if is_repository(text) else "is not lower-case names separated by '/'"


def _imported_problem(text: str) -> str | None:
    return _cache_problem(text, _CACHES)


def _exported_problem(text: str) -> str | None:
    return _cache_problem(text, _MADE_CACHES)


def _cache_problem(text: str, known: dict[str, str | None]) -> str | None:
    """What is wrong with one of BuildKit's cache entries: a line of CSV."""
    try:
        fields = [field.partition("=") for field in next(csv.reader([text], strict=True), [])]
    except csv.Error:
        fields = []
    values = {key.strip().lower(): value for key, separator, value in fields if separator}
    if not fields or len(values) < len(fields):
        return "is not a list such as type=registry,ref=…"
    kind = values.get("type", "")
    if kind not in known:
        return f"has the type {kind!r}; known are {', '.join(known)}"
    needed = known[kind]
    if needed and not values.get(needed):
        return f"has no {needed}="
    return _cache_reference_problem(values["ref"]) if kind == "registry" else None


def _cache_reference_problem(text: str) -> str | None:
    if problem := reference_problem(text):
        return f"its ref {text!r} {problem}"
    found = Reference.of(text)
    if found.is_on_docker_hub and found.repository.startswith(_OF_ALL):
        return f"its ref {text!r} names no registry, so it is one of Docker Hub's own images; name host and folder"
    return None


def _netrc_problem(text: str) -> str | None:
    """What is wrong with a .netrc; never shows what it holds."""
    words = iter(word for line in text.splitlines() if not line.lstrip().startswith("#") for word in line.split())
    logins: list[tuple[str, set[str]]] = []
    for word in words:
        if word == "default":
            logins.append(("default", set()))
        elif word == "machine":
            logins.append((next(words, ""), set()))
        elif word in {"login", "password", "account"} and logins:
            if next(words, None):
                logins[-1][1].add(word)
        elif word == "macdef":
            break
        else:
            return "is not .netrc, in which each login names its host; a token alone is not enough"
    for host, said in logins:
        for wanted in ("login", "password"):
            if wanted not in said:
                return f"has no {wanted} for {host or 'a machine'}"
    return None


def known_hosts(text: str) -> tuple[str, ...]:
    """The hosts that lines of ssh's known_hosts name, each once: `host`, or `[host]:port`."""
    return tuple(dict.fromkeys(host for line in _entries(text) for host in line.split()[0].split(",")))


def _entries(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _known_hosts_problem(text: str) -> str | None:
    if not _entries(text):
        return "names no host"
    wrong = next((line for line in _entries(text) if not _KNOWN_HOST.fullmatch(line)), None)
    return f"has a line that is not a host in clear, its key's type, and the key: {wrong[:40]!r}" if wrong else None


ServerText = Annotated[Text, Grammar("nvcr.io, or harbor.example.com:8443", check=_server_problem)]
RepositoryText = Annotated[Text, Grammar("my-org/my-team", check=_repository_problem)]
BranchText = Annotated[
    Text, Grammar("develop", "is not the name of a branch", r"(?!.*(\.\.|//|/$))[A-Za-z0-9_][A-Za-z0-9_./+-]{0,199}")
]
VersionText = Annotated[Text, Grammar("1.4.0", check=version_problem)]
ImportedCache = Annotated[Text, Grammar("type=registry,ref=nvcr.io/my-org/cache", check=_imported_problem)]
ExportedCache = Annotated[Text, Grammar("type=registry,ref=nvcr.io/my-org/cache,mode=max", check=_exported_problem)]
KnownHosts = Annotated[Text, Grammar("github.com ssh-ed25519 AAAA…", check=_known_hosts_problem)]
NETRC = Grammar("machine github.com login <user> password <token>", check=_netrc_problem)
