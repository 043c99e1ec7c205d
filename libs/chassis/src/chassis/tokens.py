"""Identity between services: a JWT signed with Ed25519 (RFC 8037), for one audience, valid for seconds.

The clocks of the machines may differ by `LEEWAY_S`, in either direction. This lets a stolen token live longer than
`LIFETIME_S`: by `LEEWAY_S` where the clocks agree, and by twice as much at a service whose clock is that far behind
auth's. Such a token works only inside the network of the services, and only at the one service it was signed for.
"""

import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import jwt
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chassis.errors import ClocksApartError, TokenRefusedError

log = structlog.get_logger(__name__)

ALGORITHM = "EdDSA"
# The gateway gets a token first, then waits for the body of the request, then for a free thread of the service.
LIFETIME_S = 30
LEEWAY_S = 60

Method = Literal["password", "key"]


@dataclass(frozen=True)
class Principal:
    """Who a request acts for: an immutable user id; the name is for display. `method` says how they proved it.

    `key_id` is that of the API key that proved it, and `scopes` what this key may be used for; None is for everything.
    `credential_mark` tells the password or secret that proved it from the ones before and after.
    """

    user_id: str
    username: str
    method: Method
    scopes: frozenset[str] | None = None
    key_id: str | None = None
    credential_mark: str | None = None

    def has_any(self, scopes: Collection[str]) -> bool:
        """Return whether the caller may do what takes one of `scopes`."""
        return self.scopes is None or not self.scopes.isdisjoint(scopes)


def create_key_files(private: Path, public: Path) -> None:
    """Write a new key pair as PEM files, the private one readable by its owner only.

    An existing private key is kept. The public key file is written if it is missing or does not match.
    """
    private.parent.mkdir(parents=True, exist_ok=True)
    public.parent.mkdir(parents=True, exist_ok=True)
    if not private.exists():
        key = Ed25519PrivateKey.generate()
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    text = public_key_of(private.read_text())
    if not public.exists() or public.read_text() != text:
        public.write_text(text)


def public_key_of(private_key: str) -> str:
    """Return the public half of `private_key`, both as PEM texts. Raise `ValueError` or `TypeError` if it is no key."""
    key = serialization.load_pem_private_key(private_key.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("tokens are signed with an Ed25519 key")
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def require_private_key_file(file: Path, setting: str) -> None:
    """End the process with one sentence unless `file`, which the variable `setting` names, holds a private key."""
    _require_key_file(file, setting, public_key_of, "private key in PEM without a passphrase")


def require_public_key_file(file: Path, setting: str) -> None:
    """End the process with one sentence unless `file`, which the variable `setting` names, holds a public key."""
    _require_key_file(file, setting, _require_public_key, "public key in PEM")


def _require_public_key(public_key: str) -> None:
    if not isinstance(serialization.load_pem_public_key(public_key.encode()), Ed25519PublicKey):
        raise TypeError("tokens are verified with an Ed25519 key")


def _require_key_file(file: Path, setting: str, read: Callable[[str], object], kind: str) -> None:
    try:
        read(file.read_text())
    except OSError as fault:
        reason = fault.strerror
    except (ValueError, TypeError):  # the text of the error may show a part of the key
        reason = f"this is no {kind}"
    else:
        return
    sys.exit(f"no key at {setting}={file}: {reason}; see auth create-token-key")


def sign(private_key: str, audience: str, principal: Principal) -> str:
    """Return a signed token that tells `audience` who `principal` is, for the next `LIFETIME_S` seconds."""
    now = int(time.time())
    claims: dict[str, str | int] = {
        "aud": audience,
        "iat": now,
        "exp": now + LIFETIME_S,
        "sub": principal.user_id,
        "name": principal.username,
        "method": principal.method,
    }
    if principal.scopes is not None:
        claims["scope"] = " ".join(sorted(principal.scopes))  # as in RFC 8693 (4.2)
    if principal.key_id is not None:
        claims["key"] = principal.key_id
    if principal.credential_mark is not None:
        claims["mark"] = principal.credential_mark
    return jwt.encode(claims, private_key, algorithm=ALGORITHM)


def verify(public_key: str, audience: str, authorization: str | None) -> Principal:
    """Return the principal of an `Authorization: Bearer …` header.

    Raise `TokenRefusedError` unless auth has signed the token for `audience`. Raise `ClocksApartError` if it has, but
    the token is not valid at this machine's time: the gateway gets a new token for each request, so the clocks differ.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme != "Bearer":
        raise TokenRefusedError
    try:
        claims = jwt.decode(
            token,
            public_key,
            algorithms=[ALGORITHM],
            audience=audience,
            options={
                "require": ["iat", "exp", "aud", "sub", "name", "method"],
                # Checked below, once the signature is known to be auth's.
                "verify_iat": False,
                "verify_exp": False,
            },
        )
        issued, expires = int(claims["iat"]), int(claims["exp"])
    except (jwt.InvalidTokenError, ValueError, TypeError) as fault:
        log.warning("token refused", reason=str(fault))
        raise TokenRefusedError from None
    _require_clocks(issued, expires)
    # A token that auth of an earlier release signed has none of these: a key may be used for everything there.
    scope, key_id, mark = (str(claims[name]) if name in claims else None for name in ("scope", "key", "mark"))
    scopes = None if scope is None else frozenset(scope.split())
    return Principal(str(claims["sub"]), str(claims["name"]), claims["method"], scopes, key_id, mark)


def _require_clocks(issued: int, expires: int) -> None:
    """Raise `ClocksApartError` unless a token is valid at this machine's time, give or take `LEEWAY_S`."""
    here = time.time()
    if not issued - LEEWAY_S <= here <= expires + LEEWAY_S:
        log.error(
            "the clocks of auth and this service are apart",
            ahead_s=round(issued - here),
            auths_clock=datetime.fromtimestamp(issued, UTC).isoformat(),
            own_clock=datetime.fromtimestamp(here, UTC).isoformat(timespec="seconds"),
        )
        raise ClocksApartError
