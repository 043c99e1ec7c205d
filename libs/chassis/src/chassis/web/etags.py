"""Entity tags (RFC 9110, 8.8.3): strong ones, computed from the representation, or from all that it depends on."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Request, Response
from werkzeug.datastructures import ETags


class StaleError(Exception):
    """The `If-Match` of the client does not name the current state of the resource."""

    code = "stale"

    def __init__(self) -> None:
        super().__init__("The resource has changed since you read it. Read it again, then repeat the change.")


def of(document: Mapping[str, Any], without: tuple[str, ...] = ()) -> str:
    """Return the entity tag of `document`, without quotes, computed from all members except those in `without`."""
    counted = {name: value for name, value in document.items() if name not in without}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:32]


def of_parts(*parts: str | int | None) -> str:
    """Return the entity tag, without quotes, of a representation that depends on nothing but `parts`."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def require_match(request: Request, etag: str | None) -> None:
    """Raise `StaleError` if `request` has an `If-Match` that does not name `etag`, or any if `etag` is None."""
    if "If-Match" in request.headers:
        require_one_of(request.if_match, etag)


def require_one_of(expected: ETags, etag: str | None) -> None:
    """Raise `StaleError` unless `etag` is one of those that the client `expected`.

    None says that there is nothing at the address of the request now, so that not even `*` matches.

    The comparison is weak, though RFC 9110 (13.1.1) demands a strong one: a proxy that compresses an answer puts `W/`
    before its tag, and that is the only tag the client gets. The strong comparison is for tags that may stand for
    several states. Ours are hashes of all that makes a state, so that a weakened one still names a single state.
    """
    if etag is None or not expected.contains_weak(etag):
        raise StaleError


def require_match_of_part(request: Request, part: str) -> None:
    """Raise `StaleError` if `request` has an `If-Match` that names no tag of two parts, `part-rest`.

    Such a tag stands for a representation by its rest, and for what `If-Match` is about by its first part.
    """
    given = request.if_match
    # Werkzeug reads the tag "" as None.
    parts = {tag.partition("-")[0] for tag in given.as_set(include_weak=True) if tag}
    if "If-Match" in request.headers and not given.star_tag and part not in parts:
        raise StaleError


def is_known(request: Request, etag: str) -> bool:
    """Return whether `request` is a GET or HEAD whose `If-None-Match` names `etag`, so that 304 answers it."""
    return request.method in {"GET", "HEAD"} and request.if_none_match.contains_weak(etag)


def not_modified(etag: str) -> Response:
    """Return the answer to a request whose client knows `etag`."""
    answer = Response(status=304)
    answer.set_etag(etag)
    return answer


def conditional(request: Request, answer: Response, etag: str) -> Response:
    """Set the `etag` of `answer`, and make it a 304 if the client knows that tag."""
    # Werkzeug's make_conditional would turn a stale If-Match into a 412 with the representation as its body.
    answer.set_etag(etag)
    if is_known(request, etag):
        answer.status_code = 304
    return answer


def unless_known(request: Request, etag: str, build: Callable[[], Response]) -> Response:
    """Return what `build` returns, with the tag `etag`; if the client knows that tag, a 304 without calling `build`."""
    return not_modified(etag) if is_known(request, etag) else conditional(request, build(), etag)
