"""Tests of the registry's certificates and the bundle of CAs."""

import ssl
from datetime import timedelta
from pathlib import Path

import certifi
import pytest
from cryptography import x509

from devenv import certificates
from devenv.certificates import Certificates, ensure_bundle, ensure_certificates


@pytest.fixture(autouse=True)
def no_chosen_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


def serial(files: Certificates) -> int:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number


def test_made_once_and_private(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, "vm")
    first = serial(files)
    assert files.folder == tmp_path / ".local" / "tls"
    assert files.folder.stat().st_mode & 0o777 == 0o700
    assert files.key.stat().st_mode & 0o777 == 0o600
    assert serial(ensure_certificates(tmp_path, "vm")) == first


def test_python_accepts_the_pair_under_its_name(tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, "vm.example")
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(files.ca))
    server.load_cert_chain(files.certificate, files.key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname="vm.example")
    there = server.wrap_bio(to_server, to_client, server_side=True)
    pending = [here, there, here, there]
    for side in pending:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert here.version() == there.version() == "TLSv1.3"


def test_another_name_needs_another_certificate(tmp_path: Path) -> None:
    first = serial(ensure_certificates(tmp_path, "vm"))
    assert serial(ensure_certificates(tmp_path, "box")) != first


def test_renewed_before_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = serial(ensure_certificates(tmp_path, "vm"))
    monkeypatch.setattr(certificates, "RENEW_BEFORE", certificates.LIFETIME + timedelta(days=1))
    assert serial(ensure_certificates(tmp_path, "vm")) != first


@pytest.mark.parametrize("name", ["ca.pem", "registry.pem", "registry.key"])
@pytest.mark.parametrize("text", [None, "", "-----BEGIN"])
def test_a_broken_file_is_replaced(tmp_path: Path, name: str, text: str | None) -> None:
    files = ensure_certificates(tmp_path, "vm")
    first, file = serial(files), files.folder / name
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    assert serial(ensure_certificates(tmp_path, "vm")) != first


def test_a_key_of_another_pair_is_noticed(tmp_path: Path) -> None:
    files, other = ensure_certificates(tmp_path, "vm"), ensure_certificates(tmp_path / "other", "vm")
    first = serial(files)
    files.key.write_bytes(other.key.read_bytes())
    assert serial(ensure_certificates(tmp_path, "vm")) != first


def test_bundle_has_the_chosen_cas_and_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = ensure_certificates(tmp_path / "company", "proxy").ca
    monkeypatch.setenv("SSL_CERT_FILE", str(chosen))
    files = ensure_certificates(tmp_path, "vm")
    text = files.bundle.read_text()
    assert text.count("BEGIN CERTIFICATE") == 2
    assert chosen.read_text().strip() in text
    # A shell that `make env` has set up points at our own bundle: the choice before it still counts.
    monkeypatch.setenv("SSL_CERT_FILE", str(files.bundle))
    assert ensure_bundle(tmp_path).read_text() == text


def test_bundle_without_a_choice_has_the_systems_cas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = tmp_path / "system.pem"
    system.write_text(ensure_certificates(tmp_path / "system", "system").ca.read_text())
    monkeypatch.setattr(certificates, "SYSTEM_BUNDLES", (tmp_path / "missing", system))
    assert ensure_bundle(tmp_path).read_text().strip() == system.read_text().strip()
    monkeypatch.setattr(certificates, "SYSTEM_BUNDLES", ())
    public = Path(certifi.where()).read_text().count("BEGIN CERTIFICATE")
    assert ensure_bundle(tmp_path).read_text().count("BEGIN CERTIFICATE") == public
