"""Credentials from an Authorization header (RFC 7617, RFC 6750)."""

import base64
import binascii
from dataclasses import dataclass

from auth.domain import LONGEST_SENT, prepare_password
from auth.errors import CredentialsRequiredError, MalformedCredentialsError
from auth.keys import PresentedKey, looks_like_key, parse_key


@dataclass(frozen=True)
class PresentedPassword:
    """A username as a client sent it, and the password that was sent with it, prepared for comparison."""

    username: str
    password: str


def read(authorization: str | None) -> PresentedKey | PresentedPassword:
    """Read an Authorization header. Raise `CredentialsRequiredError` or `MalformedCredentialsError`.

    A Basic password that is a well-formed API key counts as that key, whatever the username. One that only looks like a
    key is malformed, not a password to be hashed: the gateway has a way for passwords, and one for keys.
    """
    if not authorization:
        raise CredentialsRequiredError
    scheme, _, value = authorization.partition(" ")
    value = value.strip(" ")
    if scheme.lower() == "bearer":
        key = parse_key(value)
        if key is None:
            raise MalformedCredentialsError("The Bearer token is not an API key, or a part of one, or mistyped.")
        return key
    if scheme.lower() != "basic":
        raise MalformedCredentialsError("The Authorization header must begin with Basic or Bearer, and a space.")
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (ValueError, binascii.Error):
        raise MalformedCredentialsError("What follows Basic must be base64 of UTF-8.") from None
    username, colon, password = text.partition(":")
    if not colon:
        raise MalformedCredentialsError("What follows Basic must have a colon between username and password.")
    key = parse_key(password)
    if key is not None:
        return key
    if looks_like_key(password):
        raise MalformedCredentialsError("The password looks like an API key, but is cut or mistyped.")
    # A longer name or password is wrong in any case: cutting it bounds what hashing and comparing it costs. A password
    # keeps one character more than the longest has, so that what is left of it is never right.
    return PresentedPassword(username[:LONGEST_SENT], prepare_password(password[: LONGEST_SENT + 1]))
