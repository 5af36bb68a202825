"""A token service, as NVCR has one: a login buys a token for a repository, for a short time, and no more."""

import base64
import json
import secrets
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ISSUER, SERVICE = "tokens of the tests", "registry of the tests"
_KEY_ID = "tests"
_LIFETIME = 300
# The registry forgives a minute.
_LONG_AGO = 3600


@dataclass
class Account:
    """A login.

    Attributes:
        rights: what it may do, by the beginning of a repository's name: `pull`, `push`.
        is_blocked: whether its password counts no more.
    """

    password: str = field(repr=False)
    rights: Mapping[str, frozenset[str]] = field(default_factory=lambda: {"": frozenset({"pull", "push"})})
    is_blocked: bool = False

    def granted(self, repository: str, actions: Sequence[str]) -> list[str]:
        found = (rights for start, rights in self.rights.items() if repository.startswith(start))
        return sorted(set(actions) & next(found, frozenset()))


@dataclass(frozen=True)
class Given:
    """An answer of the service."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class TokenService:
    """Gives tokens, and remembers for what.

    Attributes:
        accounts: who may log in, by name.
        refuses_strangers: whether a wish for what nobody granted is refused, as NVCR does; else the token lacks it.
        asked: the scopes that a token was wanted for.
    """

    accounts: Mapping[str, Account]
    refuses_strangers: bool = False
    asked: list[str] = field(default_factory=list)
    _key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public_keys(self) -> str:
        """What the registry knows it by: a JSON Web Key Set."""
        point = _text(self._key.public_key().public_bytes_raw())
        return json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": point, "kid": _KEY_ID, "alg": "EdDSA"}]})

    def answer(self, method: str, query: str, authorization: str) -> Given:
        """Change a login for a token."""
        if method != "GET":
            # As NVCR's: no form of OAuth.
            return Given(405, b"")
        account = self._account(authorization)
        if account is None:
            return _refusal(401, "UNAUTHORIZED", "Invalid username or password")
        wishes = [scope for text in urllib.parse.parse_qs(query).get("scope", []) for scope in text.split()]
        self.asked += wishes
        access = [_access(account, wish) for wish in wishes]
        if self.refuses_strangers and any(not entry["actions"] for entry in access):
            return _refusal(403, "DENIED", "Access Denied")
        return Given(200, json.dumps({"token": self.token(access), "expires_in": _LIFETIME}).encode())

    def token(self, access: Sequence[Mapping[str, object]] = (), *, expired: bool = False) -> str:
        now = int(time.time()) - (_LONG_AGO if expired else 0)
        claims = {
            "iss": ISSUER,
            "aud": SERVICE,
            "sub": "",
            "iat": now,
            "nbf": now,
            "exp": now + _LIFETIME,
            "jti": secrets.token_hex(8),
            "access": list(access),
        }
        header = {"typ": "JWT", "alg": "EdDSA", "kid": _KEY_ID}
        signed = ".".join(_text(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{_text(self._key.sign(signed.encode()))}"

    def _account(self, authorization: str) -> Account | None:
        kind, _, login = authorization.partition(" ")
        name, _, password = base64.b64decode(login).decode().partition(":") if kind == "Basic" else ("", "", "")
        account = self.accounts.get(name)
        return (
            account
            if account and not account.is_blocked and secrets.compare_digest(account.password, password)
            else None
        )


def _access(account: Account, scope: str) -> dict[str, object]:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return {"type": kind, "name": name, "actions": account.granted(name, actions.split(","))}


def _refusal(status: int, code: str, message: str) -> Given:
    return Given(status, json.dumps({"errors": [{"code": code, "message": message}]}).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
