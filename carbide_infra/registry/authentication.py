"""How a registry lets us in: basic authentication, or tokens from the server that it names."""

import json
import re
import threading
import urllib.parse
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from carbide_infra.registry.credentials import Credentials
from carbide_infra.registry.errors import Busy, Denied, RegistryError
from carbide_infra.registry.transport import Answer, Transport, pause_in

CLIENT_ID = "carbide-infra"
CHECK_THE_LOGIN = (
    "check registryUsername (NVCR: $oauthtoken), registryPassword (or CARBIDE_REGISTRY_PASSWORD) and registryRepository"
)
"""What to do where a registry refuses: a token server says the same of a wrong key and of a wrong repository."""

_OK, _SERVER_ERROR = 200, 500
_PASSING = frozenset({408, 429})
# One header may hold several challenges: a word without a value begins the next.
_PART = re.compile(r"(?P<name>[A-Za-z_]+)=(?:\"(?P<quoted>[^\"]*)\"|(?P<plain>[^\s,]+))|(?P<scheme>[A-Za-z]+)")
_SCHEMES = ("bearer", "basic")


@dataclass(frozen=True)
class Challenge:
    """What a 401 asks for."""

    scheme: str
    parameters: Mapping[str, str]


def challenge_of(answer: Answer) -> Challenge | None:
    """The challenge of an answer that we can meet: bearer before basic."""
    found: dict[str, dict[str, str]] = {}
    for header in answer.headers.getlist("WWW-Authenticate"):
        parameters: dict[str, str] = {}
        for part in _PART.finditer(header):
            if part["scheme"]:
                parameters = found[part["scheme"].lower()] = {}
            else:
                parameters[part["name"].lower()] = part["plain"] or part["quoted"]
    return next((Challenge(scheme, found[scheme]) for scheme in _SCHEMES if found.get(scheme)), None)


class Authenticator:
    """Gives the Authorization header for each scope, and keeps the tokens; safe to share between threads.

    Args:
        server: the registry, as in image references.
        credentials: the login; None for anonymous access.
        transport: how a token server is asked.
        plain_http: whether its token server, as itself, may do without TLS.
    """

    def __init__(self, server: str, credentials: Credentials | None, transport: Transport, *, plain_http: bool) -> None:
        self._server = server
        self._schemes = {"https", "http"} if plain_http else {"https"}
        self._credentials = credentials
        self._transport = transport
        self._known: dict[str, str] = {}
        # One for each scope: a token server that is slow, or fails, is not asked by one thread after the other.
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def header(self, scope: str) -> dict[str, str]:
        """What is known to let us in; nothing before the first challenge."""
        known = self._known.get(scope)
        return {"Authorization": known} if known else {}

    def answer(self, challenge: Challenge, scope: str, refused: str | None) -> dict[str, str]:
        """Meet a challenge, once for all threads that are met by it.

        Args:
            challenge: what the registry asks for.
            scope: what for, such as "repository:carbide/carbide-rest-api:pull".
            refused: the header that it has just refused; None where it got none.

        Raises:
            Denied: it wants credentials that we have not got, or that the token server refuses.
            Busy: the token server does not serve us now.
        """
        with self._lock:
            lock = self._locks.setdefault(scope, threading.Lock())
        with lock:
            known = self._known.get(scope)
            if known is None or known == refused:
                known = self._basic() if challenge.scheme == "basic" else f"Bearer {self._token(challenge, scope)}"
                self._known[scope] = known
            return {"Authorization": known}

    def _basic(self) -> str:
        if self._credentials is None:
            message = (
                f"{self._server}: wants a login, and there is none; set registryUsername and registryPassword "
                f"(or CARBIDE_REGISTRY_PASSWORD), or run docker login {self._server}"
            )
            raise Denied(message)
        return _basic(self._credentials)

    def _token(self, challenge: Challenge, scope: str) -> str:
        realm = challenge.parameters.get("realm", "")
        if urllib.parse.urlsplit(realm).scheme not in self._schemes:
            message = f"{self._server}: names the token server {realm!r}, which has no TLS; it is set up wrongly"
            raise RegistryError(message)
        query = {"scope": scope, "client_id": CLIENT_ID}
        if "service" in challenge.parameters:
            query["service"] = challenge.parameters["service"]
        answer = self._ask(realm, query)
        if answer.status in _PASSING or answer.status >= _SERVER_ERROR:
            message = f"{self._server}: its token server {realm} answers {answer.status}{answer.words}; try again later"
            raise Busy(message, pause_in(answer))
        if answer.status != _OK:
            message = (
                f"{self._server}: refuses the login at {realm}{_for(scope)} ({answer.status}){answer.words}; "
                f"{CHECK_THE_LOGIN}, or "
                f"run docker login {self._server}"
            )
            raise Denied(message)
        try:
            content = json.loads(answer.body)
            # The distribution's token servers say "token", OAuth ones "access_token"; some say both.
            return str(content.get("token") or content["access_token"])
        except (ValueError, KeyError, AttributeError, RecursionError) as error:
            message = f"{self._server}: its token server {realm} gives no token; is there a proxy's page in between?"
            raise RegistryError(message) from error

    def _ask(self, realm: str, query: dict[str, str]) -> Answer:
        credentials = self._credentials
        if credentials and credentials.identity_token:
            form = {**query, "grant_type": "refresh_token", "refresh_token": credentials.identity_token}
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return self._transport.send("POST", realm, headers, urllib.parse.urlencode(form).encode())
        separator = "&" if urllib.parse.urlsplit(realm).query else "?"
        login = {"Authorization": _basic(credentials)} if credentials else {}
        return self._transport.send("GET", f"{realm}{separator}{urllib.parse.urlencode(query)}", login)


def _for(scope: str) -> str:
    kind, _, rest = scope.partition(":")
    return f" for {rest.rpartition(':')[0]}" if kind == "repository" else ""


def _basic(credentials: Credentials) -> str:
    login = f"{credentials.username}:{credentials.password}"
    return f"Basic {b64encode(login.encode()).decode()}"
