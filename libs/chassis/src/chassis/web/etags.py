"""Entity tags: strong ones, computed from the representation itself (RFC 9110, section 8.8.3)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from flask import Request, Response


class StaleError(Exception):
    """The `If-Match` of the client does not name the current state of the resource."""

    code = "stale"

    def __init__(self) -> None:
        super().__init__("The resource has changed since you read it. Read it again, then repeat the change.")


def of(document: Mapping[str, Any], without: tuple[str, ...] = ()) -> str:
    """Return the entity tag of `document`, without quotes, computed from all members except those in `without`."""
    counted = {name: value for name, value in document.items() if name not in without}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:32]


def require_match(request: Request, etag: str) -> None:
    """Raise `StaleError` if `request` has an `If-Match` that does not name `etag`.

    The comparison is weak, though RFC 9110 (13.1.1) demands a strong one: a proxy that compresses an answer puts `W/`
    before its tag, and that is the only tag the client gets. The strong comparison is for tags that may stand for
    several states. Ours are hashes of the representation, so that a weakened one still names a single state.
    """
    if "If-Match" in request.headers and not request.if_match.contains_weak(etag):
        raise StaleError


def conditional(request: Request, answer: Response, etag: str) -> Response:
    """Set the `etag` of `answer`; if `request` is a GET or HEAD whose `If-None-Match` names it, answer with 304."""
    # Werkzeug's make_conditional would turn a stale If-Match into a 412 with the representation as its body.
    answer.set_etag(etag)
    if request.method in {"GET", "HEAD"} and request.if_none_match.contains_weak(etag):
        answer.status_code = 304
    return answer
