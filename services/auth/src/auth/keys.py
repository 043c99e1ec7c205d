"""API keys as text: `imgh_<id>_<secret><checksum>`. Only the id and a digest of the whole are ever stored."""

import base64
import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass

_ID_BYTES, _SECRET_BYTES = 10, 20
KEY_ID = re.compile(r"[a-z2-7]{16}")
# What the gateway, too, takes for a key. It sends a password to be hashed by another way.
_SHAPE = re.compile(r"imgh_[a-z2-7]{16}_[A-Za-z0-9]+")
_KEY = re.compile(r"(?P<body>imgh_(?P<id>[a-z2-7]{16})_[a-z2-7]{32})(?P<checksum>[a-z2-7]{7})")


@dataclass(frozen=True)
class PresentedKey:
    """An API key as a client sent it: well-formed, with the right checksum; not yet looked up."""

    key_id: str
    digest: str


@dataclass(frozen=True)
class KeyName:
    """How a path names an API key: by its id alone, or by id and digest where the path held the whole key."""

    key_id: str
    digest: str | None = None


def new_key(key_id: str | None = None) -> str:
    """Make an API key: recognisable prefix, public id, a new one if `key_id` is None, secret of 160 bits, checksum."""
    key_id = key_id or _base32(secrets.token_bytes(_ID_BYTES))
    body = f"imgh_{key_id}_{_base32(secrets.token_bytes(_SECRET_BYTES))}"
    return body + checksum(body)


def parse_key(text: str) -> PresentedKey | None:
    """Read an API key. Return None if `text` has another shape or a wrong checksum: a typing error costs no query."""
    match = _KEY.fullmatch(text)
    if match is None or match["checksum"] != checksum(match["body"]):
        return None
    return PresentedKey(match["id"], digest(text))


def looks_like_key(text: str) -> bool:
    """Return whether `text` is an API key, or a mistyped one: no password has this shape."""
    return _SHAPE.fullmatch(text) is not None


def digest(key: str) -> str:
    """Return what is stored of `key`. A plain SHA-256 is enough for 160 random bits: nobody can try them all."""
    return hashlib.sha256(key.encode()).hexdigest()


def same_digest(stored: str, presented: str) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(stored.encode(), presented.encode("utf-8", "replace"))


def checksum(body: str) -> str:
    """Return the checksum that a key with this `body` ends with."""
    return _base32(zlib.crc32(body.encode()).to_bytes(4))


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
