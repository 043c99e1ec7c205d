"""Identity between services: a JWT signed with Ed25519 (RFC 8037), for one audience, valid for seconds.

The clocks of the machines may differ by `LEEWAY_S`, in either direction. This lets a stolen token live longer than
`LIFETIME_S`: by `LEEWAY_S` where the clocks agree, and by twice as much at a service whose clock is that far behind
auth's. Such a token works only inside the network of the services, and only at the one service it was signed for.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, Protocol

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chassis.errors import ClocksApartError, TokenRefusedError
from chassis.token_keys import SigningKey

log = structlog.get_logger(__name__)

ALGORITHM = "EdDSA"
# The gateway gets a token first, then waits for the body of the request, then for a free thread of the service.
LIFETIME_S = 30
LEEWAY_S = 60
# Signing and verifying take longer than all else that is done with a token. A client that asks often gets the same one
# for a while, whose signature the services remember; whether they get one at all, auth decides each time.
SAME_FOR_S = 5
_MOST_REMEMBERED = 1000
# By audience and token: the id of the key that has signed it, and what it says.
_verified: dict[tuple[str, str], tuple[str, Mapping[str, Any]]] = {}

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


class Keys(Protocol):
    """Keys that verify tokens."""

    def by_id(self) -> Mapping[str, Ed25519PublicKey]:
        """Return them by the ids by which tokens name them."""
        ...


def sign(key: SigningKey, audience: str, principal: Principal) -> str:
    """Return a token, signed with `key`, that tells `audience` who `principal` is.

    It is valid for `LIFETIME_S` seconds from now, less at most `SAME_FOR_S`.
    """
    return _signed(key, audience, principal, int(time.time()) // SAME_FOR_S * SAME_FOR_S)


@lru_cache(_MOST_REMEMBERED)
def _signed(key: SigningKey, audience: str, principal: Principal, now: int) -> str:
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
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.key_id})


def verify(keys: Keys, audience: str, authorization: str | None) -> Principal:
    """Return the principal of an `Authorization: Bearer …` header, whose token one of `keys` has signed.

    Raise `TokenRefusedError` unless auth has signed the token for `audience`. Raise `ClocksApartError` if it has, but
    the token is not valid at this machine's time: the gateway gets a new token for each request, so the clocks differ.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme != "Bearer":
        raise TokenRefusedError
    try:
        claims = _remembered_claims(token, keys.by_id(), audience)
        issued, expires = int(claims["iat"]), int(claims["exp"])
    except (jwt.InvalidTokenError, ValueError, TypeError) as fault:
        log.warning("token refused", reason=str(fault))
        raise TokenRefusedError from None
    _require_clocks(issued, expires)
    # A token that auth of an earlier release signed has none of these: a key may be used for everything there.
    scope, key_id, mark = (str(claims[name]) if name in claims else None for name in ("scope", "key", "mark"))
    scopes = None if scope is None else frozenset(scope.split())
    return Principal(str(claims["sub"]), str(claims["name"]), claims["method"], scopes, key_id, mark)


def _remembered_claims(token: str, keys: Mapping[str, Ed25519PublicKey], audience: str) -> Mapping[str, Any]:
    """Return what `token` says. Raise `jwt.InvalidTokenError` unless the key that it names has signed it."""
    name, claims = _verified.get((audience, token), ("", {}))
    if name in keys:
        return claims
    # Auth of an earlier release had one key only, which its tokens do not name.
    name = jwt.get_unverified_header(token).get("kid", next(iter(keys)))
    if name not in keys:
        raise jwt.InvalidTokenError("signed with an unknown key")
    claims = _claims(token, keys[name], audience)
    if len(_verified) >= _MOST_REMEMBERED:
        _verified.clear()
    _verified[audience, token] = name, claims
    return claims


def _claims(token: str, key: Ed25519PublicKey, audience: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[ALGORITHM],
        audience=audience,
        options={
            "require": ["iat", "exp", "aud", "sub", "name", "method"],
            # Checked by `verify`, once the signature is known to be auth's.
            "verify_iat": False,
            "verify_exp": False,
        },
    )
    return claims


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
