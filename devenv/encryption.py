"""What Pulumi encrypts with a passphrase, encrypted with another: in stack files, states and their histories alike."""

import os
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from hashlib import pbkdf2_hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROUNDS = 1_000_000
_KEY_BYTES, _SALT_BYTES, _NONCE_BYTES = 32, 8, 12
# What Pulumi encrypts beside each salt, to know the right passphrase by.
_KNOWN = "pulumi"
_BASE64 = "[A-Za-z0-9+/]+=*"
# "v1:<salt>:v1:<nonce>:<text>" is a salt with its known text, "v1:<nonce>:<text>" is a secret.
_ENCRYPTED = re.compile(rf"v1:(?:(?P<salt>{_BASE64}):v1:)?(?P<nonce>{_BASE64}):(?P<text>{_BASE64})")


def reencrypted(texts: Iterable[str], old: str, new: str) -> list[str]:
    """Give the texts with everything in them that `old` opens encrypted with `new`, and all else as it is.

    A secret may stand in another text than its salt: a stack's history has the one, its state the other.
    """
    texts = list(texts)
    salts = {match["salt"] for text in texts for match in _ENCRYPTED.finditer(text) if match["salt"]}
    keys = {salt: _Key(old, salt) for salt in salts}
    known = (match for text in texts for match in _ENCRYPTED.finditer(text) if match["salt"])
    opened = {match["salt"] for match in known if keys[match["salt"]].open(match) == _KNOWN}
    fresh = {salt: _Key(new, b64encode(os.urandom(_SALT_BYTES)).decode()) for salt in sorted(opened)}
    return [_ENCRYPTED.sub(lambda match: _replaced(match, keys, fresh), text) for text in texts]


def new_salt(passphrase: str) -> str:
    """Make a salt for a stack's file, as Pulumi does."""
    key = _Key(passphrase, b64encode(os.urandom(_SALT_BYTES)).decode())
    return f"v1:{key.salt}:{key.close(_KNOWN)}"


def opens(text: str, passphrase: str) -> bool:
    """Whether a passphrase opens a text's salts; one without any is open to all."""
    found = [match for match in _ENCRYPTED.finditer(text) if match["salt"]]
    return all(_Key(passphrase, match["salt"]).open(match) == _KNOWN for match in found)


class _Key:
    def __init__(self, passphrase: str, salt: str) -> None:
        self.salt = salt
        self._cipher = AESGCM(pbkdf2_hmac("sha256", passphrase.encode(), _decoded(salt), ROUNDS, _KEY_BYTES))

    def open(self, match: re.Match[str]) -> str | None:
        """The text in clear; None where another key has locked it."""
        try:
            return self._cipher.decrypt(_decoded(match["nonce"]), _decoded(match["text"]), None).decode()
        except (InvalidTag, ValueError):
            return None

    def close(self, text: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        return f"v1:{b64encode(nonce).decode()}:{b64encode(self._cipher.encrypt(nonce, text.encode(), None)).decode()}"


def _replaced(match: re.Match[str], keys: Mapping[str, _Key], fresh: Mapping[str, _Key]) -> str:
    if match["salt"]:
        key = fresh.get(match["salt"])
        return f"v1:{key.salt}:{key.close(_KNOWN)}" if key else match[0]
    for salt, key in fresh.items():
        text = keys[salt].open(match)
        if text is not None:
            return key.close(text)
    return match[0]


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except Base64Error:
        return b""
