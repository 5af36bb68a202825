"""Registries: one client for each server, with the login that is meant for it, and where an image is asked for."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from threading import Lock
from types import TracebackType

from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.credentials import Credentials, docker_credentials
from carbide_infra.registry.mirror import Mirror, configured_mirror
from carbide_infra.registry.reference import Reference, canonical_server
from carbide_infra.registry.transport import ATTEMPTS, TIMEOUT_SECONDS, Transport


class Registries(AbstractContextManager["Registries"]):
    """All registries, as one user reaches them; safe to share between threads.

    Args:
        environment: SSL_CERT_FILE, proxies, DOCKER_CONFIG and CARBIDE_DOCKERHUB_MIRROR hold as in other programs.
        logins: by server; for any other it is what `docker login` has kept.
        stand_ins: the registry, host[:port], that has stand-ins for images of Docker Hub; None where none has.
        timeout: seconds that a connection may stay silent.
        attempts: how often a passing failure is asked again about, the first time included.

    Raises:
        UserError: SSL_CERT_FILE or the mirror's name cannot be used.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        logins: Mapping[str, Credentials] | None = None,
        *,
        stand_ins: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._environment = environment
        self._logins = {canonical_server(server): login for server, login in (logins or {}).items()}
        mirrors = configured_mirror(environment), Mirror(stand_ins) if stand_ins else None
        self._mirrors = [mirror for mirror in mirrors if mirror]
        self._transport = Transport(environment, timeout, attempts=attempts)
        self._clients: dict[tuple[str, bool], RegistryClient] = {}
        self._lock = Lock()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the connections."""
        self._transport.close()

    def client(self, server: str, *, plain_http: bool = False) -> RegistryClient:
        """The client of a registry.

        Args:
            server: host[:port], as in image references.
            plain_http: for a registry without TLS.

        Raises:
            RegistryError: Docker's configuration, or the helper that it names, gives no sense.
        """
        name = canonical_server(server)
        with self._lock:
            if (name, plain_http) not in self._clients:
                login = self._logins.get(name) or docker_credentials(name, self._environment)
                made = RegistryClient(name, login, self._transport, plain_http=plain_http)
                self._clients[name, plain_http] = made
            return self._clients[name, plain_http]

    def places(self, reference: Reference) -> Iterator[tuple[RegistryClient, str]]:
        """Where a builder looks for an image, in its order: client and repository; mirrors stand for Docker Hub."""
        for mirror in self._mirrors if reference.is_on_docker_hub else ():
            mirrored = reference.below(mirror.host, mirror.path)
            yield self.client(mirror.host, plain_http=mirror.plain_http), mirrored.repository
        yield self.client(reference.server), reference.repository
