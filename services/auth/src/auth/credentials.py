"""Credentials as they come in an Authorization header (RFC 7617, RFC 6750)."""

import base64
import binascii
from dataclasses import dataclass

from auth.errors import UnauthorizedError
from auth.keys import PresentedKey, parse_key

# A password longer than any acceptable one is wrong whatever it is; it is cut before it costs memory.
_LONGEST = 1024


@dataclass(frozen=True)
class PresentedPassword:
    """A username and password as somebody sent them."""

    username: str
    password: str


def read(authorization: str | None) -> PresentedKey | PresentedPassword:
    """Read an Authorization header; raises UnauthorizedError for a missing, malformed or undecodable one.

    A Basic password that is a well-formed API key is one, whatever the username.
    """
    scheme, _, value = (authorization or "").partition(" ")
    value = value.strip(" ")
    if scheme.lower() == "bearer":
        key = parse_key(value)
        if key is None:
            raise UnauthorizedError
        return key
    if scheme.lower() != "basic":
        raise UnauthorizedError
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (ValueError, binascii.Error):
        raise UnauthorizedError from None
    username, colon, password = text.partition(":")
    if not colon:
        raise UnauthorizedError
    return parse_key(password) or PresentedPassword(username[:_LONGEST], password[:_LONGEST])
