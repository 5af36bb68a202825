"""HTTP and TLS: connections that are kept and reused by many threads, retries, redirects."""

import http.client
import ssl
import threading
import time
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

from carbide_infra.registry.errors import RegistryError, Unreachable

TIMEOUT_SECONDS = 30.0
LARGEST_BODY = 64 * 1024 * 1024
_ATTEMPTS = 4
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_REDIRECTS = 5
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
_MOVED = frozenset({301, 302, 303, 307, 308})
# Sent twice, these do no more than sent once.
_REPEATABLE = frozenset({"GET", "HEAD", "DELETE"})
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end.

    Attributes:
        url: where it came from in the end.
    """

    status: int
    headers: Message
    body: bytes = field(repr=False)
    url: str


@dataclass(frozen=True)
class _Origin:
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "_Origin":
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            message = f"{url}: is no http or https address"
            raise RegistryError(message)
        return cls(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme])

    def __str__(self) -> str:
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class _Request:
    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)

    @property
    def origin(self) -> _Origin:
        return _Origin.of(self.url)

    @property
    def path(self) -> str:
        parts = urllib.parse.urlsplit(self.url)
        return urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))


class Transport:
    """Sends requests; safe to share between threads.

    Args:
        environment: SSL_CERT_FILE, HTTP_PROXY, HTTPS_PROXY and NO_PROXY hold as in other programs.
        timeout: seconds that a connection may stay silent.
        pause: waits between two attempts.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        timeout: float = TIMEOUT_SECONDS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._environment = environment
        self._timeout = timeout
        self._pause = pause
        self._context = _trust(environment)
        self._idle: dict[_Origin, list[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the idle connections."""
        with self._lock:
            connections = [connection for waiting in self._idle.values() for connection in waiting]
            self._idle.clear()
        for connection in connections:
            connection.close()

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Send a request, again after a passing failure, and on to where it is redirected.

        Raises:
            Unreachable: no answer came.
        """
        origin = _Origin.of(url)
        for _ in range(_REDIRECTS):
            answer = self._patiently(_Request(method, url, headers, body))
            target = answer.headers.get("Location")
            if method not in {"GET", "HEAD"} or answer.status not in _MOVED or not target:
                return answer
            url = urllib.parse.urljoin(url, target)
            if _Origin.of(url) != origin:
                # A registry's storage is another party, which must not see the login.
                headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            if origin.scheme == "https" and _Origin.of(url).scheme != "https":
                message = f"{origin}: redirects to {url}, which has no TLS; the registry is set up wrongly"
                raise RegistryError(message)
        message = (
            f"{origin}: redirects more than {_REDIRECTS} times; the registry, or a proxy before it, goes in circles"
        )
        raise RegistryError(message)

    def _patiently(self, request: _Request) -> Answer:
        pause = _FIRST_PAUSE
        for attempts_left in reversed(range(_ATTEMPTS)):
            can_repeat = attempts_left > 0 and request.method in _REPEATABLE
            try:
                answer = self._once(request)
            except (OSError, http.client.HTTPException) as error:
                if not can_repeat or isinstance(error, ssl.SSLError):
                    raise _unreachable(request.origin, error) from error
            else:
                if answer.status not in _TRY_AGAIN or not can_repeat:
                    return answer
                pause = _wished(answer.headers.get("Retry-After"), pause)
            self._pause(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        raise AssertionError  # the last attempt returns or raises

    def _once(self, request: _Request) -> Answer:
        kept = self._take(request.origin)
        if kept is not None:
            try:
                return self._exchange(request, kept)
            except (ConnectionError, http.client.BadStatusLine):
                # The server has closed it since; that says nothing about a new one.
                if request.method not in _REPEATABLE:
                    raise
        return self._exchange(request, self._connect(request.origin))

    def _exchange(self, request: _Request, connection: http.client.HTTPConnection) -> Answer:
        headers = {"User-Agent": "carbide-infra", **request.headers}
        try:
            connection.request(request.method, request.path, body=request.body, headers=headers)
            response = connection.getresponse()
            content = response.read(LARGEST_BODY + 1)
        except BaseException:
            connection.close()
            raise
        if len(content) > LARGEST_BODY:
            connection.close()
            message = f"{request.url}: is larger than {LARGEST_BODY} bytes; no manifest or config is"
            raise RegistryError(message)
        if response.length:
            # http.client says nothing of a body that ends early.
            connection.close()
            raise http.client.IncompleteRead(content, response.length)
        if response.will_close:
            connection.close()
        else:
            self._give_back(request.origin, connection)
        return Answer(response.status, response.headers, content, request.url)

    def _take(self, origin: _Origin) -> http.client.HTTPConnection | None:
        with self._lock:
            idle = self._idle.get(origin)
            return idle.pop() if idle else None

    def _give_back(self, origin: _Origin, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._idle.setdefault(origin, []).append(connection)

    def _connect(self, origin: _Origin) -> http.client.HTTPConnection:
        proxy = _proxy(self._environment, origin)
        host, port = (proxy.hostname or "", proxy.port) if proxy else (origin.host, origin.port)
        if origin.scheme == "http":
            if proxy:
                message = f"{origin}: a registry without TLS is not asked through a proxy; add it to NO_PROXY"
                raise RegistryError(message)
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        connection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
        if proxy:
            login = {"Proxy-Authorization": _basic(proxy)} if proxy.username else {}
            connection.set_tunnel(origin.host, origin.port, login)
        return connection


def _trust(environment: Mapping[str, str]) -> ssl.SSLContext:
    bundle = environment.get("SSL_CERT_FILE")
    if bundle and not Path(bundle).is_file():
        message = f"SSL_CERT_FILE = {bundle!r}: is no file; unset it, or name a PEM file of CA certificates"
        raise RegistryError(message)
    return ssl.create_default_context(cafile=bundle or None)


def _proxy(environment: Mapping[str, str], origin: _Origin) -> urllib.parse.SplitResult | None:
    name = f"{origin.scheme}_proxy"
    address = environment.get(name) or environment.get(name.upper())
    exempt = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if not address or urllib.request.proxy_bypass_environment(origin.host, {"no": exempt}):  # type: ignore[attr-defined]
        return None
    return urllib.parse.urlsplit(address if "://" in address else f"http://{address}")


def _basic(proxy: urllib.parse.SplitResult) -> str:
    login = f"{urllib.parse.unquote(proxy.username or '')}:{urllib.parse.unquote(proxy.password or '')}"
    return f"Basic {b64encode(login.encode()).decode()}"


def _wished(retry_after: str | None, otherwise: float) -> float:
    """The server's wish in seconds, as far as anybody would wait for it."""
    if retry_after is None or not retry_after.strip().isdigit():
        return otherwise
    return min(float(retry_after), _LONGEST_PAUSE)


def _unreachable(origin: _Origin, error: Exception) -> Unreachable:
    if isinstance(error, ssl.SSLCertVerificationError):
        what = f"its certificate is not trusted ({error.verify_message})"
        fix = "let SSL_CERT_FILE name a PEM file that holds its CA"
    elif isinstance(error, TimeoutError):
        what, fix = "does not answer in time", "check the network, HTTPS_PROXY, and whether it runs"
    else:
        what, fix = f"cannot be reached ({error})", "check its name, the network, HTTPS_PROXY, and whether it runs"
    return Unreachable(f"{origin}: {what}; {fix}")
