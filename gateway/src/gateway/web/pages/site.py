"""Addresses of this installation's pages, and what they lead to.

Paths begin with the prefix of the request, as everywhere. Whole addresses begin with what the operator has set, never
with the Host header, which anybody can forge: what they are in is kept, and given to others.
"""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from gateway import origins, paths, prefixes
from gateway.errors import MalformedPathError


@dataclass(frozen=True)
class Target:
    """What a page shows: the image with the key `s3_key`, else the collection `name`."""

    s3_key: str | None = None
    name: str | None = None


def image_path(s3_key: str) -> str:
    """Return the path of the page of an image, without a prefix."""
    return f"/i/{_quoted(s3_key)}"


def collection_path(name: str) -> str:
    """Return the path of the page of a collection, without a prefix."""
    return f"/c/{_quoted(name)}"


def member_path(name: str, s3_key: str) -> str:
    """Return the path of the page of an image in a collection, without a prefix."""
    return f"{collection_path(name)}/{_quoted(s3_key)}"


def feed_path(name: str) -> str:
    """Return the path of the feed of a collection, without a prefix."""
    return f"{collection_path(name)}.atom"


def here(path: str) -> str:
    """Return `path` as the client of the current request has to ask for it."""
    return prefixes.current() + path


def target_of(url: str, public_url: str) -> Target | None:
    """Return what the page at `url` shows if it is one of those below `public_url`, else None.

    Nothing is asked for. Scheme and host are compared as browsers do, the rest byte for byte, and decoded once.
    """
    try:
        given, own = urlsplit(url), urlsplit(public_url)
        if _origin(url) != _origin(public_url) or not given.path.startswith(f"{own.path}/"):
            return None
        return _target(given.path.removeprefix(own.path))
    except (ValueError, MalformedPathError):
        return None


def _target(path: str) -> Target | None:
    match path.split("/", 2):
        case ["", "i", s3_key] if s3_key:
            return Target(s3_key=paths.decode(s3_key))
        case ["", "c", below] if below:
            name, _, s3_key = below.partition("/")
            return Target(paths.decode(s3_key) if s3_key else None, paths.decode(name))
    return None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return origins.check(f"{parts.scheme}://{parts.netloc}")


def _quoted(name: str) -> str:
    return quote(name, safe="/")
