"""API keys in paths and logs: only the id is shown or passed on, never the secret."""

import base64
import hashlib
import re
from urllib.parse import quote, unquote

_KEY = re.compile(r"imgh_(?P<id>[a-z2-7]{16})_[A-Za-z0-9]+")
# The secret part of a key, to be redacted wherever it may get into the logs.
SECRET = re.compile(r"(?<=imgh_[a-z2-7]{16}_)[A-Za-z0-9]+")


def name(text: str) -> dict[str, str]:
    """Return the parameters that identify an API key to auth: its id, and for a whole key the digest instead of it."""
    match = _KEY.fullmatch(text)
    if match is None:
        return {"id": text}
    return {"id": match["id"], "digest": hashlib.sha256(text.encode()).hexdigest()}


def is_password(authorization: str) -> bool:
    """Return whether an Authorization header has a password that auth would hash, and not an API key."""
    password = _password(authorization)
    return password is not None and not _KEY.fullmatch(password)


def is_key(authorization: str) -> bool:
    """Return whether an Authorization header has an API key, by its shape."""
    scheme, _, value = authorization.partition(" ")
    text = value.strip(" ") if scheme.lower() == "bearer" else _password(authorization)
    return text is not None and _KEY.fullmatch(text) is not None


def _password(authorization: str) -> str | None:
    """Return the password of an Authorization header with the scheme Basic, None if it is no such header."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, colon, password = base64.b64decode(value.strip(" "), validate=True).decode().partition(":")
    except ValueError:
        return None
    return password if colon else None


def hide(path: str) -> str:
    """Return `path` with the id in place of each whole key, even of one that is percent-encoded or partly so."""
    decoded = unquote(path)
    return quote(_KEY.sub(lambda match: match["id"], decoded)) if _KEY.search(decoded) else path
