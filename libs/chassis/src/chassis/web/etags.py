"""Entity tags: strong, made from the representation itself (RFC 9110, section 8.8.3)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from flask import Request, Response


class StaleError(Exception):
    """The client's If-Match names another state of the resource than the present one."""

    code = "stale"

    def __init__(self) -> None:
        super().__init__("The resource has changed since you read it. Read it again, then repeat the change.")


def of(document: Mapping[str, Any], without: tuple[str, ...] = ()) -> str:
    """Give the entity tag (without quotes) of DOCUMENT; members named in WITHOUT do not count."""
    counted = {name: value for name, value in document.items() if name not in without}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:32]


def require_match(request: Request, etag: str) -> None:
    """Raise StaleError if REQUEST has an If-Match that does not name ETAG.

    By the weak comparison, though RFC 9110 (13.1.1) asks for the strong one: proxies that compress an answer put W/
    before its tag, and the client has no other. The strong one protects from tags that stand for several states; ours
    are hashes of the representation, so a weakened one still names a single state.
    """
    if "If-Match" in request.headers and not request.if_match.contains_weak(etag):
        raise StaleError


def conditional(request: Request, answer: Response, etag: str) -> Response:
    """Give ANSWER its ETAG; where REQUEST is a GET whose If-None-Match names it, turn the answer into a 304."""
    # Not by make_conditional: at an If-Match that names another state it makes a 412 with the representation as body.
    answer.set_etag(etag)
    if request.method in {"GET", "HEAD"} and request.if_none_match.contains_weak(etag):
        answer.status_code = 304
    return answer
