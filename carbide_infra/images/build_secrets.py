"""Build secrets: what builds may know and images must not, as BuildKit secret mounts."""

import hashlib
import re
import shlex
import socket
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from importlib.metadata import files
from pathlib import Path

import certifi

from carbide_infra.config_values import known_hosts
from carbide_infra.names import AGENT_VARIABLE
from carbide_infra.paths import trusted_bundle
from carbide_infra.settings import ConfigError, Settings
from carbide_infra.source.go_environment import module_settings

SECRET_IDS = ("extra_ca", "gitcreds", "goenv")
"""Every build gets these, empty or not: a machine that has one more shows no diff."""

KNOWN_HOSTS, GIT_CONFIG = "known_hosts", "gitconfig"
"""Of stacks that forward an agent; they reach the step that downloads modules."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
# Where distributions keep the public CAs of their own bundle: Debian and Alpine, Fedora and its kin.
_DISTRIBUTED = ("/usr/share/ca-certificates", "/usr/share/pki/ca-trust-source")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def build_secrets(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """The content of each secret by its id; empty where there is nothing to hand over.

    Raises:
        ConfigError: extraCaFile cannot be read, or holds no certificate.
    """
    gitcreds = settings.gitcreds.get_secret_value() if settings.gitcreds else ""
    secrets = {
        "extra_ca": _extra_ca(settings, environment),
        "gitcreds": gitcreds,
        "goenv": _go_environment(settings, environment),
    }
    return secrets | (_ssh(settings.ssh_known_hosts or "") if settings.ssh_agent else {})


def require_agent(environment: Mapping[str, str]) -> None:
    """Refuse to build without the agent that the stack forwards.

    Raises:
        ConfigError: none answers.
    """
    with socket.socket(socket.AF_UNIX) as agent:
        try:
            agent.connect(environment.get(AGENT_VARIABLE, ""))
        except OSError as error:
            msg = (
                f"sshAgent = true: no ssh agent answers at {AGENT_VARIABLE} = {environment.get(AGENT_VARIABLE, '')!r}; "
                'eval "$(ssh-agent)" && ssh-add'
            )
            raise ConfigError(msg) from error


def _ssh(lines: str) -> dict[str, str]:
    """The hosts' keys, and git's configuration by which what Go asks of them over https goes by ssh."""
    return {KNOWN_HOSTS: f"{lines}\n", GIT_CONFIG: "".join(map(_instead_of, known_hosts(lines)))}


def _instead_of(host: str) -> str:
    name, _, port = host.removeprefix("[").partition("]:")
    server = f"{name}:{port}" if port else name
    return f'[url "ssh://git@{server}/"]\n\tinsteadOf = https://{name}/\n'


def _go_environment(settings: Settings, environment: Mapping[str, str]) -> str:
    """Shell assignments of the machine's own Go and proxy settings, the stack's on top."""
    values = module_settings(environment)
    values.update({name: environment[name] for name in _PROXIES if environment.get(name)})
    if settings.go_proxy:
        values["GOPROXY"] = settings.go_proxy
    if settings.go_private:
        values["GOPRIVATE"] = settings.go_private
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _extra_ca(settings: Settings, environment: Mapping[str, str]) -> str:
    """The CAs that the stack names, else those this machine trusts beyond the public ones."""
    if settings.extra_ca_file is None:
        return _private_certificates(environment)
    path = Path(settings.extra_ca_file).expanduser()
    problem = "holds no PEM certificate"
    try:
        certificates = _certificates(path)
    except OSError as error:
        certificates, problem = [], f"cannot be read: {error.strerror}"
    if not certificates:
        msg = f"extraCaFile = {settings.extra_ca_file!r}: {problem}; name a PEM file of CA certificates"
        raise ConfigError(msg)
    return "\n".join(certificates) + "\n"


def _private_certificates(environment: Mapping[str, str]) -> str:
    """A company's proxy signs with a CA that only its machines trust; builds must trust it too.

    Only that is handed over. A distribution's bundle has public CAs that others have dropped since, some for
    good reason; and the engine carries each secret of each image through every step, and keeps it in the state.
    """
    bundle = trusted_bundle(environment)
    if bundle is None:
        return ""
    public = _public_certificates()
    private = [item for item in _certificates(bundle) if _body(item) not in public]
    return "\n".join(private) + "\n" if private else ""


def _public_certificates() -> set[str]:
    distributed = (file for folder in _DISTRIBUTED for file in Path(folder).rglob("*") if file.is_file())
    return {_body(item) for file in (*_published_bundle(), *distributed) for item in _certificates(file)}


def _published_bundle() -> list[Path]:
    """The bundle of certifi, unless somebody has added a company's CA to it: its own record of hashes tells."""
    bundle = Path(certifi.where())
    recorded = next((file.hash for file in files("certifi") or [] if file.name == bundle.name), None)
    digest = urlsafe_b64encode(hashlib.sha256(bundle.read_bytes()).digest()).decode().rstrip("=")
    return [bundle] if recorded and recorded.value == digest else []


def _certificates(file: Path) -> list[str]:
    return _CERTIFICATE.findall(file.read_text(encoding="utf-8", errors="replace"))


def _body(certificate: str) -> str:
    """The base64 body: bundles wrap their lines differently."""
    return "".join(certificate.split("-----")[2].split())
