import hashlib
import socket
from base64 import urlsafe_b64encode
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import certifi
import pytest

from carbide_infra import paths
from carbide_infra.images import build_secrets as build_secrets_module
from carbide_infra.images.build_secrets import SECRET_IDS, build_secrets, require_agent
from carbide_infra.settings import ConfigError, load_settings

PUBLISHED = build_secrets_module._published_bundle
PUBLIC = "-----BEGIN CERTIFICATE-----\nUFVC\nTElD\n-----END CERTIFICATE-----\n"
PRIVATE = "-----BEGIN CERTIFICATE-----\nUFJJVkFURQ==\n-----END CERTIFICATE-----"


def public() -> Path:
    """What certifi publishes, in the tests."""
    return build_secrets_module._published_bundle()[0]


@pytest.fixture(autouse=True)
def _published(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path_factory.mktemp("certifi") / "cacert.pem"
    bundle.write_text(PUBLIC)
    monkeypatch.setattr(build_secrets_module, "_published_bundle", lambda: [bundle])


def secrets(environment: dict[str, str] | None = None, **config: Any) -> dict[str, str]:  # noqa: ANN401 - config values
    values = {"registryServer": "nvcr.io", "registryRepository": "org/team"} | config
    return build_secrets(load_settings(values, {}), environment or {"SSL_CERT_FILE": str(public())})


def test_every_secret_is_always_there() -> None:
    assert secrets() == dict.fromkeys(SECRET_IDS, "")


def test_a_private_ca_of_the_machine_is_handed_over_alone(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(Path(str(public())).read_text() + PRIVATE)
    assert secrets({"SSL_CERT_FILE": str(bundle)})["extra_ca"] == PRIVATE + "\n"


def test_a_public_ca_that_the_distribution_still_has_is_not_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = PRIVATE.replace("UFJJVkFURQ", "RFJPUFBFRA")
    distributed = tmp_path / "ca-certificates/mozilla/Dropped.crt"
    distributed.parent.mkdir(parents=True)
    distributed.write_text(dropped)
    monkeypatch.setattr(build_secrets_module, "_DISTRIBUTED", (str(tmp_path / "ca-certificates"), "/nonexistent"))
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(f"{dropped}\n{PRIVATE}\n")
    assert secrets({"SSL_CERT_FILE": str(bundle)})["extra_ca"] == PRIVATE + "\n"


@pytest.mark.parametrize("named", [None, "", "/nonexistent/bundle.pem"])
def test_without_a_bundle_of_its_own_the_user_has_the_machine_s(
    named: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "machine.pem"
    bundle.write_text(PRIVATE)
    monkeypatch.setattr(paths, "SYSTEM_BUNDLES", (Path("/nonexistent/first.pem"), bundle))
    environment = {"PATH": "/bin"} if named is None else {"SSL_CERT_FILE": named}
    assert secrets(environment)["extra_ca"] == PRIVATE + "\n"


def test_a_machine_without_any_bundle_has_nothing_to_hand_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "SYSTEM_BUNDLES", (Path("/nonexistent/first.pem"),))
    assert secrets({"PATH": "/bin"})["extra_ca"] == ""


def test_the_bundles_of_the_common_distributions_are_known() -> None:
    assert tuple(map(str, paths.SYSTEM_BUNDLES)) == (
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    )
    assert build_secrets_module._DISTRIBUTED == ("/usr/share/ca-certificates", "/usr/share/pki/ca-trust-source")


def test_a_bundle_s_comments_may_be_in_any_encoding(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes("# Zertifikat für Köln\n".encode("latin-1") + PRIVATE.encode())
    assert secrets({"SSL_CERT_FILE": str(bundle)})["extra_ca"] == PRIVATE + "\n"
    assert secrets(extraCaFile=str(bundle))["extra_ca"] == PRIVATE + "\n"


def test_private_cas_are_all_handed_over_and_public_ones_known_however_they_are_wrapped(tmp_path: Path) -> None:
    second = PRIVATE.replace("UFJJVkFURQ", "U0VDT05EIQ")
    known = Path(str(public())).read_text().split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0]
    wrapped = f"-----BEGIN CERTIFICATE-----\n{''.join(known.split())}\n-----END CERTIFICATE-----"
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(f"{PRIVATE}\n{wrapped}\n{second}\n")
    assert secrets({"SSL_CERT_FILE": str(bundle)})["extra_ca"] == f"{PRIVATE}\n{second}\n"


def test_the_stack_names_its_own_ca(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(f"a comment\n{PRIVATE}\n")
    assert secrets(extraCaFile=str(file))["extra_ca"] == PRIVATE + "\n"


def test_a_ca_file_may_be_below_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ca.pem").write_text(PRIVATE)
    assert secrets(extraCaFile="~/ca.pem")["extra_ca"] == PRIVATE + "\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read: No such file or directory"), ("no certificate", "holds no PEM certificate")],
)
def test_an_unusable_ca_file_is_named(content: str | None, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=rf"extraCaFile = .*ca\.pem'?: {problem}"):
        secrets(extraCaFile=str(file))


def test_go_settings_come_from_the_machine_and_the_stack_wins() -> None:
    environment = {
        "SSL_CERT_FILE": str(public()),
        "GOPROXY": "https://machine.invalid",
        "GOPRIVATE": "example.com",
        "HTTPS_PROXY": "http://it's",
        "PATH": "/bin",
    }
    assert secrets(environment, goProxy="https://stack.invalid,direct")["goenv"] == (
        "GOPROXY=https://stack.invalid,direct\nGOPRIVATE=example.com\nHTTPS_PROXY='http://it'\"'\"'s'\n"
    )


@pytest.mark.parametrize(
    "name",
    [
        "GOPROXY",
        "GOPRIVATE",
        "GONOPROXY",
        "GONOSUMDB",
        "GOSUMDB",
        "GOINSECURE",
        "GOVCS",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    ],
)
def test_each_go_and_proxy_setting_of_the_machine_is_handed_over(name: str) -> None:
    machine = {"SSL_CERT_FILE": str(public()), name: "off, or not"}
    assert secrets(machine)["goenv"] == f"{name}='off, or not'\n"
    assert secrets(machine | {name: ""})["goenv"] == ""


def test_the_stack_has_its_own_private_patterns() -> None:
    machine = {"SSL_CERT_FILE": str(public()), "GOPRIVATE": "example.com"}
    assert secrets(machine, goPrivate="example.org/*")["goenv"] == "GOPRIVATE='example.org/*'\n"


def test_gitcreds_are_handed_over_as_they_are() -> None:
    gitcreds = "machine x\nlogin y\npassword z\n"
    assert secrets(gitcreds=gitcreds)["gitcreds"] == gitcreds


def test_a_forwarded_agent_comes_with_the_hosts_that_it_is_for() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"
    lines = f"# ours\ngit.test,10.0.0.1 {key}\n[code.test]:2222 {key} a comment\ngit.test {key}"
    found = secrets(sshAgent="true", sshKnownHosts=lines)
    assert found.keys() == {*SECRET_IDS, "known_hosts", "gitconfig"}
    assert found["known_hosts"] == f"{lines}\n"
    assert found["gitconfig"] == (
        '[url "ssh://git@git.test/"]\n\tinsteadOf = https://git.test/\n'
        '[url "ssh://git@10.0.0.1/"]\n\tinsteadOf = https://10.0.0.1/\n'
        '[url "ssh://git@code.test:2222/"]\n\tinsteadOf = https://code.test/\n'
    )
    assert secrets(sshAgent="false", sshKnownHosts=lines).keys() == set(SECRET_IDS)


def test_an_update_wants_an_agent_that_answers(tmp_path: Path) -> None:
    place = tmp_path / "agent"
    for environment in ({}, {"SSH_AUTH_SOCK": str(place)}):
        with pytest.raises(ConfigError, match=r"^sshAgent = true: no ssh agent answers at SSH_AUTH_SOCK = '.*ssh-add$"):
            require_agent(environment)
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(place))
        agent.listen()
        require_agent({"SSH_AUTH_SOCK": str(place)})


@pytest.mark.parametrize(("added", "is_public"), [("", True), (PRIVATE, False)])
def test_a_bundle_of_certifi_with_an_addition_is_not_the_public_one(
    added: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_public: bool
) -> None:
    bundle = tmp_path / "certifi/cacert.pem"
    record = tmp_path / "certifi-1.dist-info/RECORD"
    for file in (bundle, record):
        file.parent.mkdir()
    digest = urlsafe_b64encode(hashlib.sha256(PUBLIC.encode()).digest()).decode().rstrip("=")
    record.write_text(f"certifi/__init__.py,sha256=x,1\ncertifi/cacert.pem,sha256={digest},{len(PUBLIC)}\n")
    (record.parent / "METADATA").write_text("Name: certifi\nVersion: 1\n")
    bundle.write_text(PUBLIC + added)
    monkeypatch.setattr(certifi, "where", lambda: str(bundle))
    monkeypatch.setattr(build_secrets_module, "files", {"certifi": Distribution.at(record.parent).files}.get)
    assert PUBLISHED() == ([bundle] if is_public else [])


def test_a_ca_that_begins_like_a_public_one_is_private(tmp_path: Path) -> None:
    other = PUBLIC.replace("TElD", "TEnD").rstrip()
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(other)
    assert secrets({"SSL_CERT_FILE": str(bundle)})["extra_ca"] == other + "\n"


def test_a_certifi_without_a_record_is_not_trusted_to_be_the_public_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_secrets_module, "files", lambda _: None)
    assert PUBLISHED() == []
