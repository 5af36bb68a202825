"""Certificates: the local registry's own CA and key, and the bundle of everything that children trust."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from carbide_infra.paths import SYSTEM_BUNDLES, state_dir
from carbide_infra.state_files import make_private, read_text, write_text

LIFETIME = timedelta(days=730)
RENEW_BEFORE = timedelta(days=30)
# A virtual machine's clock may be behind when it wakes up.
CLOCK_SKEW = timedelta(days=1)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Certificates:
    """The files of one checkout's registry."""

    folder: Path

    @property
    def ca(self) -> Path:
        """What clients of the registry trust."""
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        """What the registry shows."""
        return self.folder / "registry.pem"

    @property
    def key(self) -> Path:
        """What the registry proves it with."""
        return self.folder / "registry.key"

    @property
    def bundle(self) -> Path:
        """The machine's CAs and the registry's, for programs that take one file for both."""
        return self.folder / "ca-bundle.pem"


def ensure_certificates(root: Path, host: str) -> Certificates:
    """Give a CA, and a certificate for `host` that stays valid for a while; made anew when they do not fit."""
    files = Certificates(_folder(root))
    if not _fit(files, host):
        _make(files, host)
    ensure_bundle(root)
    return files


def ensure_bundle(root: Path) -> Path:
    """Bring the bundle up to date, also before there is a CA of our own, and give its path."""
    files = Certificates(_folder(root))
    texts = [_system_bundle(files), read_text(files.ca)]
    bundle = "\n".join(_distinct(certificate for text in texts for certificate in _PEM.findall(text))) + "\n"
    if bundle != read_text(files.bundle):
        write_text(files.bundle, bundle)
    return files.bundle


def _folder(root: Path) -> Path:
    make_private(state_dir(root))
    return make_private(state_dir(root) / "tls")


def _system_bundle(files: Certificates) -> str:
    """The user's own choice of CAs, else the system's, else the public ones."""
    # In a shell that `make env` has set up, SSL_CERT_FILE is our bundle: what it was before is kept here.
    kept = files.folder / "ca-bundle.source"
    chosen = os.environ.get("SSL_CERT_FILE", "")
    if chosen and not _is_ours(Path(chosen), files) and _PEM.search(read_text(Path(chosen))):
        if read_text(kept) != chosen:
            write_text(kept, chosen)
    elif not chosen:
        kept.unlink(missing_ok=True)
    candidates = (*(Path(name) for name in [read_text(kept)] if name), *SYSTEM_BUNDLES, Path(certifi.where()))
    return next((text for text in map(read_text, candidates) if _PEM.search(text)), "")


def _is_ours(path: Path, files: Certificates) -> bool:
    return path.resolve() == files.bundle.resolve()


def _distinct(certificates: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(certificates))


def _fit(files: Certificates, host: str) -> bool:
    try:
        ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
        certificate.verify_directly_issued_by(ca)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    now = datetime.now(UTC)
    return (
        names.get_values_for_type(x509.DNSName) == [host]
        and key.public_key() == certificate.public_key()
        and certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEW_BEFORE
    )


def _make(files: Certificates, host: str) -> None:
    # The CA signs once and its key is not kept: nobody can take it to sign for another name.
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _authority(ca_key, host)
    certificate = _leaf(key.public_key(), ca, ca_key, host)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_text(files.key, secret.decode())
    write_text(files.certificate, _pem(certificate))
    write_text(files.ca, _pem(ca))


def _authority(key: ec.EllipticCurvePrivateKey, host: str) -> x509.Certificate:
    name = _name(f"Carbide local registry CA of {host}")
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    key: ec.EllipticCurvePublicKey, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, host: str
) -> x509.Certificate:
    return (
        _builder(_name(host), ca.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _name(text: str) -> x509.Name:
    # The standard allows 64 characters for a common name; nothing checks it here but the library.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
