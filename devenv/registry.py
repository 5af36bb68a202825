"""The local registry: a real one, with TLS and a login, under a name of this machine."""

import hashlib
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

from carbide_infra.errors import SetupError
from carbide_infra.paths import state_dir
from carbide_infra.progress import Report
from carbide_infra.registry.client import RegistryClient
from carbide_infra.registry.credentials import Credentials
from carbide_infra.registry.errors import RegistryError
from carbide_infra.registry.transport import Transport
from carbide_infra.state_files import read_json, read_text, write_json, write_text
from devenv.certificates import Certificates, ensure_certificates
from devenv.daemons import Daemon
from devenv.environment import daemon_environment
from devenv.registry_login import Login, ensure_login, htpasswd_file, password_file

PREFERRED_PORT = 5443
START_SECONDS = 20.0
ANSWER_SECONDS = 5.0
HOSTS_FILE = Path("/etc/hosts")
TEMPLATE = Path(__file__).parent / "docker/registry.yml"
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True)
class Host:
    """A name of this machine, and the address behind it."""

    name: str
    address: str

    @property
    def is_private(self) -> bool:
        """Whether no other machine can reach it."""
        return self.address.startswith("127.") or self.address == "::1"


@dataclass(frozen=True)
class Registry:
    """The registry as its clients see it.

    Attributes:
        server: host:port, as in image references.
        certificates: its CA among them.
        login: what it wants to see before it reads or writes anything.
    """

    server: str
    certificates: Certificates
    login: Login

    def answers(self) -> bool:
        """Whether it serves, with our certificate and for our login."""
        with self._client() as client, suppress(RegistryError):
            client.ping()
            return True
        return False

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest of a tag or digest in it; None when it has none."""
        with self._client() as client, suppress(RegistryError):
            return client.digest_of(repository, reference)
        return None

    def _client(self) -> RegistryClient:
        # No proxy for the internet leads back to this machine, and a registry that starts is asked again anyhow.
        trust = {"SSL_CERT_FILE": str(self.certificates.ca)}
        login = Credentials(self.login.username, self.login.password)
        return RegistryClient(self.server, login, Transport(trust, timeout=ANSWER_SECONDS, attempts=1))


def ensure_registry(root: Path, program: Path, report: Report) -> Registry:
    """Give the checkout's registry, started when it does not run as it should."""
    state = state_dir(root)
    kept = state / "registry.json"
    remembered = read_json(kept)
    host = machine_host(remembered.get("host"))
    certificates = ensure_certificates(root, host.name)
    daemon = registry_daemon(state, program)
    port = remembered["port"] if isinstance(remembered.get("port"), int) else PREFERRED_PORT
    registry = Registry(f"{host.name}:{port}", certificates, ensure_login(root, program))
    fingerprint = _fingerprint(daemon, _config(root, certificates, host, port))
    if daemon.serves(fingerprint, registry.answers, START_SECONDS):
        # It may have outlived the file, by which others know that it is here, and its login.
        _remember(kept, registry)
        return registry
    daemon.stop()
    port = _free_port(host, port, report)
    # Kept before the start: references must stay the same even if this run ends here.
    registry = replace(registry, server=f"{host.name}:{port}")
    _remember(kept, registry)
    _start(daemon, _config(root, certificates, host, port))
    daemon.await_ready(registry.answers, START_SECONDS)
    report(f"Registry runs at https://{registry.server} (log: {daemon.log})")
    if not host.is_private:
        report(f"The registry listens on {host.address}; who reaches it needs the password in {password_file(root)}")
    return registry


def _remember(file: Path, registry: Registry) -> None:
    host, _, port = registry.server.rpartition(":")
    if read_json(file) != (told := {"host": host, "port": int(port)}):
        write_json(file, told)


def registry_daemon(state: Path, program: Path = Path("registry")) -> Daemon:
    """Name the registry's process."""
    return Daemon(program, state / "registry.yml", state)


def machine_host(remembered: str | None = None) -> Host:
    """Find a name that leads to this machine and is not a loopback literal, which Pulumi's plugin speaks no TLS to.

    Raises:
        SetupError: there is none; it says how to make one.
    """
    for name in dict.fromkeys(_candidates(remembered)):
        if _is_usable(name) and (address := _own_address(name)):
            return Host(name, address)
    own = socket.gethostname().lower()
    name = own if _is_usable(own) else "carbide.local"
    message = f"No name of this machine leads back to it: add the line `127.0.0.1 {name}` to {HOSTS_FILE}."
    raise SetupError(message)


def _candidates(remembered: str | None) -> Iterator[str]:
    # A laptop changes its name with the network; references should not.
    if isinstance(remembered, str):
        yield remembered
    # Only Docker Desktop writes this name, the one that also its virtual machine reaches us by.
    yield "host.docker.internal"
    yield socket.gethostname().lower()
    for line in read_text(HOSTS_FILE).splitlines():
        yield from (name.lower() for name in line.partition("#")[0].split()[1:])
    yield socket.getfqdn().lower()


def _is_usable(name: str) -> bool:
    labels = name.split(".")
    is_address = labels[-1].isdigit()
    # Software treats these names as the loopback address itself.
    is_loopback = "localhost" in labels or name.startswith(("ip6-", "localhost"))
    return _HOST_NAME.fullmatch(name) is not None and not is_address and not is_loopback


def _own_address(name: str) -> str | None:
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return None
    addresses = sorted((family, str(where[0])) for family, _, _, _, where in answers)
    return next((address for _, address in addresses if _can_listen(address, 0)), None)


def _can_listen(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As Go does, so that connections just closed do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _free_port(host: Host, wanted: int, report: Report) -> int:
    for port in dict.fromkeys((wanted, PREFERRED_PORT)):
        if _can_listen(host.address, port):
            return port
    with socket.create_server((host.address, 0), family=_family(host.address)) as server:
        free = int(server.getsockname()[1])
    report(f"Port {wanted} is in use by another program: the registry takes {free}")
    return free


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _config(root: Path, certificates: Certificates, host: Host, port: int) -> str:
    address = f"[{host.address}]" if ":" in host.address else host.address
    # A JSON string is a YAML string, whatever characters the path has.
    values = {
        "data": state_dir(root) / "registry",
        "address": f"{address}:{port}",
        "certificate": certificates.certificate,
        "key": certificates.key,
        "logins": htpasswd_file(root),
    }
    quoted = {name: json.dumps(str(value)) for name, value in values.items()}
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(quoted)


def _fingerprint(daemon: Daemon, config: str) -> str:
    contents = [read_text(daemon.state / "tls" / "registry.pem"), read_text(htpasswd_file(daemon.state.parent))]
    return hashlib.sha256("\0".join([str(daemon.program), config, *contents]).encode()).hexdigest()


def _start(daemon: Daemon, config: str) -> None:
    write_text(daemon.config, config)
    environment = daemon_environment(os.environ) | {"OTEL_TRACES_EXPORTER": "none"}
    daemon.start(["serve", str(daemon.config)], environment, _fingerprint(daemon, config))
