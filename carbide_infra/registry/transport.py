"""How requests travel: urllib3's pool, retries and proxies, with the limits that a registry's client needs."""

import json
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as Timeout

from carbide_infra.registry.errors import Corrupt, RegistryError, Unreachable, Untrusted

TIMEOUT_SECONDS = 30.0
# A whole answer, however slowly its bytes come.
DEADLINE_SECONDS = 300.0
# The most telling first.
_MESSAGES = ("message", "error_description", "details", "error", "code")
_MOST_WORDS = 200
LARGEST_BODY = 64 * 1024 * 1024
# What a layer's bytes may take, beyond the deadline of any answer.
_SLOWEST_BYTES_PER_SECOND = 128 * 1024
_CHUNK = 1 << 20
_CONNECTIONS = 16
ATTEMPTS = 4
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_REDIRECTS = 5
_OK = 200
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
_MOVED = frozenset({301, 302, 303, 307, 308})
# Sent twice, these do no more than sent once.
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end.

    Attributes:
        url: where it came from in the end.
    """

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes = field(repr=False)
    url: str

    @property
    def words(self) -> str:
        """What the server says of an error, as the end of a sentence about it; nothing where it says nothing."""
        text = " ".join("".join(c if c.isprintable() else " " for c in _said(self.body)).split())
        return f": {text[:_MOST_WORDS]}{'…' if len(text) > _MOST_WORDS else ''}" if text else ""


def _said(body: bytes) -> str:
    """The message of an error, as registries, token servers and Docker Hub each write it."""
    try:
        content = json.loads(body)
        entry = content["errors"][0] if content.get("errors") else content
        return str(next(entry[key] for key in _MESSAGES if entry.get(key)))
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError):
        return ""


def pause_in(answer: Answer) -> float | None:
    """The seconds of its Retry-After; None where there is none, or none that can be read."""
    try:
        told = answer.headers.get("Retry-After")
        return float(urllib3.Retry().parse_retry_after(told)) if told else None
    except InvalidHeader:
        return None


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port: what a login is given for."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """The origin of an address.

        Raises:
            RegistryError: it is not an http or https address.
        """
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urllib.parse.urlsplit(""), None
        if parts.scheme not in _PORTS or not parts.hostname:
            message = f"{url}: is not an http or https address"
            raise RegistryError(message)
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])

    def __str__(self) -> str:
        """As in a reference: without the port that the scheme has anyhow."""
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Download:
    """Where a large answer goes instead of into memory.

    Attributes:
        file: is emptied first, also before another attempt.
        size: bytes that it may have, and no more.
    """

    file: BinaryIO
    size: int

    def begin(self) -> None:
        """Forget what an attempt before has brought."""
        self.file.seek(0)
        self.file.truncate()


class Transport:
    """Sends requests; safe to share between threads.

    Args:
        environment: SSL_CERT_FILE, HTTP_PROXY, HTTPS_PROXY and NO_PROXY hold as in other programs.
        timeout: seconds that a connection may stay silent.
        pause: waits between two attempts.
        deadline: seconds that one whole answer may take.
        attempts: how often a passing failure is asked again about, the first time included.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        timeout: float = TIMEOUT_SECONDS,
        pause: Callable[[float], None] = time.sleep,
        *,
        deadline: float = DEADLINE_SECONDS,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._environment = environment
        self._deadline = deadline
        self._retries = _retries(pause, attempts)
        self._options: dict[str, Any] = {
            "ssl_context": _trust(environment),
            "timeout": urllib3.Timeout(connect=timeout, read=timeout),
            "maxsize": _CONNECTIONS,
        }
        self._direct = urllib3.PoolManager(**self._options)
        self._proxies: dict[str, urllib3.ProxyManager] = {}

    def close(self) -> None:
        """End the idle connections."""
        for pool in (self._direct, *self._proxies.values()):
            pool.clear()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        download: Download | None = None,
    ) -> Answer:
        """Send a request, again after a passing failure, and on to where it is redirected.

        Args:
            method: HTTP's.
            url: where to.
            headers: those of this request.
            body: what is sent.
            download: takes the body of a good answer, which then has none itself.

        Raises:
            Unreachable: no answer came.
            Corrupt: the answer is too large.
            RegistryError: the answer redirects without end or to an address without TLS.
        """
        origin = Origin.of(url)
        for _ in range(_REDIRECTS):
            answer = self._patiently(method, url, {"User-Agent": "carbide-infra", **headers}, body, download)
            target = answer.headers.get("Location")
            if method not in {"GET", "HEAD"} or answer.status not in _MOVED or not target:
                return answer
            url = urllib.parse.urljoin(url, target)
            if Origin.of(url) != origin:
                # A registry's storage is another party, which must not see the login.
                headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            if origin.scheme == "https" and Origin.of(url).scheme != "https":
                message = f"{origin}: redirects to {url}, which has no TLS; the registry is set up wrongly"
                raise RegistryError(message)
        message = (
            f"{origin}: redirects more than {_REDIRECTS} times; the registry, or a proxy before it, is set up wrongly"
        )
        raise RegistryError(message)

    def _patiently(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, download: Download | None
    ) -> Answer:
        """One request with its retries, those of an answer that broke off among them."""
        retries, origin = self._retries, Origin.of(url)
        try:
            while True:
                response = self._pool(origin).request(
                    method, url, headers=headers, body=body, retries=retries, redirect=False, preload_content=False
                )
                retries = response.retries or retries
                try:
                    return Answer(response.status, response.headers, self._body(response, url, download), url)
                except (HTTPError, OSError) as error:
                    # urllib3 itself repeats only what fails before the body.
                    retries = retries.increment(method, url, error=error)
                    retries.sleep()
        except (HTTPError, OSError) as error:
            raise _unreachable(origin, error) from error

    def _body(self, response: urllib3.BaseHTTPResponse, url: str, download: Download | None) -> bytes:
        if download is None or response.status != _OK:
            limits, content = _Limits(url, LARGEST_BODY, self._deadline), bytearray()
            _read(response, content.extend, limits)
            return bytes(content)
        download.begin()
        limits = _Limits(url, download.size, self._deadline + download.size / _SLOWEST_BYTES_PER_SECOND)
        _read(response, download.file.write, limits)
        return b""

    def _pool(self, origin: Origin) -> urllib3.PoolManager:
        proxy = _proxy(self._environment, origin)
        if proxy is None:
            return self._direct
        if proxy not in self._proxies:
            parts = urllib.parse.urlsplit(proxy)
            login = f"{urllib.parse.unquote(parts.username or '')}:{urllib.parse.unquote(parts.password or '')}"
            headers = urllib3.make_headers(proxy_basic_auth=login) if parts.username else None
            self._proxies[proxy] = urllib3.ProxyManager(proxy, proxy_headers=headers, **self._options)
        return self._proxies[proxy]


class _Limits:
    """How much one answer may be, and how long it may take."""

    def __init__(self, url: str, largest: int, seconds: float) -> None:
        self._url, self._largest, self._seconds = url, largest, seconds
        self._end = time.monotonic() + seconds
        self._size = 0

    def count(self, size: int) -> None:
        """Take note of bytes that have come.

        Raises:
            Corrupt: there are more than there may be.
            Unreachable: they take too long.
        """
        self._size += size
        if self._size > self._largest:
            message = f"{self._url}: is larger than {self._largest} bytes, which nothing here is that is what it says"
            raise Corrupt(message)
        if time.monotonic() > self._end:
            message = f"{self._url}: was not read to its end within {self._seconds:.0f} s; try again later"
            raise Unreachable(message)


def _read(response: urllib3.BaseHTTPResponse, take: Callable[[bytes], object], limits: _Limits) -> None:
    try:
        while chunk := response.read1(_CHUNK):
            limits.count(len(chunk))
            take(chunk)
    except BaseException:
        response.close()
        raise
    response.release_conn()


def _retries(pause: Callable[[float], None], attempts: int) -> urllib3.Retry:
    class Patience(urllib3.Retry):
        """Waits as the server wishes, as far as anybody would wait for it."""

        def get_backoff_time(self) -> float:
            # urllib3 begins with none after the first failure.
            return float(min(_FIRST_PAUSE * 2 ** (len(self.history) - 1), _LONGEST_PAUSE))

        def sleep(self, response: urllib3.BaseHTTPResponse | None = None) -> None:
            wish = self.get_retry_after(response) if response and self.respect_retry_after_header else None
            pause(self.get_backoff_time() if wish is None else min(wish, _LONGEST_PAUSE))

    return Patience(
        total=attempts - 1,
        # Trust does not come back by asking again.
        other=0,
        allowed_methods=_REPEATABLE,
        status_forcelist=_TRY_AGAIN,
        raise_on_status=False,
    )


def _trust(environment: Mapping[str, str]) -> ssl.SSLContext:
    bundle = environment.get("SSL_CERT_FILE")
    try:
        return ssl.create_default_context(cafile=bundle or None)
    except OSError as error:
        problem = "holds no certificate" if Path(bundle or "").is_file() else "is not a file"
        message = f"SSL_CERT_FILE = {bundle!r}: {problem}; unset it, or name a PEM file of CA certificates"
        raise RegistryError(message) from error


def _proxy(environment: Mapping[str, str], origin: Origin) -> str | None:
    name = f"{origin.scheme}_proxy"
    address = environment.get(name) or environment.get(name.upper())
    exempt = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if not address or urllib.request.proxy_bypass_environment(origin.host, {"no": exempt}):  # type: ignore[attr-defined]
        return None
    return address if "://" in address else f"http://{address}"


def _unreachable(origin: Origin, error: Exception) -> Unreachable:
    cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    if isinstance(cause, (ssl.SSLError, SSLError)):
        what = f"its certificate is not trusted ({_words(cause)})"
        message = f"{origin}: {what}; let SSL_CERT_FILE name a PEM file that holds its CA"
        # Who speaks no TLS shows no certificate at all.
        return (Untrusted if isinstance(_innermost(cause), ssl.SSLCertVerificationError) else Unreachable)(message)
    # A refused connection is a time-out by its class only.
    if isinstance(cause, (TimeoutError, Timeout)) and not isinstance(cause, NewConnectionError):
        what, fix = "does not answer in time", "check the network, HTTPS_PROXY, and whether it runs"
    else:
        what, fix = (
            f"cannot be reached ({_words(cause)})",
            "check its name, the network, HTTPS_PROXY, and whether it runs",
        )
    return Unreachable(f"{origin}: {what}; {fix}")


def _words(error: BaseException) -> str:
    """What the system says, out of the wrappers that urllib3 puts around it."""
    inner = _innermost(error)
    return inner.verify_message if isinstance(inner, ssl.SSLCertVerificationError) else str(inner)


def _innermost(error: BaseException) -> BaseException:
    inner = error.__cause__ or (error.args[-1] if error.args and isinstance(error.args[-1], BaseException) else None)
    return error if inner is None else _innermost(inner)
